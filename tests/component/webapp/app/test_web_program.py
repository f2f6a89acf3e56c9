"""The web app as a real process on a real socket: first run, long polls, limits, draining."""

import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from core.authoring import organizations
from core.changes import Change, ChangeKind, append
from core.clock import utcnow
from core.database import open_database, transaction
from tests.component.webapp.app.program import (
    BASE,
    START,
    WebProgram,
    changes,
    signed,
    web_program,
)
from tests.databases import close_database


def form_of(page: httpx.Response) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found.group(1)


def test_a_newcomer_gets_from_the_printed_link_to_a_key(tmp_path: Path, database_url: str) -> None:
    data_dir = tmp_path / "var"
    with web_program(data_dir, database_url) as web, httpx.Client(base_url=web.url) as browser:
        nobody = "Nobody has an account yet"
        assert nobody in browser.get("/sign-in").text
        path = web.setup_path()
        page = browser.get(path)
        assert page.status_code == 200
        form = {"csrf_token": form_of(page), "token": path.partition("=")[2], "name": "Ada"}
        form |= {"email": "ada@acme.test", "password": "correct horse", "organization": "Acme"}
        answer = browser.post("/setup", data=form)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/welcome")
        welcome = browser.get("/welcome")
        assert '<span class="cut">Acme</span>' in welcome.text
        with httpx.Client(base_url=web.url) as another:
            assert nobody not in another.get("/sign-in").text
        found = re.search(r"lw_vk_live_[0-9A-Z]{26}", welcome.text)
        assert found
        assert found.group(0) not in browser.get("/welcome").text
        assert browser.get(path).status_code == 404
        state = browser.get("/api/governance/setup-state").json()
        assert state["setup"]["hasPersonalVKs"] is True
        key = found.group(0).encode()
        body = b'{"key_presented":"%b","gateway_node_id":"gw-a"}' % key
        headers = signed("POST", f"{BASE}/resolve-key", body)
        bundle = browser.post(f"{BASE}/resolve-key", content=body, headers=headers).json()
        assert [p["type"] for p in bundle["config"]["providers"]] == ["sandbox"]
        assert bundle["config"]["personal"] is True
        assert web.stop() == 0


def test_a_restart_prints_another_link_until_somebody_used_it(tmp_path: Path) -> None:
    with web_program(tmp_path / "var") as web:
        first = web.setup_path()
        assert web.stop() == 0
    with web_program(tmp_path / "var") as web:
        assert web.setup_path() != first
        assert httpx.get(web.url + first).status_code == 404
        assert web.stop() == 0


def test_a_long_poll_hears_of_a_change_made_by_another_process(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    with web_program(data_dir) as web:
        revision = changes(web.url, 0, 1).json()["current_revision"]
        heard: list[tuple[float, httpx.Response]] = []

        def listen() -> None:
            answer = changes(web.url, revision, 20)
            heard.append((time.monotonic(), answer))

        listener = threading.Thread(target=listen)
        listener.start()
        open_database(f"sqlite:///{data_dir / 'control.db'}")
        try:
            organization = organizations.only()
            assert organization is not None
            with transaction():
                change = Change(organization.id, ChangeKind.VK_REVOKED, virtual_key_id="vk_1")
                append(change, utcnow())
            told_at = time.monotonic()
        finally:
            close_database()
        listener.join(10)
        at, answer = heard[0]
        assert answer.json()["changes"][0]["virtual_key_id"] == "vk_1"
        assert at - told_at < 2
        assert web.stop() == 0


def test_a_poll_that_hears_nothing_answers_without_a_body(tmp_path: Path) -> None:
    with web_program(tmp_path / "var") as web:
        revision = changes(web.url, 0, 1).json()["current_revision"]
        answer = changes(web.url, revision, 1)
        assert answer.status_code == 204
        assert answer.headers["X-LangWatch-Revision"] == str(revision)
        assert web.stop() == 0


def wait_for_threads(pid: int, count: int) -> None:
    """Wait until a process has that many threads: each poll that has arrived waits in one."""
    deadline = time.monotonic() + 20
    while len(os.listdir(f"/proc/{pid}/task")) < count:
        assert time.monotonic() < deadline, "the polls never arrived"
        select.select([], [], [], 0.02)


def test_sigterm_answers_long_polls_and_ends_in_time(tmp_path: Path) -> None:
    with web_program(tmp_path / "var") as web:
        revision = changes(web.url, 0, 1).json()["current_revision"]
        statuses: list[int] = []
        pollers = [
            threading.Thread(
                target=lambda: statuses.append(changes(web.url, revision, 25).status_code)
            )
            for _ in range(40)
        ]
        for poller in pollers:
            poller.start()
        wait_for_threads(web.process.pid, 41)
        # Forty polls hold no thread that a page needs.
        assert httpx.get(f"{web.url}/healthz", timeout=5).json() == {"status": "ok"}
        began = time.monotonic()
        assert web.stop() == 0
        for poller in pollers:
            poller.join(5)
        assert statuses == [204] * 40
        assert time.monotonic() - began < 8


def test_answers_without_a_body_are_sent(tmp_path: Path) -> None:
    with web_program(tmp_path / "var") as web:
        assert httpx.head(f"{web.url}/sign-in").status_code == 200
        asset = httpx.get(f"{web.url}/static/app.css")
        again = httpx.get(
            f"{web.url}/static/app.css", headers={"If-None-Match": asset.headers["ETag"]}
        )
        assert again.status_code == 304
        assert httpx.get(f"{web.url}/readyz").json()["status"] == "ok"
        assert web.stop() == 0


def raw(web: WebProgram, request: bytes) -> bytes:
    parts = urlsplit(web.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as peer:
        peer.sendall(request)
        peer.shutdown(socket.SHUT_WR)
        peer.settimeout(10)
        received = b""
        while chunk := peer.recv(65536):
            received += chunk
        return received


def test_a_body_that_was_cut_off_never_reaches_the_application(tmp_path: Path) -> None:
    with web_program(tmp_path / "var") as web:
        head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nemail="
        assert b"303" not in raw(web, head)
        assert b"HTTP/1.1 403" not in raw(web, head)
        assert web.stop() == 0


def test_a_body_above_the_limit_is_refused(tmp_path: Path) -> None:
    with web_program(tmp_path / "var") as web:
        answer = httpx.post(f"{web.url}/sign-in", content=b"x" * (12 * 1024 * 1024 + 1), timeout=30)
        assert answer.status_code == 413
        assert web.stop() == 0


def test_an_odd_method_is_refused(tmp_path: Path) -> None:
    with web_program(tmp_path / "var") as web:
        for method in (b"TRACE", b"BREW"):
            assert b"HTTP/1.1 405" in raw(web, method + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert web.stop() == 0


def test_the_program_ends_with_its_supervisor(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with web_program(tmp_path / "var", parent_fd=reading) as web:
        os.close(reading)
        assert web.process.poll() is None
        os.close(writing)
        assert web.process.wait(15) == 0


def start_in_vain(tmp_path: Path, **variables: str) -> str:
    """Start the web app where it can't; return what it said."""
    environ = {"PATH": os.environ["PATH"], "LANGWATCH_DATA_DIR": str(tmp_path / "var")}
    ended = subprocess.run(
        [sys.executable, "-c", START],
        env=environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_port_that_is_taken_is_named_and_ends_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = start_in_vain(tmp_path, LANGWATCH_WEB_PORT=port)
    assert "cannot_listen" in said
    assert port in said


def test_a_database_that_does_not_answer_ends_the_start(tmp_path: Path) -> None:
    address = "postgresql://web:not-shown@127.0.0.1:1/none"
    said = start_in_vain(tmp_path, LANGWATCH_WEB_PORT="0", DATABASE_URL=address)
    assert "database_unusable" in said
    assert "not-shown" not in said
