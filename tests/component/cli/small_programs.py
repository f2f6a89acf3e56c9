"""Runs the supervisor over three tiny programs; started by test_supervisor in a process of its own.

Each program appends what happens to it to a file, so that a test can read the order.
"""

import os
import sys
from pathlib import Path

from cli.children import Heirlooms, Program
from cli.problems import Stopped
from cli.supervisor import Supervisor, Timing
from core.log import configure

# Tells that it is ready, then waits for SIGTERM or for the supervisor's pulse to stop.
TINY = """
import os, select, signal, sys
name, diary, mood = sys.argv[1:4]
def note(word):
    descriptor = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{word} {name} {os.getpid()}\\n".encode())
    os.close(descriptor)
if mood == "fails":
    sys.exit(3)
reading, writing = os.pipe()
signal.signal(signal.SIGTERM, lambda *_: os.write(writing, b"t"))
note("started")
if mood != "mute":
    os.write(int(os.environ["LANGWATCH_READY_FD"]), b"1")
pulse = int(os.environ["LANGWATCH_PARENT_FD"])
while True:
    ready, _, _ = select.select([reading, pulse], [], [])
    if pulse in ready:
        note("orphaned")
        sys.exit(0)
    os.read(reading, 1)
    note("asked")
    if mood != "stubborn":
        sys.exit(0)
"""


def main() -> None:
    """Read moods (`gateway=stubborn`) and the diary's path from the arguments and supervise."""
    diary = sys.argv[1]
    moods = dict(argument.split("=") for argument in sys.argv[2:])
    configure("up", "info", "text")
    pulse, _ours = os.pipe()
    lock = os.open(os.devnull, os.O_RDONLY)
    names = ("web", "gateway", "streamer")
    programs = [
        Program(
            name,
            name,
            dict(os.environ),
            command=("-c", TINY, name, diary, moods.get(name, "good")),
        )
        for name in names
    ]
    supervisor = Supervisor(
        programs,
        Heirlooms(pulse, lock),
        Timing(start_seconds=3, gateway_drain_seconds=0, stop_grace_seconds=1),
    )
    try:
        with supervisor.started([]):
            with Path(diary).open("a") as file:
                file.write("all ready\n")
            supervisor.watch()
    except Stopped as stopped:
        print(stopped.message, file=sys.stderr)
        sys.exit(stopped.code)


if __name__ == "__main__":
    main()
