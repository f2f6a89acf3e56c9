"""What callers and data see when programs die and come back under the real supervisor."""

import os
import signal
from pathlib import Path

from tests.component.stack.traffic import chat
from tests.provider.handle import FakeProvider
from tests.stack import Stack, StackOptions, running, wait_until
from tests.stack_config import CI_KEY, DEV_KEY


def test_a_call_waits_while_the_gateway_is_started_again(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with running(tmp_path, provider) as stack:
        dead = stack.kill("gateway")
        with stack.client(CI_KEY) as client:
            answer = client.post("/v1/chat/completions", json=chat())
        assert answer.status_code == 200
        assert stack.pids()["gateway"] != [dead]


def test_a_known_key_is_served_while_the_web_app_is_away(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with running(tmp_path, provider) as stack, stack.client(DEV_KEY) as client:
        assert client.post("/v1/chat/completions", json=chat()).status_code == 200
        (web,) = stack.pids()["web"]
        os.kill(web, signal.SIGSTOP)
        try:
            for _ in range(20):
                assert client.post("/v1/chat/completions", json=chat()).status_code == 200
        finally:
            os.kill(web, signal.SIGCONT)
        wait_until(lambda: len(stack.ledger()) == 21, 20, "all rows")


def test_programs_end_with_a_supervisor_that_was_killed_and_the_next_start_goes_on(
    tmp_path: Path, provider: FakeProvider
) -> None:
    stack = Stack(tmp_path, provider, StackOptions())
    try:
        stack.start()
        with stack.client(CI_KEY) as client:
            assert client.post("/v1/chat/completions", json=chat()).status_code == 200
        orphans = [pid for pids in stack.pids().values() for pid in pids]
        assert len(orphans) == 3
        assert stack.stop(signal.SIGKILL) == -signal.SIGKILL
        stack.start()
        assert not any(_is_running(pid) for pid in orphans)
        (row,) = stack.ledger()
        assert row["outcome"] == "completed"
    finally:
        stack.close()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
