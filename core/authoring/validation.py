"""Collects complaints about fields, so that whoever wrote them hears all at once. Looks nothing up."""

import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import urlsplit

from core.fault import Fault, Refused

NAME_CHARACTERS = 120
DESCRIPTION_CHARACTERS = 1000
SLUG_CHARACTERS = 63
URL_CHARACTERS = 2000
EMAIL_CHARACTERS = 254
PASSWORD_CHARACTERS = (8, 200)

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_EMAIL = re.compile(r"[^@\s\"<>,;]+@[^@\s\"<>,;.]+(\.[^@\s\"<>,;.]+)*")


class Complaints:
    """Field name to one sentence; ``refuse_any`` raises them all together."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}

    def add(self, field: str, sentence: str) -> None:
        """Note a complaint; an empty sentence is none, and the first complaint about a field stays."""
        if sentence:
            self.errors.setdefault(field, sentence)

    def need(self, is_right: bool, field: str, sentence: str) -> None:
        """Note a complaint unless the field is right."""
        self.add(field, "" if is_right else sentence)

    def refuse_any(self) -> None:
        """Raise Refused(VALIDATION_ERROR, errors={field: sentence}) when there is any complaint."""
        if self.errors:
            raise invalid(self.errors)


def invalid(errors: Mapping[str, str]) -> Refused:
    """Return the refusal of wrong fields."""
    return Refused(Fault.VALIDATION_ERROR, "Some fields are not right.", errors=dict(errors))


def not_found(what: str) -> Refused:
    """Return the refusal for a row that is not there, or not this organization's."""
    return Refused(Fault.NOT_FOUND, f"There is no such {what}.")


def name_error(name: str) -> str:
    """Return what is wrong with a name that people read, or an empty string."""
    if not name.strip():
        return "Give it a name."
    if len(name) > NAME_CHARACTERS:
        return f"Keep the name to {NAME_CHARACTERS} characters."
    return "" if name.isprintable() else "The name holds characters that cannot be shown."


def description_error(text: str) -> str:
    """Return what is wrong with a description, or an empty string."""
    if len(text) > DESCRIPTION_CHARACTERS:
        return f"Keep the description to {DESCRIPTION_CHARACTERS} characters."
    return ""


def slug_error(slug: str) -> str:
    """Return what is wrong with a slug, or an empty string."""
    if len(slug) > SLUG_CHARACTERS or not _SLUG.fullmatch(slug):
        return f"Use up to {SLUG_CHARACTERS} lower-case letters, digits and single hyphens between them."
    return ""


def slug_of(name: str) -> str:
    """Return a slug for a name: its letters and digits without accents, in lower case; empty when it has none."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:SLUG_CHARACTERS].strip("-")


def email_error(email: str) -> str:
    """Return what is wrong with an e-mail address, or an empty string."""
    if len(email) > EMAIL_CHARACTERS or not _EMAIL.fullmatch(email):
        return "This is not an e-mail address."
    return ""


def password_error(password: str) -> str:
    """Return what is wrong with a password, or an empty string."""
    least, most = PASSWORD_CHARACTERS
    if len(password) < least:
        return f"Use at least {least} characters."
    return "" if len(password) <= most else f"Keep the password to {most} characters."


def origin_of(url: str) -> tuple[str, str]:
    """Return whom an address leads to: scheme, host and port. What is sent there stays there whatever the path."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def url_error(url: str) -> str:
    """Return what is wrong with an outbound address, or an empty string.

    Where the address leads is judged when it is connected to, since names may move.
    """
    if len(url) > URL_CHARACTERS or not url.isprintable() or " " in url:
        return "This is not an address."
    try:
        parts = urlsplit(url)
        port_is_right = parts.port != 0
    except ValueError:
        return "This is not an address."
    if parts.scheme not in ("http", "https"):
        return "Start the address with https:// or http://."
    if not parts.hostname or not port_is_right:
        return "The address names no host."
    if parts.username is not None or parts.password is not None:
        return "Leave user names and passwords out of the address."
    return "Leave out the part after #." if parts.fragment else ""
