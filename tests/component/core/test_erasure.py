"""A person's data: handed out whole and without secrets, erased for good, and the sums that stay."""

import io
import zipfile
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from core import audit
from core.authoring import erasure, people, virtual_keys
from core.authoring.people import NewUser
from core.authoring.virtual_keys import NewVirtualKey
from core.fault import Refused
from core.lake import open_reader, open_writer
from core.models import AuditRow, CapturedContent, LedgerRow, User, VirtualKey
from core.person_export import FILE, write_zip
from core.secrets import Secret
from core.settings import Settings, load
from rules.activity_events import ActivityEvent
from streamer.erasing import erase_waiting
from tests.component.core.authoring.acme import NOW, PEPPER, Acme, acme

EMAIL, NAME, CANARY = "grace@acme.test", "Grace Hopper", "canary-of-grace-112358"
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def settings(tmp_path: Path, db: str) -> Settings:
    return load({"LANGWATCH_DATA_DIR": str(tmp_path / "var"), "DATABASE_URL": db})


def grace(org: Acme) -> User:
    """Make Grace, her key, two calls, what was captured of them, and events that name her."""
    user = people.create(org.actor, NewUser(EMAIL, NAME, "member", Secret("a long password")), NOW)
    new = NewVirtualKey("Grace's key", org.project.id, (org.openai.id,), user.id)
    key, _ = virtual_keys.create(org.actor, new, PEPPER, NOW)
    for call_id in ("call-1", "call-2"):
        LedgerRow.create(
            call_id=call_id, organization_id=org.organization.id, project_id=org.project.id,
            team_id=org.team.id, virtual_key_id=key.id, principal_user_id=user.id,
            request_type="chat", outcome="completed", admitted_at=NOW, cost_nanousd=7,
            facts={"end_user": CANARY, "alias": "fast"},
        )  # fmt: skip
    CapturedContent.create(
        call_id="call-1", organization_id=org.organization.id, project_id=org.project.id,
        virtual_key_id=key.id, mode="raw", input_messages=CANARY, captured_at=NOW,
    )  # fmt: skip
    return user


def events(org: Acme, user: User) -> list[ActivityEvent]:
    def event(event_id: str, **more: str) -> ActivityEvent:
        return ActivityEvent(
            event_id, org.organization.id, "otel_generic", "src", "api.call", NOW, NOW,
            cost_nanousd=7, raw_payload=f'{{"who": "{EMAIL.upper()}", "text": "hello"}}', **more,
        )  # fmt: skip

    return [
        event("e1", actor=EMAIL),
        event("e2", actor=NAME),
        event("e3", actor="bot", principal_user_id=user.id),
        event("e4", actor="other@acme.test"),
    ]


def test_everything_about_a_person_is_in_one_file_and_no_secret(settings: Settings) -> None:
    org = acme()
    user = grace(org)
    writer = open_writer(settings)
    writer.append(events(org, user), 1, NOW)
    writer.close()
    lake, buffer = open_reader(settings), io.BytesIO()
    counts = write_zip(buffer, lake, org.organization.id, user, NOW)
    lake.close()
    lines = zipfile.ZipFile(buffer).read(FILE).splitlines()
    found = [orjson.loads(line) for line in lines]
    kinds = {"account", "membership", "virtual_key", "ledger_row", "captured_content", "audit_row"}
    assert kinds <= counts.keys()
    assert (counts["ledger_row"], counts["captured_content"]) == (2, 1)
    assert {e["event_id"] for e in found if e["kind"] == "activity_event"} == {"e1", "e2", "e3"}
    hashes = (VirtualKey.get().secret_hash, user.password_hash)
    assert not any(each in buffer.getvalue().decode("latin-1") for each in hashes)
    text = b"".join(lines).decode()
    assert CANARY in text
    assert not any(each in text for each in hashes)


def test_an_erased_person_is_a_pseudonym_everywhere_and_sums_stay(settings: Settings) -> None:
    org = acme()
    user = grace(org)
    writer = open_writer(settings)
    try:
        writer.append(events(org, user), 1, NOW)
        writer.flush()
        row = erasure.erase(org.actor, user.id, "She asked us to.", PEPPER, NOW)
        assert erasure.erase(org.actor, user.id, "Again.", PEPPER, LATER).id == row.id
        found = erasure.erased_before(org.organization.id, EMAIL, PEPPER)
        assert found is not None
        assert found.id == row.id
        erased = User.get_by_id(user.id)
        assert (erased.email, erased.name) == (row.pseudonym, erasure.NAME)
        assert erased.password_hash is None
        assert VirtualKey.get().status == "revoked"
        assert CapturedContent.select().count() == 0
        done = erase_waiting(writer, LATER)
        assert done == {"people": 1, "calls": 2, "events": 3}
        assert erase_waiting(writer, LATER) == {}
        run = writer._connection.execute
        everything = repr(run("SELECT * FROM lake.gateway_activity_events").fetchall())
        everything += repr(run("SELECT * FROM lake.rollup_hour").fetchall())
        assert EMAIL not in everything.lower()
        assert NAME not in everything
        assert everything.count(row.pseudonym) >= 3
        assert "other@acme.test" in everything
        assert run("SELECT sum(cost_nanousd) FROM lake.rollup_hour").fetchone() == (28,)
        # Files that only snapshots before it need are cleared away once those are an hour old.
        writer.tidy(LATER + timedelta(days=36500))
        for file in Path(settings.data_dir).rglob("*.parquet"):
            held = run(f"SELECT * FROM read_parquet('{file}')").fetchall()
            assert EMAIL not in repr(held).lower(), file
    finally:
        writer.close()
    ledger = list(LedgerRow.select())
    assert [(r.cost_nanousd, r.facts, r.principal_user_id) for r in ledger] == [
        (7, {"alias": "fast"}, user.id)
    ] * 2
    entry = AuditRow.get(AuditRow.action == "user.erased")
    assert (entry.after["reason"], entry.after["captured_content"]) == ("She asked us to.", 1)
    assert EMAIL not in repr(entry.after)
    assert audit.verify(org.organization.id) is None


@pytest.mark.usefixtures("sqlite_db")
def test_the_last_administrator_stays_and_a_reason_is_asked_for() -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        erasure.erase(org.actor, org.ada.id, "No.", PEPPER, NOW)
    assert "administrator" in str(caught.value.facts["errors"])
    assert User.get_by_id(org.ada.id).name == "Ada"
    other = people.create(org.actor, NewUser("b@acme.test", "B", "member"), NOW)
    with pytest.raises(Refused) as caught:
        erasure.erase(org.actor, other.id, " ", PEPPER, NOW)
    assert "reason" in caught.value.facts["errors"]
