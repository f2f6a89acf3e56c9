"""Starts the fake provider as a process of its own and speaks to its control addresses.

For tests and the bench; holds no assertions.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.005


class FakeProvider:
    """A running fake. `url` has no path; OpenAI clients add `/v1`."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def calls(self) -> list[dict[str, Any]]:
        """Every call since the last reset, oldest first (the newest 20,000)."""
        return orjson.loads(self._http.get("/_control/calls").content)

    def last_call(self) -> dict[str, Any]:
        """The newest call, once none is open: the client sees an end before we note it."""
        self.wait_for(lambda state: state["open_calls"] == 0)
        return self.calls()[-1]

    def state(self) -> dict[str, int]:
        """`calls`, `open_calls`, `open_streams`, `open_connections` now."""
        return orjson.loads(self._http.get("/_control/state").content)

    def behave(self, script: str, times: int | None = None) -> None:
        """Script the next `times` calls, or all until the reset; queued when called again."""
        answer = self._http.post("/_control/behaviour", json={"behaviour": script, "times": times})
        if answer.is_error:
            raise ValueError(answer.text)

    def service_account(self) -> str:
        """The JSON file of the account that the fake's token endpoint knows."""
        return self._http.get("/_control/service-account").text

    def step(self) -> None:
        """Let a call with the behaviour `step` make its next write."""
        self._http.post("/_control/step")

    def reset(self) -> None:
        """Forget the calls and the scripts."""
        self._http.post("/_control/reset")

    def wait_for(
        self, condition: Callable[[dict[str, int]], bool], seconds: float = 5
    ) -> dict[str, int]:
        """The state once it fulfils `condition`. Raises TimeoutError with the last state."""
        deadline = time.monotonic() + seconds
        while not condition(state := self.state()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the fake provider stayed at {state}")
            time.sleep(POLL_SECONDS)
        return state

    def close(self) -> None:
        """End the process."""
        self._http.close()
        self.process.terminate()
        self.process.wait(timeout=10)
        if self.process.stdout:
            self.process.stdout.close()


@contextmanager
def fake_provider(journal: Path | None = None, port: int = 0) -> Iterator[FakeProvider]:
    """A fake provider for the length of the block."""
    command = [sys.executable, "-m", "tests.provider", "--port", str(port)]
    if journal:
        command += ["--journal", str(journal)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        process.wait(timeout=10)
        raise RuntimeError("the fake provider did not start")
    provider = FakeProvider(process, orjson.loads(line)["port"])
    try:
        yield provider
    finally:
        provider.close()
