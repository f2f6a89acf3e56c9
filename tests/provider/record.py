"""Remembers every call the fake provider accepted, in memory and, if asked, in a journal file.

The journal gets a line when a call is accepted (before any byte of the answer) and one when it
has ended, each in one `write`, so that a reader after a crash never sees half a line.
"""

import hashlib
import os
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from tests.provider.answers import Answer
from tests.provider.request import Request

KEPT_CALLS = 20_000
KEPT_BODY_BYTES = 64 * 1024
KEPT_WRITES = 4_000


@dataclass(slots=True)
class Call:
    """One accepted call. Times are UNIX seconds; `writes` are [monotonic ns, bytes]."""

    number: int
    connection: int
    method: str
    target: str
    headers: list[list[str]]
    body_sha256: str
    body_bytes: int
    body: str | None
    model: str
    stream: bool
    behaviour: str
    started_at: float
    status: int = 0
    answer_id: str = ""
    generation: bool = False
    counted: dict[str, int] = field(default_factory=dict)
    outcome: str = "open"  # completed, client_closed, or the way it was told to break
    ended_at: float | None = None
    answer_sha256: str = ""
    answer_bytes: int = 0
    events_sent: int = 0
    writes: list[list[int]] = field(default_factory=list)


class Record:
    """The calls of one run; bounded, but for the journal."""

    def __init__(self, journal: Path | None) -> None:
        self.calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self.total = 0
        self.open_calls = 0
        self.open_streams = 0
        self.open_connections = 0
        self._numbers = count(1)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._journal = os.open(journal, flags, 0o600) if journal else None

    def accept(self, request: Request, connection: int, behaviour: str) -> Call:
        """The new record of a request that was read whole."""
        small = len(request.body) <= KEPT_BODY_BYTES
        call = Call(
            number=next(self._numbers),
            connection=connection,
            method=request.method,
            target=request.target,
            headers=[[n.decode("latin-1"), v.decode("latin-1")] for n, v in request.raw_headers],
            body_sha256=hashlib.sha256(request.body).hexdigest(),
            body_bytes=len(request.body),
            body=request.body.decode("utf-8", "backslashreplace") if small else None,
            model=request.model,
            stream=request.streams,
            behaviour=behaviour,
            started_at=time.time(),
        )
        self.calls.append(call)
        self.total += 1
        self.open_calls += 1
        return call

    def answering(self, call: Call, answer: Answer) -> None:
        """Note what will be answered, before the first byte of it is written."""
        call.status = answer.status
        call.answer_id = answer.answer_id
        call.generation = bool(answer.answer_id)
        call.counted = answer.counted
        self.open_streams += answer.events is not None
        self._write(call, "accepted")

    def ended(self, call: Call, answer: Answer, outcome: str) -> None:
        """Note how the call ended and what was counted for it."""
        call.outcome = outcome
        call.ended_at = time.time()
        if answer.events is not None:
            self.open_streams -= 1
            if outcome != "completed":
                call.counted = answer.counted_after(call.events_sent)
        self.open_calls -= 1
        self._write(call, "ended")

    def forget(self) -> None:
        """Drop all calls; the journal stays, and what is open still counts as open."""
        self.calls.clear()
        self.total = 0

    def state(self) -> dict[str, int]:
        """What is open now, and how many calls there were."""
        return {
            "calls": self.total,
            "open_calls": self.open_calls,
            "open_streams": self.open_streams,
            "open_connections": self.open_connections,
        }

    def as_json(self) -> bytes:
        """The kept calls, oldest first."""
        return orjson.dumps([asdict(call) for call in self.calls])

    def _write(self, call: Call, event: str) -> None:
        if self._journal is None:
            return
        line: dict[str, Any] = {
            "event": event,
            "at": call.ended_at or call.started_at,
            "number": call.number,
            "answer_id": call.answer_id,
            "target": call.target,
            "model": call.model,
            "stream": call.stream,
            "status": call.status,
            "generation": call.generation,
            "outcome": call.outcome,
            "counted": call.counted,
        }
        os.write(self._journal, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
