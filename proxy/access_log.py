"""One line about every request, written in batches by a task of its own; the path of a call only adds to a list.

What nobody can write in time is dropped and counted. A line holds ids, names and numbers: no prompt, no header,
no key; a caller's model name is the only text that others choose, and it is redacted by form.
"""

import logging
import os
import re
import select
import sys
import time
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
import orjson
import trio

from core.log import redact
from core.settings import Settings

WRITE_SECONDS = 0.25
MAX_WAITING = 20_000
_ATOMIC_BYTES = 4096
"""Up to here a write to a pipe that several workers share is never torn apart."""
_STUCK_SECONDS = 5.0
_MAX_MODEL_CHARACTERS = 200
_LEVELS = {number: name for name, number in logging.getLevelNamesMapping().items()}
_PASSWORD = re.compile(r"//[^/@\s]*@")
COMPLETED, FAILED = "request_completed", "gateway_request_failed"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What is said of one request."""

    level: int
    at_s: float
    """When it ended, Unix seconds."""
    method: str
    route: str
    status: int
    seconds: float
    request_id: str
    trace_id: str
    span_id: str
    organization_id: str = ""
    project_id: str = ""
    virtual_key_id: str = ""
    provider: str = ""
    model: str = ""
    outcome: str = ""
    code: str = ""


class AccessLog:
    """The lines that wait to be written. ``add`` never waits."""

    def __init__(self, level: int, is_json: bool, descriptor: int | None = None) -> None:
        """Keep lines of at least ``level``, written to standard error unless a descriptor is given."""
        self.level = level
        self.dropped = 0
        """Lines that were not written."""
        self._is_json = is_json
        self._descriptor = descriptor
        self._waiting: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Note a request."""
        if entry.level < self.level:
            return
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(entry)

    async def run(self) -> None:
        """Write what waits, again and again; the rest when cancelled."""
        try:
            while True:
                await trio.sleep(WRITE_SECONDS)
                if self._waiting:
                    entries, self._waiting = self._waiting, []
                    # A thread, because nobody may be reading the other end and the loop must go on.
                    self.dropped += await trio.to_thread.run_sync(
                        self._write, entries, abandon_on_cancel=True
                    )
        finally:
            entries, self._waiting = self._waiting, []
            self.dropped += self._write(entries)

    def _write(self, entries: list[Entry]) -> int:
        """Write lines and return how many could not be."""
        form = _json_line if self._is_json else _text_line
        descriptor = sys.stderr.fileno() if self._descriptor is None else self._descriptor
        lines = [form(entry) for entry in entries]
        while lines:
            count, size = 0, 0
            while count < len(lines) and (not count or size + len(lines[count]) <= _ATOMIC_BYTES):
                size += len(lines[count])
                count += 1
            if not _put(descriptor, b"".join(lines[:count])):
                break
            del lines[:count]
        return len(lines)


def _put(descriptor: int, data: bytes) -> bool:
    deadline = time.monotonic() + _STUCK_SECONDS
    view = memoryview(data)
    try:
        while view:
            left_seconds = deadline - time.monotonic()
            if left_seconds <= 0 or not select.select([], [descriptor], [], left_seconds)[1]:
                return False
            view = view[os.write(descriptor, view) :]
    except (OSError, ValueError):
        return False
    return True


def _json_line(entry: Entry) -> bytes:
    head = f'{{"time":"{_moment(entry.at_s)}","level":"{_LEVELS[entry.level]}","program":"gateway"'
    more = "".join([f',"{name}":"{value}"' for name, value in _named(entry) if value])
    model = f',"model":"{_json_model(entry.model)}"' if entry.model else ""
    return (
        f'{head},"msg":"{_message(entry)}","method":"{entry.method}","route":"{entry.route}",'
        f'"status":{entry.status},"duration_ms":{entry.seconds * 1000:.0f}{more}{model}}}\n'
    ).encode()


def _text_line(entry: Entry) -> bytes:
    more = "".join([f' {name}="{value}"' for name, value in _named(entry) if value])
    model = f' model="{_text_model(entry.model)}"' if entry.model else ""
    return (
        f'{_LEVELS[entry.level]} gateway msg="{_message(entry)}" method="{entry.method}" '
        f'route="{entry.route}" status="{entry.status}" duration_ms="{entry.seconds * 1000:.0f}"'
        f"{more}{model}\n"
    ).encode()


def _named(entry: Entry) -> tuple[tuple[str, str], ...]:
    """Return what is only said where it is known. All of it is of our own making, so none needs escaping."""
    return (
        ("request_id", entry.request_id),
        ("trace_id", entry.trace_id),
        ("span_id", entry.span_id),
        ("organization_id", entry.organization_id),
        ("project_id", entry.project_id),
        ("virtual_key_id", entry.virtual_key_id),
        ("provider", entry.provider),
        ("outcome", entry.outcome),
        ("code", entry.code),
    )


def _message(entry: Entry) -> str:
    return FAILED if entry.level > logging.INFO else COMPLETED


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _moment(at_s: float) -> str:
    whole = int(at_s)
    return f"{_second(whole)}.{int((at_s - whole) * 1000):03d}+00:00"


@lru_cache(maxsize=1024)
def _json_model(model: str) -> str:
    return orjson.dumps(redact(model[:_MAX_MODEL_CHARACTERS])).decode()[1:-1]


@lru_cache(maxsize=1024)
def _text_model(model: str) -> str:
    # A line end in a model's name would start a line that somebody else wrote.
    plain = redact(model[:_MAX_MODEL_CHARACTERS]).encode("unicode_escape").decode()
    return plain.replace('"', r"\"")


def access_level(settings: Settings) -> int:
    """Return the least level of a request that gets a line."""
    least = {"all": logging.INFO, "failed": logging.WARNING, "off": logging.CRITICAL + 1}
    levels = logging.getLevelNamesMapping()
    return max(least[settings.access_log], levels[settings.log_level.upper()])


def effective_config(settings: Settings) -> Mapping[str, object]:
    """Return every setting as it holds, without what is secret: of a secret, whether it is set."""
    values = {f.name: str(getattr(settings, f.name)) for f in fields(settings)}
    return {name: _PASSWORD.sub("//[redacted]@", text) for name, text in values.items()}
