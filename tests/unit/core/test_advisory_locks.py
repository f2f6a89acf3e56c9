"""Advisory locks of PostgreSQL are numbers: two that are equal are one lock, and programs wait for strangers."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[3]
_NUMBER = re.compile(r"^_?[A-Z_]*LOCK[A-Z_]* = (7_551_\d+)$", re.MULTILINE)


def test_no_two_advisory_locks_have_the_same_number() -> None:
    modules = [
        p for name in ("core", "webapp", "streamer", "cli") for p in (ROOT / name).rglob("*.py")
    ]
    numbers = [number for module in modules for number in _NUMBER.findall(module.read_text())]
    assert len(numbers) >= 4
    assert [number for number, times in Counter(numbers).items() if times > 1] == []
