"""The pages about trace destinations on both databases: health, headers that stay sealed, test spans, the switch."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from core.authoring import trace_destinations
from core.authoring.trace_destinations import NewTraceDestination
from core.clock import utcnow
from core.models import Organization, TraceDestination, span_queue
from tests.component.streamer.otlp_peer import otlp_peer
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of
from tests.component.webapp.pages.test_providers_pages import text_of
from tests.component.webapp.pages.world import form_token
from tests.statements import counted

HERE = "/settings/trace-destinations"
CANARY = "Bearer canary-of-traces"
pytestmark = pytest.mark.usefixtures("db")


def made(at: Desk, name: str, endpoint: str, *, is_operator: bool = False) -> TraceDestination:
    new = NewTraceDestination(
        name,
        "organization",
        at.actor.organization_id,
        endpoint,
        {"Authorization": CANARY},
        is_operator_address=is_operator,
    )
    sealer = at.app.extensions["control_plane"].sealer
    return trace_destinations.create(at.actor, new, sealer, utcnow())


def sent(at: Desk, path: str, form: dict[str, str]) -> TestResponse:
    """Send a form, in which one control is called as an argument of the desk's own way to send forms."""
    token = {"csrf_token": form_token(at.client)}
    return at.client.post(path, data=form | token, headers=DRAWER)


def headers_of(at: Desk, row: TraceDestination) -> dict[str, str]:
    again = TraceDestination.get_by_id(row.id)
    return trace_destinations.headers_of(again, at.app.extensions["control_plane"].sealer)


def test_the_list_tells_how_each_destination_does(tmp_path: Path) -> None:
    at = desk(tmp_path)
    now = utcnow()
    states = {
        "Fresh": {},
        "Works": {"last_sent_at": now, "sent_spans": 1204},
        "Fails": {
            "failures": 3,
            "last_error": "status 503: busy",
            "retry_at": now + timedelta(minutes=4, seconds=30),
        },
        "Partly": {"last_sent_at": now, "last_error": "too old", "dropped_spans": 2},
        "Off": {"is_enabled": False},
    }
    for name, values in states.items():
        row = made(at, name, f"https://{name.lower()}.test/v1/traces")
        if values:
            TraceDestination.update(**values).where(TraceDestination.id == row.id).execute()
        batch = {"destination_id": row.id, "inbox_id": 1, "payload": b"[]", "queued_at": now}
        span_queue.put([{**batch, "spans": 7}, {**batch, "inbox_id": 2, "spans": 4}])
    page = at.client.get(HERE)
    told = text_of(page.text)
    assert "3 failures in a row." in told and "status 503: busy" in told
    for word in ("Waiting for calls", "Working", "Failing", "Partly refused", "1,204 spans"):
        assert word in told, word
    assert "11 spans" in told and "2 spans dropped" in told and "fails.test" in told
    assert CANARY not in page.text
    with counted() as few:
        at.client.get(HERE)
    for number in range(6):
        made(at, f"More {number}", "https://more.test/v1/traces")
    with counted() as many:
        at.client.get(HERE)
    assert len(many.all()) == len(few.all())


def test_headers_are_kept_replaced_or_dropped_and_never_shown(tmp_path: Path) -> None:
    at = desk(tmp_path)
    form = {
        "applies_to": "organization",
        "name": "Ours",
        "endpoint": "https://otel.test/v1/traces",
        "headers": f"Authorization: {CANARY}",
        "is_enabled": "1",
    }
    for wrong in ({"headers": f"Authorization {CANARY}"}, {"endpoint": "ftp://x"}):
        refused = sent(at, HERE, form | wrong)
        assert refused.status_code == 422
        assert error_of(refused, next(iter(wrong)))
        assert CANARY not in refused.text
    assert sent(at, HERE, form).headers["HX-Redirect"] == HERE
    row = TraceDestination.get(TraceDestination.name == "Ours")
    path = f"{HERE}/{row.id}/edit"
    shown = at.client.get(path).text
    assert "Stored: Authorization" in shown and CANARY not in shown
    version = at.version(path)
    kept = {"name": "Ours", "endpoint": "https://otel.test/v2", "headers": "", "is_enabled": "1"}
    assert sent(at, path, kept | {"version": version}).headers["HX-Redirect"] == HERE
    assert headers_of(at, row) == {"Authorization": CANARY}
    stale = sent(at, path, kept | {"version": version, "name": "Mine"})
    assert stale.status_code == 409 and 'value="Mine"' in stale.text and "v2" in stale.text
    assert sent(at, path, kept | {"headers": "X-Key: new"}).headers["HX-Redirect"] == HERE
    assert headers_of(at, row) == {"X-Key": "new"}
    assert sent(at, path, kept | {"drop_headers": "1"}).headers["HX-Redirect"] == HERE
    assert headers_of(at, row) == {}
    at.post(f"{HERE}/{row.id}/archive")
    assert "sent nowhere yet" in at.client.get(HERE).text


def test_a_test_span_reaches_the_endpoint_or_it_is_said_why_not(tmp_path: Path) -> None:
    at = desk(tmp_path)
    with otlp_peer() as peer:
        row = made(at, "Here", peer.url, is_operator=True)
        path = f"{HERE}/{row.id}/test"
        assert "The endpoint took the span" not in at.client.get(path, headers=DRAWER).text
        answer = at.post(path, DRAWER)
        assert "The endpoint took the span." in answer.text
        assert [span.name for span in peer.spans] == ["langwatch.test"]
        assert peer.headers[0]["authorization"] == CANARY
        peer.answer_with(401, 404, 503)
        for sentence in ("does not accept the headers", "Nothing takes spans", "refuses the span"):
            answer = at.post(path, DRAWER)
            assert sentence in text_of(answer.text) and CANARY not in answer.text
        peer.rejects = 1
        assert "threw the span away" in at.post(path, DRAWER).text
        theirs = made(at, "Theirs", peer.url)
        refused = at.post(f"{HERE}/{theirs.id}/test", DRAWER)
        assert "may not be contacted" in refused.text
    assert "No answer came" in at.post(path, DRAWER).text
    assert TraceDestination.get_by_id(row.id).failures == 0


def test_prompts_and_answers_are_forbidden_for_every_key_by_one_switch(tmp_path: Path) -> None:
    at = desk(tmp_path)
    assert at.post(f"{HERE}/capture", DRAWER, allowed="0").headers["HX-Redirect"] == HERE
    assert not Organization.get_by_id(at.actor.organization_id).is_capture_allowed
    assert "Kept by no key" in at.client.get(HERE).text
    at.post(f"{HERE}/capture", allowed="1")
    assert Organization.get_by_id(at.actor.organization_id).is_capture_allowed
    dan = at.browser("dan@acme.test")
    seen = dan.get(HERE)
    assert seen.status_code == 200 and "Add destination" not in seen.text
