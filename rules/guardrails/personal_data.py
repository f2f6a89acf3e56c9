"""Finds personal data in a text: e-mail, phone, card, IBAN, identity numbers, by check digit where there is one, and
public addresses of the internet.

Numbers without a check digit (US social security, UK national insurance) are found by their form alone.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import re2

from rules.guardrails import checksums
from rules.guardrails.matches import Match, spans

_SEPARATORS = re.compile(r"[ .\-/()\u00a0]")
_DIGITS = (8, 15)


class _Kind(NamedTuple):
    pattern: Any
    label: str
    check: Callable[[str], bool]
    """Takes the match without separators, in upper case."""


def _always(_: str) -> bool:
    return True


def _card(digits: str) -> bool:
    return 13 <= len(digits) <= 19 and checksums.luhn(digits)


def _phone(text: str) -> bool:
    least, most = _DIGITS
    return least <= sum(map(str.isdigit, text)) <= most


def _is_iban(text: str) -> bool:
    return 15 <= len(text) <= 34 and checksums.iban(text)


def _is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


_OPTIONS = re2.Options()
_OPTIONS.never_capture = True


def _kind(pattern: str, label: str, check: Callable[[str], bool]) -> _Kind:
    return _Kind(re2.compile(pattern, _OPTIONS), label, check)


_KINDS: dict[str, _Kind] = {
    "email": _kind(
        r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b", "EMAIL", _always
    ),
    "card": _kind(r"\b[2-6]\d{3}(?:[ -]?\d){9,15}\b", "CARD", _card),
    "iban": _kind(r"(?i)\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]){11,30}\b", "IBAN", _is_iban),
    "us_ssn": _kind(r"\b\d{3}-\d{2}-\d{4}\b", "US_SSN", checksums.us_ssn),
    "uk_nino": _kind(
        r"(?i)\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b",
        "UK_NINO",
        lambda text: text[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"),
    ),
    "de_tax_id": _kind(r"\b[1-9]\d ?\d{3} ?\d{3} ?\d{3}\b", "DE_TAX_ID", checksums.german_tax_id),
    "fr_nir": _kind(
        r"\b[1-478] ?\d{2} ?\d{2} ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3} ?\d{2}\b",
        "FR_NIR",
        checksums.french_nir,
    ),
    "es_dni": _kind(
        r"(?i)\b(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z]\b", "ES_DNI", checksums.spanish_id
    ),
    "it_fiscal_code": _kind(
        r"(?i)\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b",
        "IT_FISCAL_CODE",
        checksums.italian_fiscal_code,
    ),
    "phone": _kind(
        r"(?:\+|\b00)[1-9]\d{0,2}[ .-]?(?:\(0?\d{1,4}\)|\d{1,4})(?:[ .-]?\d{2,4}){2,4}\b"
        r"|\(\d{3}\) ?\d{3}[ .-]\d{4}\b|\b\d{3}[ .-]\d{3}[ .-]\d{4}\b",
        "PHONE",
        _phone,
    ),
    "ip": _kind(
        r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9A-Fa-f]{1,4}:{1,2}){2,7}[0-9A-Fa-f]{1,4}\b",
        "IP",
        _is_public,
    ),
}
ALL_KINDS = tuple(_KINDS)
KINDS = ALL_KINDS[:-1]
"""What a guardrail looks for: code is full of addresses, and most of them are nobody's."""


def find_personal_data(text: str, kinds: Sequence[str] = KINDS) -> Iterator[Match]:
    """Yield the personal data of some kinds in a text."""
    has_digits = any(sign in text for sign in "0123456789")
    for name in kinds:
        if name == "email":
            if "@" not in text:
                continue
        elif not has_digits and (name != "ip" or "::" not in text):
            continue
        kind = _KINDS[name]
        for start, end in spans(kind.pattern, text):
            plain = _SEPARATORS.sub("", text[start:end]).upper()
            if name == "iban":
                yield from _ibans(text, start, end)
            elif kind.check(text[start:end] if name == "ip" else plain):
                yield Match(start, end, kind.label)


def _ibans(text: str, start: int, end: int) -> Iterator[Match]:
    """Yield the IBAN at a place: words behind it look like more of it, so shorter ends are tried too."""
    while end - start >= 15:
        plain = _SEPARATORS.sub("", text[start:end]).upper()
        if _is_iban(plain):
            yield Match(start, end, "IBAN")
            return
        end -= 1
