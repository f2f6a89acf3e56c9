"""Starts programs on one chosen core, reads what they use from /proc, ends them by process id.

Linux only. Knows nothing of what the programs do.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

UNDER_TEST_CORE = 0
LOAD_CORE = 1
READY_SECONDS = 30
STOP_SECONDS = 10
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A loopback port that was free a moment ago; for programs that cannot pick their own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], core: int, port: int, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """The program, pinned to `core`, once it accepts connections on `port`."""
    log = Path(f"/tmp/bench-{os.getpid()}-{port}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
    try:
        _wait_for_port(process, port, log)
        yield process
    finally:
        stop(process)
        log.unlink(missing_ok=True)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the program to end, and insist after a while."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_port(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"{process.args} does not listen on {port}:\n{tail}")


def family(pid: int) -> list[int]:
    """The process and all its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_stat_fields(int(entry.name))[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:
        found.extend(children.get(member, []))
    return found


def command_line(pid: int) -> str:
    """How the process was called, words joined by spaces."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def pin(pid: int, core: int) -> None:
    """Move every thread of the process to `core`."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time that the processes have used so far."""
    ticks = 0
    for pid in pids:
        fields = _stat_fields(pid)
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_SECOND


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of the processes together."""
    return sum(
        int(line.split()[1]) * 1024
        for pid in pids
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from `state` on (the name before it may contain spaces)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def interrupt_is_exit() -> None:
    """Turn SIGTERM into an exception, so that every started program is ended."""
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
