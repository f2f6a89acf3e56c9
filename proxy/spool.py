"""A worker's own append-only record of calls, kept on disk until the control plane has booked it.

One ``os.write`` a line: what is written survives the death of the process, not the loss of power. The
files of one worker epoch are ``<epoch>.<number>.jsonl``; a lock on ``<epoch>.lock`` tells that it lives.
Ships nothing itself (``proxy.shipper``) and reads no file of another epoch (``proxy.recovery``).
"""

import fcntl
import logging
import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from core.fault import Fault, Refused
from proxy.limit_state import Hold, Period
from rules.rates import Amounts

LOG = logging.getLogger(__name__)
ROTATE_BYTES = 8 * 1024 * 1024
BATCH_LINES = 2000
BATCH_BYTES = 1024 * 1024
LOCK_SUFFIX = ".lock"
FILE_SUFFIX = ".jsonl"


@dataclass(slots=True, eq=False)
class SpoolFile:
    """One file, and the calls admitted in it that are still under way."""

    number: int
    path: Path
    descriptor: int
    size_bytes: int = 0
    acked_bytes: int = 0
    is_torn: bool = False
    """True when it ends in half a line that could not be cut off."""
    under_way: set[Hold] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Batch:
    """A run of lines within one file, shipped in one request, and what it settles of each period."""

    file: SpoolFile
    start: int
    end: int
    lines: int = 0
    costs: dict[Period, int] = field(default_factory=dict)


class Spool:
    """The records of one worker epoch, from start to clean stop. Not shared between tasks' threads."""

    def __init__(
        self, directory: Path, epoch: str, max_bytes: int, rotate_bytes: int = ROTATE_BYTES
    ) -> None:
        """Open the first file under the epoch's lock. Raises OSError."""
        self.epoch = epoch
        self.unshipped_bytes = 0
        self.appended = 0
        """Lines written."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._rotate_bytes = rotate_bytes
        self._batches: deque[Batch] = deque()
        self._stranded: deque[tuple[bytes, Hold, Amounts]] = deque()
        directory.mkdir(parents=True, mode=0o700, exist_ok=True)
        self._files: dict[int, SpoolFile] = {}
        """Every file that exists, oldest first."""
        self._lock = locked(directory / f"{epoch}{LOCK_SUFFIX}")
        self._file = self._open(1)
        self._batch = Batch(self._file, 0, 0)

    def append(self, line: bytes) -> None:
        """Write the record of a call that never got as far as a provider; the line end is added.

        Raises Refused(LEDGER_FULL) when too much waits to be shipped or the disk takes no more.
        """
        self._make_room(line)
        self._write(line + b"\n")

    def append_admission(self, line: bytes, hold: Hold) -> None:
        """Write the record that comes before the provider is called. Raises Refused(LEDGER_FULL)."""
        self._make_room(line)
        self._write(line + b"\n")
        if isinstance(hold.file, SpoolFile):
            # A call that is recorded again, because another provider is tried.
            hold.file.under_way.discard(hold)
        hold.admission = line
        hold.file = self._file
        self._file.under_way.add(hold)

    def append_settlement(self, line: bytes, hold: Hold, used: Amounts) -> None:
        """Write how a call ended and what it used. Never refuses: what the disk won't take waits in memory."""
        if isinstance(hold.file, SpoolFile):
            hold.file.under_way.discard(hold)
        try:
            self._write(line + b"\n")
        except Refused:
            self._stranded.append((line, hold, used))
            return
        costs = self._batch.costs
        if not hold.is_money:
            for period in hold.periods:
                if amount := used[period.unit]:
                    costs[period] = costs.get(period, 0) + amount
        elif cost := used[0]:
            for period in hold.periods:
                costs[period] = costs.get(period, 0) + cost
        for part in hold.more:
            booked = used if part.used is None else part.used
            for period in part.periods:
                costs[period] = costs.get(period, 0) + booked[period.unit]

    @property
    def is_empty(self) -> bool:
        """True when everything written was acknowledged."""
        return not self.unshipped_bytes and not self._stranded

    @property
    def is_backed_up(self) -> bool:
        """True when a whole request's worth waits."""
        return bool(self._batches)

    # For the shipper
    def next_batch(self) -> Batch | None:
        """Return the oldest unacknowledged lines, at most one request's worth; the same until acknowledged."""
        self.retry_stranded()
        if not self._batches and self._batch.lines:
            self._close_batch()
        return self._batches[0] if self._batches else None

    def read(self, batch: Batch) -> bytes:
        """Return the lines of a batch, each with its line end. Raises OSError."""
        return os.pread(batch.file.descriptor, batch.end - batch.start, batch.start)

    def acknowledge(self, batch: Batch) -> None:
        """Forget a batch that was booked; delete its file when nothing else is in it."""
        if not self._batches or self._batches[0] is not batch:
            raise ValueError("batches are acknowledged in order")
        self._batches.popleft()
        self.unshipped_bytes -= batch.end - batch.start
        file = batch.file
        file.acked_bytes = batch.end
        for file in list(self._files.values()):
            if file is self._file or file.acked_bytes != file.size_bytes:
                break
            self._retire(file)

    def retry_stranded(self) -> None:
        """Write the settlements that the disk would not take before, as far as it does now."""
        while self._stranded:
            line, hold, used = self._stranded.popleft()
            before = len(self._stranded)
            self.append_settlement(line, hold, used)
            if len(self._stranded) > before:
                self._stranded.rotate(1)
                return

    def close(self) -> None:
        """End the epoch: delete its files if all was acknowledged, else leave them to a later recovery."""
        is_done = self.is_empty and not any(f.under_way for f in self._files.values())
        for file in self._files.values():
            os.close(file.descriptor)
            if is_done:
                file.path.unlink(missing_ok=True)
        if is_done:
            (self._directory / f"{self.epoch}{LOCK_SUFFIX}").unlink(missing_ok=True)
        os.close(self._lock)

    # Writing
    def _make_room(self, line: bytes) -> None:
        if self.unshipped_bytes + len(line) > self._max_bytes:
            raise Refused(Fault.LEDGER_FULL, unshipped_bytes=self.unshipped_bytes)

    def _write(self, line: bytes) -> None:
        length, file = len(line), self._file
        if file.is_torn or file.size_bytes >= self._rotate_bytes:
            file = self._rotate()
        batch = self._batch
        if batch.lines >= BATCH_LINES or batch.end - batch.start + length > BATCH_BYTES:
            batch = self._close_batch()
        try:
            written = os.write(file.descriptor, line)
        except OSError as error:
            raise Refused(Fault.LEDGER_FULL, reason=error.strerror or "") from None
        if written != length:
            self._mend(file)
            raise Refused(Fault.LEDGER_FULL, reason="the disk is full")
        file.size_bytes += length
        batch.end = file.size_bytes
        batch.lines += 1
        self.appended += 1
        self.unshipped_bytes += length

    def _mend(self, file: SpoolFile) -> None:
        """Cut off the part of a line that still fitted, so that the next line starts on its own."""
        try:
            os.ftruncate(file.descriptor, file.size_bytes)
        except OSError:
            file.is_torn = True

    def _close_batch(self) -> Batch:
        if self._batch.lines:
            self._batches.append(self._batch)
        self._batch = Batch(self._file, self._file.size_bytes, self._file.size_bytes)
        return self._batch

    def _rotate(self) -> SpoolFile:
        """Go on in a new file; in the old one when none can be had and the old one is sound."""
        old = self._file
        try:
            self._file = self._open(old.number + 1)
        except OSError as error:
            if old.is_torn:
                raise Refused(Fault.LEDGER_FULL, reason=error.strerror or "") from None
            return old
        self._close_batch()
        if old.acked_bytes == old.size_bytes:
            self._retire(old)
        return self._file

    def _open(self, number: int) -> SpoolFile:
        path = self._directory / f"{self.epoch}.{number:06d}{FILE_SUFFIX}"
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        file = SpoolFile(number, path, os.open(path, flags, 0o600))
        self._files[number] = file
        return file

    def _retire(self, file: SpoolFile) -> None:
        """Delete a file that was shipped whole; admissions still under way move on to the current file."""
        moving = list(file.under_way)
        if moving:
            try:
                for hold in moving:
                    self._write(hold.admission + b"\n")
                    file.under_way.discard(hold)
                    self._file.under_way.add(hold)
                    hold.file = self._file
            except Refused:
                # Kept as it is; the next acknowledgement tries again.
                return
        file.path.unlink(missing_ok=True)
        os.close(file.descriptor)
        del self._files[file.number]


def locked(path: Path) -> int:
    """Return the descriptor of a new file that is locked from the moment it can be seen. Raises OSError."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
