"""The supervisor over real processes: readiness, restarts, the order of a drain, its own death."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import wait_until


class Supervised:
    """A running supervisor of tiny programs and the diary they write."""

    def __init__(self, directory: Path, *moods: str) -> None:
        self._diary = directory / "diary"
        self._diary.touch()
        command = [sys.executable, "-m", "tests.component.cli.small_programs", str(self._diary)]
        self.process = subprocess.Popen([*command, *moods], stderr=subprocess.PIPE, text=True)

    def diary(self) -> list[str]:
        return self._diary.read_text().splitlines()

    def pid_of(self, name: str) -> int:
        lines = [line.split() for line in self.diary() if line.startswith(f"started {name} ")]
        return int(lines[-1][2])

    def until(self, line: str, times: int = 1) -> None:
        wait_until(lambda: sum(x.startswith(line) for x in self.diary()) >= times, 15, line)

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@pytest.fixture
def started(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Supervised]:
    moods = getattr(request, "param", ())
    supervised = Supervised(tmp_path, *moods)
    yield supervised
    if supervised.process.poll() is None:
        supervised.process.kill()
    supervised.process.communicate(timeout=20)


def test_drains_the_gateway_first_and_the_web_app_last(started: Supervised) -> None:
    started.until("all ready")
    code, _ = started.end(signal.SIGTERM)
    asked = [line.split()[1] for line in started.diary() if line.startswith("asked")]
    assert code == 0
    assert asked == ["gateway", "streamer", "web"]


def test_starts_again_what_was_killed_and_says_so(started: Supervised) -> None:
    started.until("all ready")
    os.kill(started.pid_of("gateway"), signal.SIGKILL)
    started.until("started gateway", times=2)
    os.kill(started.pid_of("gateway"), signal.SIGKILL)
    started.until("started gateway", times=3)
    code, errors = started.end(signal.SIGTERM)
    assert code == 0
    assert errors.count("program_died") == 2
    assert 'restart_in_seconds="0.1"' in errors and 'restart_in_seconds="0.2"' in errors
    assert sum(line.startswith("started web") for line in started.diary()) == 1


@pytest.mark.parametrize("started", [("streamer=fails",)], indirect=True)
def test_a_program_that_ends_while_starting_ends_the_start(started: Supervised) -> None:
    _, errors = started.process.communicate(timeout=20)
    assert started.process.returncode == 1
    assert "The streamer ended with exit code 3 while it started" in errors
    assert "all ready" not in started.diary()


@pytest.mark.parametrize("started", [("web=mute",)], indirect=True)
def test_a_program_that_never_says_it_is_ready_ends_the_start(started: Supervised) -> None:
    _, errors = started.process.communicate(timeout=20)
    assert started.process.returncode == 1
    assert "Not ready within 3 s: web." in errors


@pytest.mark.parametrize("started", [("gateway=stubborn",)], indirect=True)
def test_a_program_that_does_not_end_is_killed_when_its_time_is_up(started: Supervised) -> None:
    started.until("all ready")
    code, errors = started.end(signal.SIGTERM)
    assert code == 0
    assert "program_killed" in errors


def test_programs_notice_that_their_supervisor_was_killed(started: Supervised) -> None:
    started.until("all ready")
    started.end(signal.SIGKILL)
    for name in ("web", "gateway", "streamer"):
        started.until(f"orphaned {name}")


@pytest.mark.parametrize("started", [("gateway=stubborn",)], indirect=True)
def test_a_second_signal_asks_everyone_at_once(started: Supervised) -> None:
    started.until("all ready")
    started.process.send_signal(signal.SIGINT)
    started.until("asked gateway")
    started.process.send_signal(signal.SIGINT)
    started.until("asked web")
    _, errors = started.process.communicate(timeout=20)
    assert started.process.returncode == 0, errors
