"""How one setting is described, found in the environment and read from text. The table itself is next door."""

import difflib
import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.secrets import Secret

KIB = 1024
MIB = 1024 * KIB
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Kubernetes announces every service of a namespace in each container's environment.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_[0-9]+_(TCP|UDP)")


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


def row(names: str, parse: Callable[[str], Any], default: Any, unit: str, sentence: str) -> Any:
    """Return the field of a settings class that this row describes; ``names`` are separated by spaces."""
    return field(
        metadata={"setting": Setting(tuple(names.split()), parse, default, unit, sentence)}
    )


def whole(text: str) -> int:
    """Return a whole number that is not negative."""
    number = int(text)
    if number < 0:
        raise ValueError("must not be negative")
    return number


def positive(text: str) -> int:
    """Return a whole number above zero."""
    number = int(text)
    if number < 1:
        raise ValueError("must be at least 1")
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


def given(setting: Setting, environ: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the text that the environment gives a setting, None without one, and under which name.

    Raises ValueError when the file that should hold it can't be read.
    """
    for name in setting.names:
        if name in environ:
            return environ[name], name
        if setting.is_secret and environ.get(f"{name}_FILE"):
            path = Path(environ[f"{name}_FILE"])
            try:
                return path.read_text().strip(), name
            except OSError as error:
                raise ValueError(f"{name}_FILE: cannot read {path}: {error.strerror}") from None
    return None, setting.names[0]


def parsed(setting: Setting, name: str, text: str) -> Any:
    """Return a setting's value. Raises ValueError, with the text only when it is no secret."""
    try:
        return setting.parse(text)
    except ValueError as error:
        shown = "" if setting.is_secret else f" (given: {text[:60]!r})"
        raise ValueError(f"{name}: {error}{shown}") from None


def unknown_names(
    environ: Mapping[str, str],
    table: Collection[Setting],
    others: Collection[str],
    prefixes: tuple[str, ...],
) -> list[str]:
    """Return a sentence for each variable with one of our prefixes that nothing reads."""
    known = {n for s in table for n in s.names} | set(others)
    known |= {f"{n}_FILE" for s in table if s.is_secret for n in s.names}
    mistakes = []
    for name in sorted(environ):
        is_link = _SERVICE_LINK.search(name) or environ[name].startswith("tcp://")
        if name.startswith(prefixes) and name not in known and not is_link:
            near = difflib.get_close_matches(name, known, 1)
            mistakes.append(
                f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else "")
            )
    return mistakes
