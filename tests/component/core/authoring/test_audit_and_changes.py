"""The audit chain finds what was altered; the change feed shows revisions in order. On both databases."""

import threading
from datetime import timedelta

import pytest
from peewee import fn

from core import audit, changes
from core.authoring import teams
from core.authoring.actor import Actor
from core.authoring.record import change
from core.changes import Change, ChangeKind
from core.database import connection
from core.fault import Refused
from core.models import AuditRow, ChangeEvent, Team
from tests.component.core.authoring.acme import NOW, acme

pytestmark = pytest.mark.usefixtures("db")
WRITERS = 6
CHANGES_EACH = 8


def test_a_chain_of_real_changes_holds() -> None:
    one, other = acme(), acme("globex")
    assert audit.verify(one.organization.id) is None
    assert audit.verify(other.organization.id) is None
    mine = AuditRow.organization_id == one.organization.id
    rows = list(AuditRow.select().where(mine).order_by(AuditRow.id))
    assert rows[0].previous_hash == audit.GENESIS_HASH
    assert [r.previous_hash for r in rows[1:]] == [r.hash for r in rows[:-1]]
    assert {row.action for row in rows} >= {"organization.created", "gateway.provider.created"}


@pytest.mark.parametrize(
    "altered",
    [
        {"actor_id": "someone else"},
        {"after": {"role": "external"}},
        {"before": {}},
        {"created_at": NOW + timedelta(microseconds=1)},
        {"hash": "0" * 64},
    ],
)
def test_finds_an_altered_row(altered: dict[str, object]) -> None:
    org = acme()
    row = AuditRow.select().where(AuditRow.action == "user.created").get()
    AuditRow.update(**altered).where(AuditRow.id == row.id).execute()
    broken = audit.verify(org.organization.id)
    assert broken is not None
    assert broken.row_id == row.id


def test_finds_a_removed_row_and_one_that_was_moved_in() -> None:
    org, other = acme(), acme("globex")
    second = AuditRow.select().order_by(AuditRow.id).offset(1).get()
    AuditRow.delete().where(AuditRow.id == second.id).execute()
    assert audit.verify(org.organization.id) is not None
    foreign = AuditRow.select().where(AuditRow.organization_id == other.organization.id)
    last = foreign.order_by(AuditRow.id.desc()).get()
    AuditRow.update(organization_id=org.organization.id).where(AuditRow.id == last.id).execute()
    assert audit.verify(other.organization.id) is None
    assert audit.verify(org.organization.id) is not None


def test_a_refused_change_leaves_nothing_behind() -> None:
    org = acme()
    rows, revision = AuditRow.select().count(), changes.current_revision()
    with pytest.raises(Refused), change():
        teams.create(org.actor, "Second", "second", NOW)
        teams.create(org.actor, "Third", "second", NOW)
    assert Team.select().where(Team.slug == "second").count() == 0
    assert AuditRow.select().count() == rows
    assert changes.current_revision() == revision


def test_writers_side_by_side_keep_chain_and_feed_in_order() -> None:
    org = acme()
    before = changes.current_revision()
    seen: list[int] = []
    stop = threading.Event()

    def follow() -> None:
        last = before
        while not stop.is_set() or changes.current_revision() > last:
            for event in changes.since(last):
                seen.append(event.revision)
                last = event.revision

    def write(index: int) -> None:
        actor = Actor(org.organization.id, f"writer-{index}", "cli")
        for number in range(CHANGES_EACH):
            with change():
                teams.create(actor, "A team", f"team-{index}-{number}", NOW)
                changes.append(Change(org.organization.id, ChangeKind.VK_CREATED), NOW)

    follower = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=(index,)) for index in range(WRITERS)]
    follower.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join(60)
    stop.set()
    follower.join(60)
    with connection():
        expected = [
            row.revision
            for row in ChangeEvent.select()
            .where(ChangeEvent.revision > before)
            .order_by(ChangeEvent.revision)
        ]
        assert Team.select(fn.COUNT(Team.id)).scalar() == 2 + WRITERS * CHANGES_EACH
    # A follower that reads on from what it has seen misses none: no revision appears behind it.
    assert seen == expected
    assert len(expected) == WRITERS * CHANGES_EACH
    assert audit.verify(org.organization.id) is None
