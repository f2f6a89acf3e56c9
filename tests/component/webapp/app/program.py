"""The web app as a process of its own, on a free port, and a signed client of its internal API."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from core.secrets import Secret, sign_request

START = "import os, sys; from core.log import configure; from core.settings import load; " + (
    "configure('web'); from webapp.server import run; sys.exit(run(load(os.environ)))"
)
READY_SECONDS = 30
INTERNAL_SECRET = Secret("an internal secret that only tests use")
BASE = "/api/internal/gateway"


@dataclass(slots=True)
class WebProgram:
    """A running web app; ``stderr`` is what it has printed until it was ready."""

    process: subprocess.Popen[bytes]
    url: str
    stderr: str

    def stop(self, number: int = signal.SIGTERM, seconds: float = 15) -> int:
        """Signal the process and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def setup_path(self) -> str:
        """Return the path of the one-time link that was printed."""
        found = re.search(r"/setup\?token=\S+", self.stderr)
        assert found, self.stderr
        return found.group(0)


@contextmanager
def web_program(
    data_dir: Path, database_url: str = "", parent_fd: int | None = None
) -> Iterator[WebProgram]:
    """Start the web app and wait until it says that it is ready."""
    reading, writing = os.pipe()
    environ = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "LANGWATCH_DATA_DIR": str(data_dir),
        "LANGWATCH_WEB_PORT": "0",
        "LANGWATCH_READY_FD": str(writing),
        "LW_GATEWAY_INTERNAL_SECRET": INTERNAL_SECRET.reveal(),
        "FEATURE_FLAG_FORCE_ENABLE": "release_ui_ai_governance_enabled",
    }
    if database_url:
        environ["DATABASE_URL"] = database_url
    passed = [writing]
    if parent_fd is not None:
        environ["LANGWATCH_PARENT_FD"] = str(parent_fd)
        passed.append(parent_fd)
    log_path = data_dir.with_name(f"{data_dir.name}.log")
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", START], env=environ, pass_fds=passed, stderr=log, stdout=log
        )
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], READY_SECONDS)
        said = os.read(reading, 1) if ready else b""
        assert said == b"1", log_path.read_text()
        yield WebProgram(process, _url(log_path), log_path.read_text())
    finally:
        os.close(reading)
        if process.poll() is None:
            process.kill()
            process.wait()


def _url(log_path: Path) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        found = re.search(r'msg="web_ready" url="([^"]+)"', log_path.read_text())
        if found:
            return found.group(1)
        select.select([], [], [], 0.01)
    raise AssertionError(log_path.read_text())


def signed(method: str, path: str, body: bytes = b"", at: float | None = None) -> dict[str, str]:
    """Return the headers of a signed internal call; ``path`` without its query."""
    timestamp = str(int(time.time() if at is None else at))
    return {
        "X-LangWatch-Gateway-Signature": sign_request(
            INTERNAL_SECRET, method, path, timestamp, body
        ),
        "X-LangWatch-Gateway-Timestamp": timestamp,
        "X-LangWatch-Gateway-Node": "gw-test",
    }


def changes(url: str, since: int, wait_seconds: int) -> httpx.Response:
    """Poll the change feed."""
    path = f"{BASE}/changes"
    query = f"since={since}&timeout_s={wait_seconds}"
    return httpx.get(f"{url}{path}?{query}", headers=signed("GET", path), timeout=40)
