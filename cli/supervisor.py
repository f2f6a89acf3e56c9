"""Keeps the programs running: starts them, waits for readiness, restarts what dies, drains on a signal.

One thread and one `select`; what to run is decided in ``cli.children``, when to restart in ``cli.backoff``.
"""

import http.client
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from cli.backoff import next_delay_seconds
from cli.children import Child, Heirlooms, Program
from cli.problems import Stopped

LOG = logging.getLogger(__name__)
START_SECONDS = 60.0
PROBE_SECONDS = 1.0
PROBE_EVERY_SECONDS = 0.05
# What a program may need beyond its own drain: flushing, closing databases, interpreter exit.
STOP_GRACE_SECONDS = 15.0
HURRIED_SECONDS = 3.0
_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
# The gateway goes first, so that what it still meters reaches the web app; the web app goes last.
_DRAIN_ORDER = ("gateway", "streamer", "web")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the supervisor waits, in seconds."""

    start_seconds: float = START_SECONDS
    gateway_drain_seconds: float = 20.0
    """The gateway's own delay and grace; the supervisor allows its own margin on top."""
    stop_grace_seconds: float = STOP_GRACE_SECONDS


class Supervisor:
    """The processes of one machine, from start to drain. Use it once."""

    def __init__(self, programs: Sequence[Program], heirlooms: Heirlooms, timing: Timing) -> None:
        self._children = [Child(program) for program in programs]
        self._heirlooms = heirlooms
        self._timing = timing
        self._selector = selectors.DefaultSelector()
        self._stop_requests = 0

    @contextmanager
    def started(self, probes: Sequence[str]) -> Iterator[None]:
        """Run a block once every program announced itself and every URL of ``probes`` answers 200.

        Raises Stopped when a program ends before that, or time runs out. Stops all when the block ends.
        """
        with self._signals():
            try:
                for child in self._children:
                    self._start(child)
                self._until_ready(probes)
                yield
            except BaseException:
                self._stop_all(HURRIED_SECONDS)
                raise
            finally:
                self._drain()

    def watch(self) -> None:
        """Restart what dies until a signal asks to stop."""
        while not self._stop_requests:
            now = time.monotonic()
            for child in self._children:
                if child.restart_at is not None and child.restart_at <= now:
                    self._start(child)
            self._wait(min((c.restart_at for c in self._children if c.restart_at), default=None))
            self._bury_the_dead()

    # Starting
    def _start(self, child: Child) -> None:
        child.start(self._heirlooms, time.monotonic())
        if child.ready_fd is not None:
            self._selector.register(child.ready_fd, selectors.EVENT_READ, child)

    def _until_ready(self, probes: Sequence[str]) -> None:
        deadline = time.monotonic() + self._timing.start_seconds
        while not all(child.is_ready for child in self._children):
            self._wait(deadline)
            self._check_start(deadline)
        for url in probes:
            while not _answers(url):
                self._wait(min(deadline, time.monotonic() + PROBE_EVERY_SECONDS))
                self._check_start(deadline)

    def _check_start(self, deadline: float) -> None:
        if self._stop_requests:
            raise Stopped("Stopped before everything had started.")
        for child in self._children:
            code = child.process.poll() if child.process else None
            if code is not None:
                raise Stopped(
                    f"The {child.program.name} ended with {_ending(code)} while it started; "
                    "its last lines above say why. Everything was stopped again."
                )
        if time.monotonic() > deadline:
            late = ", ".join(c.program.name for c in self._children if not c.is_ready)
            raise Stopped(
                f"Not ready within {self._timing.start_seconds:g} s: {late or 'a readiness address'}. "
                "Everything was stopped again."
            )

    # Watching
    def _wait(self, until: float | None) -> None:
        """Sleep until something happens or a moment of the monotonic clock comes."""
        timeout = None if until is None else max(0.0, until - time.monotonic())
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, Child):
                self._hear(key.data)
            else:
                numbers = _drained(key.data)
                self._stop_requests += sum(n in _STOP_SIGNALS for n in numbers)

    def _hear(self, child: Child) -> None:
        if child.ready_fd is None:
            return
        if os.read(child.ready_fd, 16):
            child.is_ready = True
            LOG.info("program_ready", extra={"name_of_program": child.program.name})
        self._forget_pipe(child)

    def _forget_pipe(self, child: Child) -> None:
        if child.ready_fd is not None:
            self._selector.unregister(child.ready_fd)
            child.close_ready_pipe()

    def _bury_the_dead(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None or (code := child.process.poll()) is None:
                continue
            lived = now - child.started_at
            child.delay_seconds = next_delay_seconds(child.delay_seconds, lived)
            child.restart_at = now + child.delay_seconds
            child.process, child.exit_code = None, code
            self._forget_pipe(child)
            facts: dict[str, object] = {
                "name_of_program": child.program.name,
                "ending": _ending(code),
            }
            facts |= {"lived_seconds": f"{lived:.1f}", "restart_in_seconds": child.delay_seconds}
            LOG.warning("program_died", extra=facts)

    # Stopping
    def _drain(self) -> None:
        for kind in _DRAIN_ORDER:
            seconds = self._timing.stop_grace_seconds
            if kind == "gateway":
                seconds += self._timing.gateway_drain_seconds
            self._stop([c for c in self._children if c.program.kind == kind], seconds)

    def _stop_all(self, seconds: float) -> None:
        self._stop(self._children, seconds)

    def _stop(self, children: Sequence[Child], seconds: float) -> None:
        """Ask politely, wait, and kill what is still there after ``seconds``; a further signal hurries."""
        for child in children:
            child.restart_at = None
            child.send(signal.SIGTERM)
        deadline, hurried = time.monotonic() + seconds, False
        while living := [c for c in children if c.process and c.process.poll() is None]:
            if self._stop_requests > 1 and not hurried:
                hurried, deadline = True, min(deadline, time.monotonic() + HURRIED_SECONDS)
                for child in self._children:
                    child.send(signal.SIGTERM)
            if time.monotonic() >= deadline:
                for child in living:
                    LOG.warning("program_killed", extra={"name_of_program": child.program.name})
                    child.send(signal.SIGKILL)
                deadline = time.monotonic() + HURRIED_SECONDS
            self._wait(deadline)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn signals into bytes on a socket that `select` sees; restores what was set before."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self._selector.register(ours, selectors.EVENT_READ, ours)
        numbers = [*_STOP_SIGNALS, signal.SIGCHLD]
        before = {number: signal.signal(number, lambda *_: None) for number in numbers}
        woken = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            for child in self._children:
                self._forget_pipe(child)
            self._selector.close()
            ours.close()
            theirs.close()


def _drained(wakeup: object) -> bytes:
    if not isinstance(wakeup, socket.socket):
        return b""
    try:
        return wakeup.recv(4096)
    except BlockingIOError:
        return b""


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
