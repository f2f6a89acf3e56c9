"""How one setting is described, and how each kind of value is read from text. The table itself is next door."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.secrets import Secret

KIB = 1024
MIB = 1024 * KIB
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """The settings are wrong; ``mistakes`` lists every one of them, one sentence each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table. ``names`` are accepted environment variables, the first is the canonical one."""

    names: tuple[str, ...]
    parse: Callable[[str], Any]
    default: Any
    unit: str
    sentence: str

    @property
    def is_secret(self) -> bool:
        """True when the value may also come from the file that ``NAME_FILE`` names."""
        return self.parse is Secret


def whole(text: str) -> int:
    """Return a whole number that is not negative."""
    number = int(text)
    if number < 0:
        raise ValueError("must not be negative")
    return number


def seconds(text: str) -> float:
    """Return a number of seconds."""
    number = float(text)
    if not 0 <= number < 1e9:
        raise ValueError("must be a number of seconds, not negative")
    return number


def flag(text: str) -> bool:
    """Return True for 1, true, yes, on; False for 0, false, no, off."""
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in known:
        raise ValueError("must be 1 or 0")
    return known[text.lower()]


def address(text: str) -> tuple[str, int]:
    """Return host and port of ``host:port``; an empty host means every interface."""
    host, _, digits = text.rpartition(":")
    everywhere = "0.0.0.0"  # noqa: S104 - what ":5563" asks for
    return host.strip("[]") or everywhere, port(digits)


def port(text: str) -> int:
    """Return a port, 0 included."""
    if not text.isdigit() or int(text) > 65535:
        raise ValueError("must be a port from 0 to 65535")
    return int(text)


def url(text: str) -> str:
    """Return an http or https address without a trailing slash."""
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError("must be an http or https address")
    return text.rstrip("/")


def database(text: str) -> str:
    """Return the address of a database of a supported kind."""
    if not re.match(r"(sqlite:///|postgres(ql)?://)", text):
        raise ValueError("must start with sqlite:/// or postgresql://")
    return text


def networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def names(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def one_of(*allowed: str) -> Callable[[str], str]:
    """Return a parser that takes only these words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text.lower()

    return parse
