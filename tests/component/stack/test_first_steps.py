"""As a new user: start, follow the one-time link, send the curl of the welcome page, see it arrive."""

import html
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.provider.handle import FakeProvider
from tests.stack import Stack, StackOptions, running, wait_until

# One worker runs them all, so that one stack is started.
pytestmark = pytest.mark.xdist_group("first steps")

ADMINISTRATOR = {"name": "Ada", "email": "ada@acme.test", "password": "a long enough password"}
ARRIVAL_SECONDS = 5.0


@pytest.fixture(scope="module")
def fresh(
    tmp_path_factory: pytest.TempPathFactory, provider_process: FakeProvider
) -> Iterator[Stack]:
    options = StackOptions(is_configured=False)
    with running(tmp_path_factory.mktemp("fresh"), provider_process, options) as stack:
        yield stack


def curl_of(page: str) -> list[str]:
    """The words of the first curl command that stands on a page."""
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    found = re.search(r"curl (?:[^\\\n]*\\\n)*[^\n]*", text)
    assert found is not None, text
    return shlex.split(found.group(0).replace("\\\n", " "))


def test_from_the_one_time_link_to_the_governance_home_within_five_seconds(fresh: Stack) -> None:
    ready, setup = fresh.events()[:2]
    assert set(ready) == {"event", "web", "gateway"}
    link = setup["setup_url"]
    page, token = link.removeprefix(fresh.web), httpx.URL(link).params["token"]
    with fresh.browser() as browser:
        created = browser.submit(page, "/setup", {**ADMINISTRATOR, "token": token})
        assert created.status_code == 303, created.text
        welcome = browser.get(created.headers["location"])
        command = curl_of(welcome.text)
        assert any(fresh.gateway in word for word in command)

        done = subprocess.run([*command, "-s"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and "choices" in done.stdout, done.stdout + done.stderr

        def arrived() -> bool:
            return ADMINISTRATOR["email"] in browser.get("/governance").text

        wait_until(arrived, ARRIVAL_SECONDS, "the first call on the governance home")
        (row,) = fresh.ledger()
        assert row["principal"] == ADMINISTRATOR["email"]
        assert row["provider_type"] == "sandbox" and row["outcome"] == "completed"
        assert browser.get(page).status_code == 404


def test_the_data_directory_and_its_secrets_are_the_owners_alone(fresh: Stack) -> None:
    assert fresh.data_dir.stat().st_mode & 0o777 == 0o700
    for name in ("master.key", "internal.secret"):
        assert (fresh.data_dir / name).stat().st_mode & 0o777 == 0o600


def test_no_secret_stands_in_a_command_line_and_the_gateway_has_no_master_key(
    fresh: Stack,
) -> None:
    secrets = [(fresh.data_dir / n).read_text().strip() for n in ("master.key", "internal.secret")]
    for pids in fresh.pids().values():
        for pid in pids:
            line = Path(f"/proc/{pid}/cmdline").read_text()
            assert not any(secret in line for secret in secrets)
    (gateway,) = fresh.pids()["gateway"]
    assert secrets[0] not in Path(f"/proc/{gateway}/environ").read_text()


def test_a_second_start_on_the_same_data_is_refused(fresh: Stack) -> None:
    result = fresh.command("up", "--web-port", "0", "--gateway-port", "0")
    assert result.returncode == 1
    assert "Another `langwatch up`" in result.stderr


def test_a_taken_port_is_named(fresh: Stack, tmp_path: Path, provider: FakeProvider) -> None:
    other = Stack(tmp_path, provider, StackOptions(is_configured=False))
    port = fresh.gateway.rpartition(":")[2]
    result = other.command("up", "--web-port", "0", "--gateway-port", port)
    assert result.returncode == 1
    assert f"The gateway can't listen on 127.0.0.1:{port}" in result.stderr
