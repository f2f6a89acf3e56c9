"""Finds the addresses in a request body that rules judge, in the words in which whoever fetches them reads them.

An address is judged as it is written and, where that differs, as it is fetched: hosts have no case, their
letters may be written in other forms, and what stands before an ``@`` is no host. Each form must pass.
"""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

_MIN_CHARACTERS = 9
_SCHEME_END = re.compile(rb"(?i)https?$")
_ADDRESS = re.compile(
    rb"(?:[^\s\"'<>\\^`{|}\x00-\x1f]|\\++u(?:[1-9a-fA-F][0-9a-fA-F]|0[1-9a-fA-F]|00)[0-9a-fA-F]{2})*+"
)
_ESCAPED_SIGN = re.compile(rb"\\+u00([2-7][0-9a-fA-F])")
_ESCAPED_SLASH = re.compile(rb"\\+/")
_ESCAPES = re.compile(r"(?:\\++u[0-9a-fA-F]{4})+")
_TRAILING = ",.;:)]}\\"
_PARTS = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_PLAIN = re.compile(r"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)*+(?:[/?#]|\Z)")
"""Nothing in its host could be written otherwise."""
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff")) | {0x3002: "."}
"""What a host is read without, and a full stop of other scripts, which parts it like any other."""
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def addresses(body: bytes) -> list[str]:
    """Return every http and https address in a body, each form once, however JSON may have escaped it."""
    found: dict[str, None] = {}
    for text in _found(_unescaped(body)):
        if text not in found:
            found[text] = None
            found[_fetched(text)] = None
    return list(found)


def _unescaped(body: bytes) -> bytes:
    if b"\\/" in body:
        body = _ESCAPED_SLASH.sub(b"/", body)
    if b"\\u00" in body:
        body = _ESCAPED_SIGN.sub(_sign, body)
    return body


def _sign(match: re.Match[bytes]) -> bytes:
    sign = bytes((int(match[1], 16),))
    # A quotation mark or a backslash would end an address, and so does what it is replaced by.
    return b" " if sign in b'"\\' else sign


def _found(body: bytes) -> Iterator[str]:
    position = body.find(b"://")
    while position >= 0:
        scheme = _SCHEME_END.search(body[max(position - 5, 0) : position])
        end = position + 3
        if scheme is not None:
            match = _ADDRESS.match(body, end)
            end = match.end() if match else end
            found = body[position - len(scheme.group()) : end]
            text = found.decode("utf-8", "replace")
            if b"\\" in found:
                text = _ESCAPES.sub(_letters, text).split(None, 1)[0]
            text = text.rstrip(_TRAILING)
            if len(text) >= _MIN_CHARACTERS:
                yield text
        position = body.find(b"://", end)


def _letters(match: re.Match[str]) -> str:
    units = match.group().split("u")[1:]
    return bytes.fromhex("".join(unit[:4] for unit in units)).decode("utf-16-be", "replace")


def _fetched(text: str) -> str:
    """Return an address as it is fetched: without case in its host, disguises, user and usual port."""
    match = None if _PLAIN.match(text) else _PARTS.fullmatch(text)
    if match is None:
        return text
    scheme, authority, rest = match[1].lower(), match[2], match[3]
    if not authority.isascii() or "%" in authority:
        authority = unquote_to_bytes(authority).decode("utf-8", "replace").translate(_UNSEEN)
        authority = unicodedata.normalize("NFKC", authority)
    host = authority.rpartition("@")[2].lower()
    host = host.removesuffix(_DEFAULT_PORTS[scheme])
    return f"{scheme}://{host.rstrip('.')}{rest}"
