"""How full a limit is and what that means. One ``check`` for the gateway's 402, the command line and the web."""

import enum
from dataclasses import dataclass
from datetime import datetime

WARN_PERCENT = 80


class Verdict(enum.StrEnum):
    """What a limit says about the next call."""

    ALLOW = "allow"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Check:
    """A verdict and the share of the limit that is spent, in whole percent, cut off."""

    verdict: Verdict
    percent: int


def check(spent_nanousd: int, limit_nanousd: int, on_breach: str) -> Check:
    """Judge the next call: blocked once spent >= limit on a blocking limit, warned from 80 percent on.

    A limit of zero or less is not judged.
    """
    if limit_nanousd <= 0:
        return Check(Verdict.ALLOW, 0)
    percent = spent_nanousd * 100 // limit_nanousd
    if spent_nanousd >= limit_nanousd and on_breach == "block":
        return Check(Verdict.BLOCK, percent)
    return Check(Verdict.WARN if percent >= WARN_PERCENT else Verdict.ALLOW, percent)


def limit_at(
    limit_nanousd: int, raised_nanousd: int | None, raised_until: datetime | None, now: datetime
) -> int:
    """Return the limit that holds at a moment: the raised one until its time is over, then the own one.

    A raise never lowers a limit.
    """
    if raised_nanousd is None or raised_until is None or now >= raised_until:
        return limit_nanousd
    return max(limit_nanousd, raised_nanousd)
