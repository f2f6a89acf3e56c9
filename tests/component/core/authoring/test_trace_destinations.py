"""Trace destinations: validated, sealed, audited without secrets, announced to gateways."""

import pytest

from core import changes
from core.authoring import trace_destinations
from core.authoring.trace_destinations import NewTraceDestination, headers_of
from core.fault import Fault, Refused
from core.models import AuditRow, TraceDestination
from tests.component.core.authoring.acme import NOW, SEALER, Acme, acme

pytestmark = pytest.mark.usefixtures("db")
URL = "https://otel.example.test/v1/traces"
SECRET = "Bearer a-token-that-nobody-else-may-see"


def new(org: Acme, **changed: object) -> NewTraceDestination:
    values = {
        "name": "spans",
        "scope": "project",
        "scope_id": org.project.id,
        "endpoint": URL,
        "headers": {"Authorization": SECRET},
    }
    return NewTraceDestination(**(values | changed))  # type: ignore[arg-type]


def test_headers_are_sealed_and_appear_in_no_audit_row() -> None:
    org = acme()
    row = trace_destinations.create(org.actor, new(org), SEALER, NOW)
    stored = TraceDestination.get_by_id(row.id)
    assert SECRET not in stored.sealed_headers
    assert headers_of(stored, SEALER) == {"Authorization": SECRET}
    assert stored.header_names == ["Authorization"]
    wanted = new(org, name="renamed", headers={"Authorization": "Bearer another"})
    assert trace_destinations.differences(row, wanted, SEALER) == ["name", "headers"]
    trace_destinations.update(org.actor, row.id, wanted, SEALER, NOW)
    trace_destinations.archive(org.actor, row.id, NOW)
    text = "".join(f"{a.before} {a.after}" for a in AuditRow.select())
    assert "Bearer" not in text
    assert "enc:v1" not in text
    actions = [a.action for a in AuditRow.select() if a.target_kind == "trace_destination"]
    assert actions == [
        f"gateway.trace_destination.{verb}" for verb in ("created", "updated", "deleted")
    ]
    kinds = [event.kind for event in changes.since(0)]
    assert kinds.count("TRACE_DESTINATION_UPDATED") == 3


def test_wanting_what_is_there_changes_nothing() -> None:
    org = acme()
    row = trace_destinations.create(org.actor, new(org), SEALER, NOW)
    revision = changes.current_revision()
    trace_destinations.update(org.actor, row.id, new(org), SEALER, NOW)
    trace_destinations.update(org.actor, row.id, new(org, headers=None), SEALER, NOW)
    assert changes.current_revision() == revision


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": " "}, "name"),
        ({"endpoint": "ftp://x"}, "endpoint"),
        ({"endpoint": "https://user:pw@x/v1/traces"}, "endpoint"),
        ({"scope": "planet"}, "scope"),
        ({"scope_id": "nothing"}, "scope_id"),
        ({"headers": {"Bad Name": "x"}}, "headers"),
        ({"headers": {"X": "a\r\nY: b"}}, "headers"),
        ({"headers": {"Content-Length": "1"}}, "headers"),
        ({"headers": {"host": "elsewhere"}}, "headers"),
        ({"headers": {f"X-{n}": "v" for n in range(21)}}, "headers"),
    ],
)
def test_what_is_wrong_is_said_by_field(changed, field) -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        trace_destinations.create(org.actor, new(org, **changed), SEALER, NOW)
    assert set(caught.value.facts["errors"]) == {field}


def test_names_are_unique_scopes_stay_and_strangers_find_nothing() -> None:
    org, other = acme(), acme("other")
    row = trace_destinations.create(org.actor, new(org), SEALER, NOW)
    with pytest.raises(Refused) as caught:
        trace_destinations.create(org.actor, new(org), SEALER, NOW)
    assert set(caught.value.facts["errors"]) == {"name"}
    moved = new(org, scope="organization", scope_id=org.organization.id)
    with pytest.raises(Refused) as caught:
        trace_destinations.update(org.actor, row.id, moved, SEALER, NOW)
    assert set(caught.value.facts["errors"]) == {"scope"}
    for act in (
        lambda: trace_destinations.archive(other.actor, row.id, NOW),
        lambda: trace_destinations.update(other.actor, row.id, new(other), SEALER, NOW),
    ):
        with pytest.raises(Refused) as caught:
            act()
        assert caught.value.fault is Fault.NOT_FOUND
    with pytest.raises(Refused) as caught:
        trace_destinations.create(other.actor, new(org), SEALER, NOW)
    assert set(caught.value.facts["errors"]) == {"scope_id"}
