"""Lets any worker of a machine answer for all: each writes its counts to a file of its own and reads the others'.

A worker has a slot, held by a lock. Who takes over the slot of a dead worker goes on from its counts, and a
count is never told before it is written, so no counter ever runs backwards. Counts nothing itself.
"""

import fcntl
import logging
import os
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import trio

from proxy.metrics import Labels, Metrics, Snapshot, page

LOG = logging.getLogger(__name__)
PUBLISH_SECONDS = 1.0
_MAX_SLOTS = 256
_SUFFIX, _LOCK = ".json", ".lock"
_encode = msgspec.json.Encoder().encode


class MetricsShare:
    """One worker's slot in the directory of counts. A disk that fails costs the sum, not the counts."""

    def __init__(self, directory: Path, metrics: Metrics, first_slot: int = 0) -> None:
        self._directory = directory
        self._metrics = metrics
        self._before = Snapshot()
        self._slot, self._lock = -1, -1
        self._written = b""
        try:
            directory.mkdir(parents=True, mode=0o700, exist_ok=True)
            self._take_slot(first_slot)
        except OSError as error:
            LOG.warning("metrics_not_shared", extra={"reason": str(error)})
        metrics.gauge("gateway_workers", lambda: {(): 1})
        worker = str(max(self._slot, 0))
        metrics.source("process_cpu_seconds_total", lambda: {(worker,): time.process_time()})
        for name, read in _process_gauges(worker).items():
            metrics.gauge(name, read)

    def _take_slot(self, first_slot: int) -> None:
        for slot in range(first_slot, first_slot + _MAX_SLOTS):
            lock = os.open(self._path(slot, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            self._slot, self._lock = slot, lock
            self._before = self._read(self._path(slot, _SUFFIX)) or Snapshot()
            self._before.gauges = {}
            return

    def page(self) -> str:
        """Return the metrics of all workers that share the directory."""
        mine = self._metrics.snapshot(self._before)
        self._write(mine)
        return page([mine, *self._others()])

    async def run(self) -> None:
        """Write the counts down every second, for ever, and a last time when cancelled."""
        try:
            while True:
                self.publish()
                await trio.sleep(PUBLISH_SECONDS)
        finally:
            self.publish()

    def publish(self) -> None:
        """Write the counts down, unless they are what was written last."""
        self._write(self._metrics.snapshot(self._before))

    def close(self) -> None:
        """Give the slot back."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _write(self, snapshot: Snapshot) -> None:
        if self._lock < 0:
            return
        text = _encode(snapshot)
        if text == self._written:
            return
        path = self._path(self._slot, _SUFFIX)
        temporary = path.with_name(f".{path.name}")
        try:
            temporary.write_bytes(text)
            temporary.replace(path)
            self._written = text
        except OSError as error:
            LOG.warning("metrics_not_written", extra={"reason": str(error)})

    def _others(self) -> list[Snapshot]:
        found = []
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            if path.name.startswith(".") or path.stem == str(self._slot):
                continue
            snapshot = self._read(path)
            if snapshot is None:
                continue
            if not _is_held(path.with_suffix(_LOCK)):
                # Nobody is in flight in a worker that has gone, but what it counted still counts.
                snapshot.gauges = {}
            found.append(snapshot)
        return found

    @staticmethod
    def _read(path: Path) -> Snapshot | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Snapshot)
        except (OSError, msgspec.MsgspecError):
            return None

    def _path(self, slot: int, suffix: str) -> Path:
        return self._directory / f"{slot}{suffix}"


def _is_held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _process_gauges(worker: str) -> dict[str, Callable[[], Mapping[Labels, float]]]:
    started_s = time.time()
    page_bytes = resource.getpagesize()

    def memory() -> Mapping[Labels, float]:
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
        except OSError:
            return {}
        return {(worker,): pages * page_bytes}

    def descriptors() -> Mapping[Labels, float]:
        try:
            return {(worker,): sum(1 for _ in Path("/proc/self/fd").iterdir())}
        except OSError:
            return {}

    return {
        "process_resident_memory_bytes": memory,
        "process_open_fds": descriptors,
        "process_start_time_seconds": lambda: {(worker,): started_s},
    }
