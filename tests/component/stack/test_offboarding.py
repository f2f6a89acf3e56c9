"""Off-boarding in the directory: virtual key, API key and browser session are refused within two seconds."""

import re
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from core.audit import verify
from core.models import AuditRow, VirtualKey
from tests.component.stack.traffic import chat
from tests.provider.handle import FakeProvider
from tests.stack import Browser, Stack, running, wait_until
from tests.stack_config import CI_KEY, DEV_KEY

SECONDS = 2.0
DEV = "dev@acme.test"
NEW_LOGIN = "correct horse battery two"
_SHOWN = re.compile(r'<pre id="shown-once"[^>]*>([^<]+)</pre>')


def shown(answer: httpx.Response) -> str:
    found = _SHOWN.search(answer.text)
    assert found, answer.text
    return found[1]


def session_of_dev(stack: Stack, admin: Browser) -> Browser:
    """Give the developer a password by a link, as an administrator does, and sign in."""
    row = re.search(
        r'/settings/members/(user_\w+)/edit"[^>]*title="Edit Dan"',
        admin.get("/settings/members").text,
    )
    assert row
    path = f"/settings/members/{row[1]}/password-link"
    link = shown(admin.submit("/settings/members", path, {}))
    page = "/password?" + link.partition("?")[2]
    browser = stack.browser()
    form = {"token": link.partition("token=")[2], "password": NEW_LOGIN}
    assert browser.submit(page, "/password", form).status_code == 303
    form = {"email": DEV, "password": NEW_LOGIN}
    assert browser.submit("/sign-in", "/sign-in", form).status_code == 303
    return browser


def call(stack: Stack, key: str) -> int:
    with stack.client(key) as client:
        return client.post("/v1/chat/completions", json=chat()).status_code


def test_whoever_the_directory_shuts_out_is_refused_everywhere_within_two_seconds(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with running(tmp_path, provider) as stack, ExitStack() as browsers:
        admin = browsers.enter_context(stack.admin_session())
        token = shown(admin.submit("/settings/sign-in", "/settings/sign-in/directory-token", {}))
        dev = browsers.enter_context(session_of_dev(stack, admin))
        form = {"name": "ci", "permission_mode": "all"}
        secret = shown(dev.submit("/me/api-keys/new", "/me/api-keys", form))
        state, bearer = "/api/governance/setup-state", {"Authorization": f"Bearer {secret}"}
        stranger = browsers.enter_context(stack.browser())
        assert dev.get("/me/settings").status_code == 200
        assert stranger.get(state, headers=bearer).status_code == 403
        assert call(stack, DEV_KEY) == call(stack, CI_KEY) == 200
        headers = {"Authorization": f"Bearer {token}"}
        found = stranger.get(f'/scim/v2/Users?filter=userName eq "{DEV}"', headers=headers).json()
        path = f"/scim/v2/Users/{found['Resources'][0]['id']}"
        patch = {"Operations": [{"op": "replace", "path": "active", "value": False}]}
        answer = stranger.http.patch(path, json=patch, headers=headers)
        shut_out_at = time.monotonic()
        assert answer.status_code == 200 and answer.json()["active"] is False, answer.text
        assert dev.get("/me/settings").status_code == 303
        assert stranger.get(state, headers=bearer).status_code == 401
        wait_until(lambda: call(stack, DEV_KEY) in (401, 403), SECONDS, "the key's refusal")
        assert time.monotonic() - shut_out_at < SECONDS
        assert call(stack, CI_KEY) == 200
        with stack.database():
            key = VirtualKey.get(VirtualKey.name == "dev-cli")
            (told,) = AuditRow.select().where(AuditRow.action == "user.deactivated")
            assert (told.actor_id, told.target_id) == ("scim", key.principal_user_id)
            assert told.after["virtual_keys_revoked"] == [key.id]
            assert len(told.after["api_keys_revoked"]) == 1
            assert verify(told.organization_id) is None
        trail = f"/settings/audit-log?targetKind=user&targetId={told.target_id}"
        page = admin.get(trail).text
        assert "user.deactivated" in page and "<code>gateway.virtual_key.revoked<" not in page
