"""Collects prompts and answers beside the relay, where a key's configuration asks for it, and ships them.

Memory is bounded per message and for the worker; what does not fit is counted and not kept. Reading,
redacting and cutting happen after the call, in a thread. Decides nothing about who may be captured.
"""

import logging
from collections import deque

import msgspec
import trio

from core.fault import Refused
from proxy.captured_messages import Exchange, Kept, Redact, kept
from proxy.metrics import Metrics
from proxy.spool import Spool
from rules.cleaning import IDLE, Cleaner
from rules.guardrails.matches import merged, redacted
from rules.guardrails.personal_data import ALL_KINDS, find_personal_data
from rules.guardrails.secret_patterns import find_secrets
from rules.privacy import INPUT, OUTPUT, SYSTEM

LOG = logging.getLogger(__name__)
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
MAX_WAITING_BYTES = 64 * 1024 * 1024
DROPPED = "gateway_capture_dropped_total"
_encode = msgspec.json.Encoder().encode


class Record(msgspec.Struct):
    """What travels: whose call it was, and what is kept of it."""

    call_id: str
    captured_at_ms: int
    organization_id: str
    project_id: str
    virtual_key_id: str
    mode: str
    input_messages: str = ""
    output_messages: str = ""
    system_instructions: str = ""
    is_cut: bool = False


class Capture:
    """What is being collected of one call. ``take`` costs an append."""

    __slots__ = (
        "_captures",
        "_pieces",
        "dialect",
        "is_lost",
        "is_streamed",
        "privacy",
        "record",
        "request",
        "size_bytes",
    )

    def __init__(
        self, captures: "Captures", record: Record, exchange: Exchange, privacy: Cleaner
    ) -> None:
        self.record = record
        self.privacy = privacy
        self.dialect = exchange.dialect
        self.request = exchange.request
        self.is_streamed = exchange.is_streamed
        self.size_bytes = 0
        """How much of the worker's room it takes."""
        self.is_lost = False
        self._captures = captures
        self._pieces: list[bytes] = []

    def take(self, pieces: list[bytes]) -> None:
        """Keep pieces of the answer, as the client gets them."""
        if self.is_lost or OUTPUT in self.privacy.drops:
            return
        length = sum(map(len, pieces))
        if self.size_bytes + length > MAX_MESSAGE_BYTES:
            self.lose("size")
            return
        if not self._captures.reserve(length):
            self.lose("memory")
            return
        self.size_bytes += length
        self._pieces += pieces

    def lose(self, reason: str) -> None:
        """Forget everything; only the call's metadata remain."""
        if not self.is_lost:
            self.is_lost = True
            self._captures.lost(reason)
            self.request = b""
            self._pieces.clear()
            self._captures.release(self.size_bytes)
            self.size_bytes = 0

    def exchange(self) -> Exchange:
        """Return what was collected."""
        return Exchange(self.dialect, self.request, b"".join(self._pieces), self.is_streamed)


class Captures:
    """The captures of one worker, under way and waiting to be written."""

    def __init__(self, metrics: Metrics, redact: Redact | None = None) -> None:
        self._metrics = metrics
        self._redact = redact or without_secrets
        self._used_bytes = 0
        self._waiting: deque[Capture] = deque()
        self._woken = trio.Event()

    def open(self, record: Record, exchange: Exchange, privacy: Cleaner = IDLE) -> Capture:
        """Return what collects a call's answer, its request taken already; what is dropped is never held."""
        if privacy.drops >= {INPUT, SYSTEM}:
            exchange = exchange._replace(request=b"")
        capture, length = Capture(self, record, exchange, privacy), len(exchange.request)
        if length > MAX_MESSAGE_BYTES:
            capture.lose("size")
        elif not self.reserve(length):
            capture.lose("memory")
        else:
            capture.size_bytes = length
        return capture

    def reserve(self, size_bytes: int) -> bool:
        """Take room for so many bytes; False when the worker keeps as much as it may."""
        if self._used_bytes + size_bytes > MAX_WAITING_BYTES:
            return False
        self._used_bytes += size_bytes
        return True

    def release(self, size_bytes: int) -> None:
        """Give room back."""
        self._used_bytes -= size_bytes

    def lost(self, reason: str) -> None:
        """Count a capture that came to nothing."""
        self._metrics.count(DROPPED, (reason,))

    def done(self, capture: Capture) -> None:
        """Take over a capture whose call has ended and is settled."""
        self._waiting.append(capture)
        self._woken.set()

    async def run(self, spool: Spool) -> None:
        """Write what waits, for ever."""
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            await self.flush(spool)

    async def flush(self, spool: Spool) -> None:
        """Write everything that waits now."""
        while self._waiting:
            capture = self._waiting.popleft()
            try:
                line = await trio.to_thread.run_sync(self._line, capture)
                spool.append(line)
            except Refused:
                self.lost("intake")
            finally:
                self.release(capture.size_bytes)

    def _line(self, capture: Capture) -> bytes:
        record, found = capture.record, Kept()
        if not capture.is_lost:
            try:
                redact = self._redaction(record.mode, capture.privacy)
                found = kept(capture.exchange(), redact, capture.privacy)
            except Exception as error:  # noqa: BLE001 - what can't be made safe, for whatever reason, is not kept
                LOG.error("capture_not_redacted", extra={"reason": type(error).__name__})
                self.lost("redaction")
                capture.is_lost = True
        record.mode = "metadata" if capture.is_lost else record.mode
        record.input_messages, record.output_messages = found.input, found.output
        record.system_instructions, record.is_cut = found.system, found.is_cut
        return b'{"command":"captureContent","payload":%b}' % _encode(record)

    def _redaction(self, mode: str, privacy: Cleaner) -> Redact:
        """Return what a mode takes out of texts, besides what privacy rules do."""
        if mode != "redacted":
            return _as_it_is
        if privacy.keeps_personal_data:
            return self._redact
        return lambda text: without_personal_data(self._redact(text))


def without_secrets(text: str) -> str:
    """Return a text in which everything that looks like a credential is replaced by what it was."""
    matches = merged(find_secrets(text))
    return redacted(text, matches) if matches else text


def without_personal_data(text: str) -> str:
    """Return a text in which e-mail addresses, phone, card and identity numbers and the like are replaced."""
    matches = merged(find_personal_data(text, ALL_KINDS))
    return redacted(text, matches) if matches else text


def _as_it_is(text: str) -> str:
    return text
