"""The whole product as a user starts it: `langwatch up` in a process of its own, with a fake provider.

For every folder of tests that needs all three programs; holds no assertions of its own.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from core.database import database, open_database
from core.lake import engine
from core.settings import Settings, load
from tests.databases import close_database
from tests.provider.handle import FakeProvider
from tests.stack_config import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    SECRETS,
    StackOptions,
    governance_file,
)

START_SECONDS = 60.0
STOP_SECONDS = 40.0
POLL_SECONDS = 0.02
_ROOT = Path(__file__).resolve().parents[1]
_QUICK = {
    "LW_GATEWAY_SPEND_FLUSH_INTERVAL_SECONDS": "0.1",
    "LANGWATCH_DRAIN_INTERVAL_SECONDS": "0.2",
    "SERVER_DRAIN_DELAY_SECONDS": "0",
    "LW_INGEST_RATE_LIMIT_DISABLED": "1",
}
_OURS = ("LANGWATCH_", "LW_", "GATEWAY_", "SERVER_", "RELEASE_", "DATABASE_URL", "FEATURE_FLAG_")
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
Answer = TypeVar("Answer")


def wait_until(
    question: Callable[[], Answer], seconds: float = 10.0, what: str = "the condition"
) -> Answer:
    """Return the first true answer to a question. Raises AssertionError with the last one when time is up."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true in {seconds:g} s; last: {answer!r}")
        time.sleep(POLL_SECONDS)
    return answer


@dataclass(slots=True)
class Stack:
    """One `langwatch up` and its data directory. `start` and `stop` may alternate on the same data."""

    directory: Path
    provider: FakeProvider
    options: StackOptions = field(default_factory=StackOptions)
    web: str = ""
    gateway: str = ""
    _process: "subprocess.Popen[bytes] | None" = None
    _starts: int = 0

    @property
    def data_dir(self) -> Path:
        return self.directory / "var"

    @property
    def config(self) -> Path:
        return self.directory / "governance.yaml"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    # Life
    def start(self, *extra: str) -> "Stack":
        """Start on free ports and return once everything answers; an earlier stack's ports are kept."""
        command = ["up", "--json", "--data-dir", str(self.data_dir)]
        command += ["--web-port", _port(self.web), "--gateway-port", _port(self.gateway)]
        command += ["--workers", str(self.options.workers)]
        if self.options.is_configured:
            self.config.write_text(governance_file(self.provider, self.options))
            command += ["--config", str(self.config)]
        self._starts += 1
        with self._stdout.open("wb") as out, (self.directory / "stderr").open("ab") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", *command, *extra],
                env=self.environ(),
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        ready = wait_until(self._ready, START_SECONDS, "readiness")
        self.web, self.gateway = ready["web"], ready["gateway"]
        return self

    def _ready(self) -> dict[str, Any] | None:
        assert self._process is not None
        events = self.events()
        if not events and self._process.poll() is not None:
            raise AssertionError(f"the stack did not start:\n{self.log()[-4000:]}")
        return events[0] if events else None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the stack by a signal and return the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._end_all()
            raise AssertionError(f"the stack did not stop:\n{self.log()[-4000:]}") from None

    def close(self) -> None:
        """End everything, however it stands."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self._end_all()

    def _end_all(self) -> None:
        for pid in [p for pids in self.pids().values() for p in pids]:
            os.kill(pid, signal.SIGKILL)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    def pids(self) -> dict[str, list[int]]:
        """Return the processes of each program: web, gateway, streamer."""
        found: dict[str, list[int]] = {"web": [], "gateway": [], "streamer": []}
        if self._process is None:
            return found
        for task in Path(f"/proc/{self._process.pid}/task").glob("*/children"):
            for pid in map(int, task.read_text().split()):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                program = command[-2].decode() if len(command) > 1 else ""
                found.get(program, []).append(pid)
        return found

    def kill(self, program: str, index: int = 0) -> int:
        """Kill a process of a program with SIGKILL, waiting for there to be one; return its pid."""
        pids = wait_until(lambda: self.pids()[program][index:], 20, f"a {program} to kill")
        os.kill(pids[0], signal.SIGKILL)
        return pids[0]

    # Looking
    @property
    def _stdout(self) -> Path:
        return self.directory / f"stdout.{self._starts}"

    def events(self) -> list[dict[str, Any]]:
        """Return what `up --json` has said since the last start."""
        lines = self._stdout.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def log(self) -> str:
        """Return the log of all programs."""
        return (self.directory / "stderr").read_text()

    def environ(self) -> dict[str, str]:
        """Return the environment of the stack: nothing of the developer's settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
        slack = {"SLACK_WEBHOOK_URL": self.options.slack_url} if self.options.slack_url else {}
        private = {"LANGWATCH_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8"} if slack else {}
        return kept | SECRETS | _QUICK | slack | private | dict(self.options.environ)

    def settings(self) -> Settings:
        """Return the settings that readers of this stack's data need."""
        return load({"LANGWATCH_DATA_DIR": str(self.data_dir), **self.options.environ})

    @contextmanager
    def database(self) -> Iterator[None]:
        """Bind the models of this process to this stack's control database for the length of the block."""
        open_database(self.settings().control_database_url)
        try:
            with database.connection_context():
                yield
        finally:
            close_database()

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a `langwatch` command on this stack's data."""
        command = [sys.executable, "-m", "cli.main", *arguments, "--data-dir", str(self.data_dir)]
        return subprocess.run(
            command, env=self.environ(), cwd=_ROOT, capture_output=True, text=True, timeout=120
        )

    def ledger(self, *options: str) -> list[dict[str, Any]]:
        """Return the rows that `langwatch ledger export` prints."""
        result = self.command("ledger", "export", *options)
        assert result.returncode == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    def lake(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the lake; none while there is no lake."""
        settings = self.settings()
        if not engine.exists(settings):
            return []
        connection = engine.connect(settings, read_only=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    # Using
    def client(self, key: str) -> httpx.Client:
        """Return a client of the gateway that presents a virtual key."""
        return httpx.Client(
            base_url=self.gateway,
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
        )

    def browser(self) -> "Browser":
        """Return a client of the web app that nobody has signed in."""
        return Browser(httpx.Client(base_url=self.web, timeout=30, trust_env=False))

    def admin_session(self) -> "Browser":
        """Return a client of the web app, signed in as the configuration's administrator."""
        browser = self.browser()
        form = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        answer = browser.submit("/sign-in", "/sign-in", form)
        assert answer.status_code == 303, answer.text
        return browser


@dataclass(frozen=True, slots=True)
class Browser:
    """A web session without a browser: pages are fetched, forms are sent with their token."""

    http: httpx.Client

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Fetch a page."""
        return self.http.get(path, **options)

    def submit(self, page: str, action: str, form: dict[str, str]) -> httpx.Response:
        """Send the form of a page, as it stands there with its token."""
        token = _TOKEN.search(self.http.get(page).text)
        assert token is not None, f"{page} has no form"
        return self.http.post(action, data={**form, "csrf_token": token.group(1)})

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()


def _port(url: str) -> str:
    return url.rpartition(":")[2] if url else "0"


@contextmanager
def running(
    directory: Path, provider: FakeProvider, options: StackOptions | None = None
) -> Iterator[Stack]:
    """A started stack for the length of the block."""
    stack = Stack(directory, provider, options or StackOptions())
    try:
        yield stack.start()
    finally:
        stack.close()


@pytest.fixture(scope="session")
def shared_stack(
    tmp_path_factory: pytest.TempPathFactory, provider_process: FakeProvider
) -> Iterator[Stack]:
    """One configured stack for all tests that leave it as they found it."""
    # No breaker opens: a provider that failed one test may be asked by the next.
    options = StackOptions(environ={"LW_GATEWAY_CIRCUIT_THRESHOLD": "1000000"})
    with running(tmp_path_factory.mktemp("stack"), provider_process, options) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack, provider: FakeProvider) -> Stack:
    """The shared stack, with a provider that has forgotten the tests before."""
    return shared_stack
