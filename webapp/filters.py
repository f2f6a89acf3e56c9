"""How numbers, times and names are written on pages; it formats and never looks anything up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

NANOUSD_PER_USD = 1_000_000_000
_MINUTE_SECONDS = 60
_HOUR_SECONDS = 3600
_DAY_SECONDS = 86_400
_BYTES_PER_STEP = 1024


def money(nanousd: int) -> str:
    """Return dollars for ``nanousd``: cents from one cent up, four decimals below, ``<$0.0001`` for crumbs."""
    sign = "-" if nanousd < 0 else ""
    usd = abs(nanousd) / NANOUSD_PER_USD
    if usd == 0 or usd >= 0.01:
        return f"{sign}${usd:,.2f}"
    return f"{sign}${usd:.4f}" if usd >= 0.00005 else f"{sign}<$0.0001"


def call_cost(nanousd: int) -> str:
    """Return dollars for one call: four decimals below a dollar, where cents would hide the difference."""
    usd = nanousd / NANOUSD_PER_USD
    return f"${usd:.4f}" if 0.00005 <= usd < 1 else money(nanousd)


def money_axis(nanousd: float) -> str:
    """Return dollars as short as an axis needs them: ``$0``, ``$0.05``, ``$20``, ``$1.5k``, ``$2M``."""
    usd = nanousd / NANOUSD_PER_USD
    for size, suffix in ((1_000_000, "M"), (1_000, "k")):
        if usd >= size:
            return f"${usd / size:.4g}{suffix}"
    return "$0" if usd == 0 else f"${usd:.3g}" if usd < 1 else f"${usd:.4g}"


def compact(number: int) -> str:
    """Return ``number`` in full up to 9,999 and shortened above: ``12.4k``, ``3.1M``."""
    for size, suffix in ((1_000_000_000, "B"), (1_000_000, "M"), (10_000, "k")):
        if abs(number) >= size:
            short = number / (1000 if suffix == "k" else size)
            return f"{short:.1f}".removesuffix(".0") + suffix
    return f"{number:,}"


def count(number: int) -> str:
    """Return ``number`` with thousands separated."""
    return f"{number:,}"


def plural(number: int, singular: str, many: str | None = None) -> str:
    """Return the number and its noun: ``1 event``, ``1,204 events``."""
    return f"{number:,} {singular if number == 1 else many or singular + 's'}"


def byte_size(size_bytes: int) -> str:
    """Return ``size_bytes`` in the largest binary unit that keeps it above one."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < _BYTES_PER_STEP:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _BYTES_PER_STEP
    return f"{amount:.1f} TiB"


def percent(fraction: float, decimals: int = 0) -> str:
    """Return ``fraction`` (1.0 is the whole) as a percentage."""
    return f"{fraction * 100:.{decimals}f}%"


def change(pct: float) -> str:
    """Return a percentage change without its sign: rounded, ``>1000%`` from a thousand up."""
    size = abs(pct)
    if size >= 1000:
        return ">1000%"
    return "0%" if size < 1 else f"{size:.0f}%"


def age(then: datetime, now: datetime) -> str:
    """Return how long before ``now`` ``then`` was; a moment in the future reads as now."""
    seconds = int((now - then).total_seconds())
    if seconds < 1:
        return "now"
    if seconds < _MINUTE_SECONDS:
        return f"{seconds} s ago"
    if seconds < _HOUR_SECONDS:
        return f"{seconds // _MINUTE_SECONDS} min ago"
    if seconds < _DAY_SECONDS:
        return f"{seconds // _HOUR_SECONDS} h ago"
    if seconds < 30 * _DAY_SECONDS:
        return f"{seconds // _DAY_SECONDS} d ago"
    return day(then) if then.year == now.year else then.strftime("%Y-%m-%d")


def stamp(moment: datetime) -> str:
    """Return the full moment, to the second, in UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def day(moment: datetime) -> str:
    """Return day and month: ``3 Nov``."""
    return f"{moment.day} {moment.strftime('%b')}"


def duration(seconds: float) -> str:
    """Return a span of time with the two largest units that matter."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE_SECONDS:
        return f"{seconds:.3g} s"
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(whole.seconds, _HOUR_SECONDS)
    minutes, rest_seconds = divmod(rest, _MINUTE_SECONDS)
    parts = ((whole.days, "d"), (hours, "h"), (minutes, "min"), (rest_seconds, "s"))
    return " ".join([f"{amount} {unit}" for amount, unit in parts if amount][:2])


def initials(name: str) -> str:
    """Return up to two letters that stand for a person, from a name or an e-mail address."""
    words = name.partition("@")[0].replace(".", " ").replace("_", " ").split()
    return "".join(
        word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)
    ).upper()


_ABBREVIATED = {"api": "API", "scim": "SCIM"}


def kind(code: str) -> str:
    """Return what kind of thing an audit row is about, as a page writes it: api_key as API key."""
    first, *rest = code.split("_")
    return " ".join((_ABBREVIATED.get(first, first.capitalize()), *rest))


FILTERS: Mapping[str, Callable[..., Any]] = {
    "money": money,
    "call_cost": call_cost,
    "money_axis": money_axis,
    "compact": compact,
    "count": count,
    "plural": plural,
    "byte_size": byte_size,
    "percent": percent,
    "change": change,
    "age": age,
    "stamp": stamp,
    "day": day,
    "duration": duration,
    "initials": initials,
    "kind": kind,
}
"""Installed on the Jinja environment by ``webapp.pages.install_look``."""
