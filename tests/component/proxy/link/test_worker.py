"""One gateway process as it is really run: start, drain, second signal, lost supervisor, recovery after kill -9."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.component.proxy.link.lines import admission
from tests.component.proxy.link.peer import CLAIM_SECRET, SECRET, Peer

KEY = "lw_vk_live_01HZXABCDEFGHJKMNPQRSTVWXY"
SECONDS = 15.0


class GatewayProcess:
    """``langwatch gateway`` and its log."""

    def __init__(
        self,
        environ: dict[str, str],
        pass_fds: tuple[int, ...] = (),
        listener_fd: int | None = None,
    ) -> None:
        base = {"PATH": os.environ["PATH"], "SERVER_ADDR": "127.0.0.1:0"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "gateway"],
            env=base | environ,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            text=True,
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            self.log.extend(iter(stderr.readline, ""))

    def wait_for(self, text: str) -> str:
        """Return the first log line with this text."""
        return self.until(lambda: next((line for line in self.log if text in line), None))

    def until(self, condition: Callable[[], object]) -> object:
        deadline = time.monotonic() + SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, "".join(self.log)
            time.sleep(0.01)
        return found

    @property
    def url(self) -> str:
        match = re.search(r'address="([^"]+)"', str(self.wait_for("gateway_listening")))
        assert match is not None
        return f"http://{match[1]}"

    def end(self) -> int:
        """Wait for the exit and return its code."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code


@pytest.fixture
def gateway(peer: Peer, tmp_path: Path) -> Iterator[Callable[..., GatewayProcess]]:
    """Starts gateways that are ended with the test."""
    started: list[GatewayProcess] = []

    def start(pass_fds: tuple[int, ...] = (), **environ: str) -> GatewayProcess:
        common = {
            "LANGWATCH_DATA_DIR": str(tmp_path / "var"),
            "LW_GATEWAY_BASE_URL": peer.url,
            "LW_GATEWAY_INTERNAL_SECRET": SECRET.reveal(),
            "LW_GATEWAY_JWT_SECRET": CLAIM_SECRET.reveal(),
            "SERVER_DRAIN_DELAY_SECONDS": "0.05",
            "SERVER_GRACEFUL_SECONDS": "10",
        }
        process = GatewayProcess({k: v for k, v in (common | environ).items() if v}, pass_fds)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.process.poll() is None:
            process.process.kill()
            process.end()


def chat(url: str) -> httpx.Response:
    body = {"model": "sandbox-small", "messages": [{"role": "user", "content": "hello"}]}
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=SECONDS)


SANDBOX = {"id": "prv_s", "name": "sandbox", "type": "sandbox", "base_url": "sandbox://"}


def test_books_a_call_and_stops_in_phases(peer, gateway) -> None:
    peer.add_key(KEY, providers=[SANDBOX], budgets=[peer.add_budget("bud_1", 10**12)])
    running = gateway()
    running.wait_for("gateway_started")
    answer = chat(running.url)
    assert answer.status_code == 200, answer.text
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0
    log = "".join(running.log)
    phases = [
        'gateway_draining" pre_drain_wait="0.05s"',
        'gateway_shutting_down" timeout="10s"',
        'gateway_stopped"',
    ]
    assert [phase for phase in phases if phase in log] == phases
    assert [log.index(phase) for phase in phases] == sorted(log.index(phase) for phase in phases)
    (settled,) = peer.settled.values()
    assert settled["outcome"] == "completed"
    account = next(iter(peer.bank.accounts.values()))
    assert account.settled == settled["cost_nanousd"] > 0
    assert account.leased == 0
    assert KEY not in log


def test_leaves_nothing_behind_after_a_clean_stop(peer, gateway, tmp_path) -> None:
    running = gateway()
    running.wait_for("gateway_started")
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0
    assert list((tmp_path / "var" / "spool").iterdir()) == []


def test_a_second_signal_hurries(peer, gateway) -> None:
    running = gateway(SERVER_DRAIN_DELAY_SECONDS="600", SERVER_GRACEFUL_SECONDS="600")
    running.wait_for("gateway_started")
    running.process.send_signal(signal.SIGTERM)
    running.wait_for("gateway_draining")
    ready = httpx.get(f"{running.url}/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0


def test_stops_when_its_supervisor_is_gone(peer, gateway) -> None:
    reading, writing = os.pipe()
    running = gateway((reading,), LANGWATCH_PARENT_FD=str(reading))
    os.close(reading)
    running.wait_for("gateway_started")
    os.close(writing)
    assert running.end() == 0
    assert any("supervisor_gone" in line for line in running.log)


def test_serves_on_an_inherited_socket_and_says_when_it_is_ready(peer, gateway) -> None:
    reading, writing = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = gateway(
            (writing, listener.fileno()),
            LANGWATCH_READY_FD=str(writing),
            LANGWATCH_LISTEN_FD=str(listener.fileno()),
        )
        os.close(writing)
        assert os.read(reading, 1) == b"1"
        os.close(reading)
        assert running.url.endswith(f":{listener.getsockname()[1]}")
        assert httpx.get(f"{running.url}/startupz").status_code == 200


def test_is_not_ready_before_the_named_hosts_can_be_reached(peer, gateway) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        running = gateway(GATEWAY_STARTUP_NETCHECK_HOSTS=address)
        running.wait_for("netcheck_failed")
        assert httpx.get(f"{running.url}/startupz").status_code == 503
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        unused.listen()
        running.wait_for("gateway_started")
    assert httpx.get(f"{running.url}/startupz").status_code == 200


def test_is_ready_without_the_control_plane_and_serves_what_it_knew(peer, gateway) -> None:
    peer.add_key(KEY, providers=[SANDBOX])
    running = gateway()
    assert chat(running.url).status_code == 200
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0
    peer.stop()
    again = gateway()
    again.wait_for("gateway_started")
    assert chat(again.url).status_code == 200
    peer.start()
    again.until(lambda: len(peer.settled) == 2)
    again.process.send_signal(signal.SIGTERM)
    assert again.end() == 0


def test_refuses_to_start_without_a_secret_to_share(peer, gateway) -> None:
    running = gateway(LW_GATEWAY_INTERNAL_SECRET="")
    assert running.end() == 2
    assert "LW_GATEWAY_INTERNAL_SECRET" in "".join(running.log)


def test_makes_a_secret_up_when_that_is_allowed(peer, gateway, tmp_path) -> None:
    running = gateway(LW_GATEWAY_INTERNAL_SECRET="", GATEWAY_ALLOW_INSECURE="1")
    running.wait_for("gateway_started")
    assert (tmp_path / "var" / "internal.secret").stat().st_mode & 0o777 == 0o600


def test_a_sibling_books_what_a_killed_worker_left(peer, gateway, tmp_path) -> None:
    peer.add_key(KEY, providers=[SANDBOX])
    killed = gateway(LW_GATEWAY_SPEND_FLUSH_INTERVAL_SECONDS="60")
    killed.wait_for("gateway_started")
    # The first round ships at once; what comes after it waits for the minute.
    answers = [chat(killed.url).headers["x-langwatch-gateway-request-id"] for _ in range(3)]
    spool_dir = tmp_path / "var" / "spool"
    (file,) = spool_dir.glob("*.jsonl")
    with file.open("ab") as spool:
        spool.write(admission("req_open", 77) + b"\n")
    killed.process.kill()
    killed.end()
    sibling = gateway()
    sibling.wait_for("spool_recovered")
    assert {*answers, "req_open"} <= set(peer.settled)
    assert peer.settled["req_open"]["outcome"] == "unsettled"
    assert peer.released == [file.name.split(".")[0]]


def test_says_how_it_is_set_up_and_answers_for_its_metrics_without_a_secret(
    peer, gateway, tmp_path
) -> None:
    peer.add_key(KEY, providers=[SANDBOX])
    running = gateway(
        DATABASE_URL="postgresql://user:a-password@db/x",
        LW_GATEWAY_JWT_SECRET_PREVIOUS="p" * 40,
    )
    running.wait_for("gateway_started")
    running.wait_for("jwt_secret_rotation_active")
    assert chat(running.url).status_code == 200
    running.wait_for("request_completed")
    text = httpx.get(f"{running.url}/metrics").text
    assert 'gateway_http_requests_total{route="/v1/chat/completions",status="200"' in text
    assert 'gateway_control_plane_requests_total{endpoint="resolve-key",status="200"} 1' in text
    assert 'gateway_auth_cache_misses_total{tier="l1"} 1' in text
    assert "gateway_workers 1" in text
    assert (tmp_path / "var" / "gateway-makers" / "table.1").stat().st_size == 4 * 1024 * 1024
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0
    log = "".join(running.log)
    assert f'internal_secret="set(len={len(SECRET.reveal())})"' in log
    assert 'jwt_secret_previous="set(len=40)"' in log
    assert 'metrics_token="unset"' in log
    for secret in (SECRET.reveal(), CLAIM_SECRET.reveal(), KEY, "a-password", "p" * 40):
        assert secret not in log
        assert secret not in text
