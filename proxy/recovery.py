"""Books what a dead worker left behind: ships its spool, settles what it could not, ends its loans.

A worker epoch is dead when nobody holds its lock. Whoever takes the lock does the work, so that two
workers never do it both; if that one dies too, the next starts again: everything here may be repeated.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import trio

from proxy.control_plane import ControlPlane, ControlPlaneAway, ControlPlaneRefusal
from proxy.shipper import ship_lines
from proxy.spool import BATCH_BYTES, BATCH_LINES, FILE_SUFFIX, LOCK_SUFFIX

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 5.0


class _Call(msgspec.Struct):
    call_id: str
    model: str = ""
    price_source: str = ""
    estimate_nanousd: int = 0
    charges: list[tuple[str, int]] = []
    rates: list[tuple[str, int, int]] = []


class _Line(msgspec.Struct):
    command: str
    payload: _Call


class Recovery:
    """Looks for dead epochs of one spool directory, again and again."""

    def __init__(
        self,
        directory: Path,
        control_plane: ControlPlane,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._control_plane = control_plane
        self._now_s = now_s

    async def run(self) -> None:
        """Look now and every few seconds, for ever; what fails is tried again."""
        while True:
            await self.look()
            await trio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Recover every epoch that is dead now, as far as the control plane answers."""
        for epoch in self._epochs():
            with claimed(self._directory, epoch) as is_dead:
                if not is_dead:
                    continue
                try:
                    await self._recover(epoch)
                except (ControlPlaneAway, ControlPlaneRefusal, OSError) as error:
                    LOG.warning("recovery_failed", extra={"epoch": epoch, "reason": str(error)})
                    return

    def _epochs(self) -> list[str]:
        try:
            names = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return []
        suffixes = (FILE_SUFFIX, LOCK_SUFFIX)
        return sorted({n.split(".")[0] for n in names if n.endswith(suffixes) and n[0] != "."})

    async def _recover(self, epoch: str) -> None:
        files = sorted(self._directory.glob(f"{epoch}.*{FILE_SUFFIX}"))
        under_way: dict[str, _Call] = {}
        lines = 0
        for file in files:
            data = await trio.to_thread.run_sync(file.read_bytes)
            for batch in batches(data):
                lines += await self._ship(epoch, batch, under_way)
        await self._settle(epoch, under_way)
        await self._control_plane.release(epoch)
        for file in files:
            file.unlink(missing_ok=True)
        (self._directory / f"{epoch}{LOCK_SUFFIX}").unlink(missing_ok=True)
        facts = {"epoch": epoch, "lines": lines, "unsettled": len(under_way)}
        LOG.info("spool_recovered", extra=facts)

    async def _ship(self, epoch: str, batch: list[bytes], under_way: dict[str, _Call]) -> int:
        """Ship the lines that are whole, and keep track of the calls that they leave open."""
        whole = []
        for text in batch:
            try:
                line = msgspec.json.decode(text, type=_Line)
            except (msgspec.MsgspecError, UnicodeError):
                LOG.warning("torn_record", extra={"epoch": epoch, "length_bytes": len(text)})
                continue
            whole.append(text)
            if line.command == "admitSpend":
                under_way[line.payload.call_id] = line.payload
            else:
                under_way.pop(line.payload.call_id, None)
        if whole:
            await ship_lines(self._control_plane, epoch, b"\n".join(whole) + b"\n")
        return len(whole)

    async def _settle(self, epoch: str, under_way: dict[str, _Call]) -> None:
        """Book calls whose end nobody saw at their estimate."""
        now_ms = int(self._now_s() * 1000)
        lines = [_unsettled(call, epoch, now_ms) for call in under_way.values()]
        for start in range(0, len(lines), BATCH_LINES):
            batch = b"\n".join(lines[start : start + BATCH_LINES]) + b"\n"
            await ship_lines(self._control_plane, epoch, batch)


def _unsettled(call: _Call, epoch: str, now_ms: int) -> bytes:
    payload = {
        "call_id": call.call_id,
        "settled_at_ms": now_ms,
        "outcome": "unsettled",
        "code": "worker_lost",
        "model": call.model,
        "cost_nanousd": call.estimate_nanousd,
        "is_estimated": True,
        "price_source": call.price_source,
        "charges": call.charges,
        "rates": call.rates,
        "owner": epoch,
    }
    return msgspec.json.encode({"command": "failSpend", "payload": payload})


def batches(data: bytes) -> Iterator[list[bytes]]:
    """Cut a file into runs of whole lines of one request's worth; half a line at the end is left out."""
    batch: list[bytes] = []
    size = start = 0
    while (end := data.find(b"\n", start)) >= 0:
        line = data[start:end]
        start = end + 1
        if batch and (len(batch) >= BATCH_LINES or size + len(line) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield batch


@contextmanager
def claimed(directory: Path, epoch: str) -> Iterator[bool]:
    """Say whether an epoch is dead and now ours to recover, for the length of the block."""
    path = directory / f"{epoch}{LOCK_SUFFIX}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _is_taken(descriptor, path)
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever recovered it before us deleted the file that we opened: then it is done.
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except OSError:
        return False
