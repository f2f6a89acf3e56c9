"""A key is made, rotated and revoked through its pages; every gateway worker follows within two seconds."""

import re
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from core.models import LedgerRow
from tests.component.stack.traffic import chat
from tests.provider.handle import FakeProvider
from tests.stack import Browser, Stack, running, wait_until
from tests.stack_config import StackOptions

HERE = "/settings/virtual-keys"
SECONDS = 2.0
CONNECTIONS = 16
_SHOWN = re.compile(r'<pre id="shown-once"[^>]*>([^<]+)</pre>')


def shown(answer: httpx.Response) -> str:
    found = _SHOWN.search(answer.text)
    assert found, answer.text
    return found[1]


def composed(admin: Browser) -> tuple[str, str]:
    """Make a key as an administrator does; return its id and its secret."""
    page = admin.get(f"{HERE}/new").text
    project = re.search(r'<option value="(project_\w+)"[^>]*>Coding tools<', page)
    provider = re.search(r'<option value="(\w+)"[^>]*>openai-main<', page)
    assert project and provider
    form = {"name": "by-page", "project_id": project[1], "provider_1": provider[1]}
    secret = shown(admin.submit(f"{HERE}/new", HERE, form | {"budget_usd": "5000"}))
    row = re.search(rf'href="{HERE}/(vk_\w+)">by-page<', admin.get(f"{HERE}?q=by-page").text)
    assert row
    return row[1], secret


def statuses(clients: list[httpx.Client]) -> set[int]:
    return {client.post("/v1/chat/completions", json=chat()).status_code for client in clients}


def workers_of(stack: Stack) -> set[str]:
    with stack.database():
        return {row.worker for row in LedgerRow.select(LedgerRow.worker)}


def test_a_key_revoked_on_its_page_is_refused_by_every_worker_within_two_seconds(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with running(tmp_path, provider, StackOptions(workers=2)) as stack, ExitStack() as opened:
        admin = opened.enter_context(stack.admin_session())
        key_id, before = composed(admin)
        clients = [opened.enter_context(stack.client(before)) for _ in range(CONNECTIONS)]
        assert statuses(clients) == {200}
        # A connection stays with its worker, so these connections speak for all of them.
        wait_until(lambda: len(workers_of(stack)) == 2, 20, "calls through both workers")
        after = shown(admin.submit(f"{HERE}/{key_id}", f"{HERE}/{key_id}/rotate", {}))
        with stack.client(after) as fresh:
            assert statuses([fresh]) == {200}
        assert statuses(clients) == {200}
        assert admin.submit(f"{HERE}/{key_id}", f"{HERE}/{key_id}/revoke", {}).status_code == 303
        revoked_at = time.monotonic()
        wait_until(lambda: statuses(clients).isdisjoint({200}), SECONDS, "every refusal")
        assert time.monotonic() - revoked_at < SECONDS
        assert statuses(clients) <= {401, 403}
        with stack.client(after) as fresh:
            assert statuses([fresh]) <= {401, 403}
