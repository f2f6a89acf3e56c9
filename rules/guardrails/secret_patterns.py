"""Finds credentials in a text: keys of providers and clouds, private keys, tokens, telling assignments.

A pattern matches as soon as what is there can be nothing else, and then as far as it goes, so that a
credential of any length is found while a part of it is still to come.
"""

import math
from collections import Counter
from collections.abc import Iterator

import re2

from rules.guardrails.matches import Match, encoded, spans

_OPTIONS = re2.Options()
_OPTIONS.never_capture = True
_OPTIONS.log_errors = False

_TOKENS: dict[str, tuple[str, ...]] = {
    "PRIVATE_KEY": (
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
        r"(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|\z)",
        r"\bAGE-SECRET-KEY-1[0-9A-Z]{40,}",
    ),
    "API_KEY": (
        r"\bsk-(?:ant-|proj-|svcacct-|admin-|or-)?[A-Za-z0-9_-]{20,}",
        r"\blw_(?:vk_(?:live|test)_[0-9A-Z]{20,}|is_[A-Za-z0-9_-]{20,})",
        r"\bAIza[0-9A-Za-z_-]{35}",
        r"\bgsk_[A-Za-z0-9]{40,}",
        r"\bhf_[A-Za-z0-9]{30,}",
        r"\bxai-[A-Za-z0-9]{40,}",
        r"\br8_[A-Za-z0-9]{30,}",
        r"\bpplx-[A-Za-z0-9]{40,}",
        r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
        r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
        r"\bkey-[0-9a-f]{32}\b",
        r"\bSK[0-9a-f]{32}\b",
    ),
    "CLOUD_KEY": (
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
        r"\bGOCSPX-[A-Za-z0-9_-]{20,}",
        r"\bAccountKey=[A-Za-z0-9+/]{40,}={0,2}",
        r"\bdop_v1_[0-9a-f]{64}",
        r"\bdapi[0-9a-f]{32}",
    ),
    "ACCESS_TOKEN": (
        r"\bgh[pousr]_[A-Za-z0-9]{36,}",
        r"\bgithub_pat_[A-Za-z0-9_]{40,}",
        r"\bglpat-[A-Za-z0-9_-]{20,}",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
        r"\bxapp-[0-9]-[A-Za-z0-9-]{10,}",
        r"\bhooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
        r"\bnpm_[A-Za-z0-9]{36}",
        r"\bpypi-[A-Za-z0-9_-]{50,}",
        r"\bya29\.[A-Za-z0-9_-]{20,}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
    ),
}
_ALL = {
    label: re2.compile("|".join(f"(?:{p})" for p in patterns), _OPTIONS)
    for label, patterns in _TOKENS.items()
}
_ANY = re2.compile("|".join(f"(?:{p})" for some in _TOKENS.values() for p in some), _OPTIONS)
_IN_ADDRESS = re2.compile(
    r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s:/@\"']{1,100}:([^\s:/@\"']{3,100})@"
)
_ASSIGNED = re2.compile(
    r"(?i)(?:secret|token|passw(?:or)?d|passphrase|pwd|api[_-]?key|access[_-]?key|credential)s?"
    r"[a-z0-9_.-]{0,40}[\"'\\\]]{0,3}[ \t]{0,4}(?:=>|:=|=|:)[ \t]{0,4}[\"'\\]{0,2}"
    r"([a-z0-9+/_=.~!@#$%^&*-]{12,200})"
)
_PLACEHOLDERS = (
    "your",
    "example",
    "xxxx",
    "****",
    "change",
    "placeholder",
    "env.",
    "environ",
    "...",
)
_LEAST_BITS = 3.2
"""Shannon bits per character from which a value of at least twelve is hardly a word or a name."""


def find_secrets(text: str) -> Iterator[Match]:
    """Yield the credentials in a text."""
    if _ANY.search(encoded(text)) is not None:
        for label, pattern in _ALL.items():
            for start, end in spans(pattern, text):
                yield Match(start, end, label)
    if "://" in text:
        for start, end in spans(_IN_ADDRESS, text, 1):
            yield Match(start, end, "PASSWORD")
    for start, end in spans(_ASSIGNED, text, 1):
        if _is_telling(text[start:end]):
            yield Match(start, end, "SECRET")


def _is_telling(value: str) -> bool:
    lowered = value.lower()
    if any(word in lowered for word in _PLACEHOLDERS) or lowered.startswith(("$", "/", "%")):
        return False
    has_both = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return has_both and entropy_bits(value) >= _LEAST_BITS


def entropy_bits(value: str) -> float:
    """Return the Shannon entropy of a text, in bits per character."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())
