"""Reads what gateway workers on this machine have recorded and not yet shipped. Changes and locks nothing."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

_LOCKS = Path("/proc/locks")


@dataclass(frozen=True, slots=True)
class Unshipped:
    """Spool records by call id, and which workers were seen here."""

    admissions: dict[str, dict[str, Any]] = field(default_factory=dict)
    settlements: dict[str, dict[str, Any]] = field(default_factory=dict)
    living: set[str] = field(default_factory=set)
    """Epochs of workers that hold their lock."""
    dead: set[str] = field(default_factory=set)
    """Epochs of workers that left a spool file behind."""


def read_spool(directory: Path) -> Unshipped:
    """Return what the spool files of a directory say; half a line, cut off by a crash, says nothing."""
    found = Unshipped()
    if not directory.is_dir():
        return found
    found.living.update(_living(directory))
    for path in sorted(directory.glob("*.jsonl")):
        epoch = path.name.split(".", 1)[0]
        if epoch not in found.living:
            found.dead.add(epoch)
        with suppress(FileNotFoundError), path.open("rb") as lines:  # shipped and removed meanwhile
            for line in lines:
                _note(line, found)
    return found


def _living(directory: Path) -> set[str]:
    held = _held_inodes()
    living = set()
    for path in directory.glob("*.lock"):
        with suppress(FileNotFoundError):
            if path.stat().st_ino in held:
                living.add(path.name.removesuffix(".lock"))
    return living


def _note(line: bytes, found: Unshipped) -> None:
    try:
        command = orjson.loads(line)
        payload: Mapping[str, Any] = command["payload"]
        call_id = payload["call_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return
    if command["command"] == "admitSpend":
        found.admissions.setdefault(call_id, dict(payload))
        return
    found.settlements.setdefault(call_id, dict(payload))
    if payload.get("admission"):
        found.admissions.setdefault(call_id, dict(payload["admission"]))


def _held_inodes() -> set[int]:
    """Return the inodes on which somebody holds a lock.

    Taking the lock to find out would, for that moment, hide a dead worker's file from its heir. The device
    is not compared: overlay file systems report another one here than to stat.
    """
    try:
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return set()
    places = (parts[5] for parts in map(str.split, lines) if len(parts) > 5 and parts[1] == "FLOCK")
    return {int(place.rpartition(":")[2]) for place in places}
