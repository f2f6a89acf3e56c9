"""What pages say, worked out from plain values: health of a source, state of a job, the sentence of a rule."""

from datetime import UTC, datetime, timedelta

import pytest

from core.models import IngestionSource, JobHeartbeat
from webapp.page_models import anomaly_rules, jobs
from webapp.page_models.governance import View
from webapp.page_models.shell import Shell
from webapp.page_models.source_types import CHOICES, endpoint_of, first_command
from webapp.page_models.sources_health import health_of

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({}, "Awaiting first event"),
        ({"last_event_at": NOW, "status": "active"}, "Active"),
        ({"last_event_at": NOW - timedelta(hours=25), "status": "active"}, "Stale"),
        ({"last_event_at": NOW, "status": "active", "error_count": 1}, "Degraded"),
        ({"last_event_at": NOW, "status": "active", "error_count": 3}, "Down"),
        ({"last_event_at": NOW - timedelta(days=8), "status": "active"}, "Down"),
        ({"last_event_at": NOW, "status": "disabled"}, "Disabled"),
        ({"last_event_at": NOW, "status": "disabled", "archived_at": NOW}, "Archived"),
    ],
)
def test_a_source_is_as_healthy_as_its_errors_and_its_last_event(
    fields: dict[str, object], label: str
) -> None:
    assert health_of(IngestionSource(**fields), NOW).label == label


@pytest.mark.parametrize(
    ("outcome", "ago", "label"),
    [
        ("ok", timedelta(seconds=90), "On time"),
        ("running", timedelta(seconds=5), "Running"),
        ("failed", timedelta(seconds=5), "Failed"),
        ("ok", timedelta(seconds=211), "Late"),
        ("running", timedelta(minutes=9), "Late"),
    ],
)
def test_a_job_is_late_after_three_of_its_intervals(
    outcome: str, ago: timedelta, label: str
) -> None:
    beat = JobHeartbeat(name="x", interval_seconds=60, outcome=outcome, last_started_at=NOW - ago)
    assert jobs.row_of(beat, NOW).label == label


def test_a_rule_reads_as_a_sentence_and_says_what_is_missing() -> None:
    threshold = {"windowSec": 5400, "ratioVsBaseline": 2.0, "minBaselineUsd": 1}
    said = anomaly_rules.sentence(threshold, "Source agents")
    assert "spend of source agents within 1 h 30 min reaches 2 times" in said
    assert "at least $1.00" in said
    for name in threshold:
        rest = {key: value for key, value in threshold.items() if key != name}
        assert name in anomaly_rules.sentence(rest, "")


@pytest.mark.parametrize("typed", ["", "x", "nan", "inf"])
def test_a_threshold_needs_finite_numbers(typed: str) -> None:
    with pytest.raises(ValueError, match="ratio must be a number"):
        anomaly_rules.threshold_of(anomaly_rules.DEFAULTS | {"ratio": typed})


def test_a_view_keeps_what_it_knows_and_turns_the_order_on_the_second_press() -> None:
    view = View.read({"group": "model", "sort": "requests", "dir": "desc", "other": "x"})
    assert view == View("model", "requests", True)
    assert View.read({"group": "planet", "sort": "'; --", "dir": "?"}) == View()
    assert view.sort_query("requests").endswith("sort=requests&dir=asc")
    assert view.sort_query("spend").endswith("sort=spend&dir=desc")
    assert (view.direction("requests"), view.direction("spend")) == ("descending", "")


def test_the_shown_command_carries_the_secret_and_the_moment() -> None:
    command = first_command("otel_generic", "http://h/api/ingest/otel/src_1", "lw_is_x", NOW)
    assert "Authorization: Bearer lw_is_x" in command
    assert f'"startTimeUnixNano": "{int(NOW.timestamp())}000000000"' in command


def test_a_webhook_source_is_told_the_webhook_address_and_a_webhook_body() -> None:
    endpoint = endpoint_of("http://h/", "src_1", "workato")
    assert endpoint == "http://h/api/ingest/webhook/src_1"
    command = first_command("workato", endpoint, "lw_is_x", NOW)
    assert endpoint in command and '"event":' in command and '"actor":' in command
    assert "resourceSpans" not in command
    assert endpoint_of("http://h", "src_1", "claude_cowork") == "http://h/api/ingest/otel/src_1"


@pytest.mark.parametrize(
    ("source_type", "typed", "is_right"),
    [
        ("otel_generic", "", True),
        ("claude_cowork", "", False),
        ("claude_cowork", "wsp_1", True),
        ("workato", "", False),
        ("workato", "abc", False),
        ("workato", "abcd", True),
    ],
)
def test_the_field_of_a_type_is_checked(source_type: str, typed: str, is_right: bool) -> None:
    assert (CHOICES[source_type].complaint(typed) == "") is is_right


def test_the_navigation_shows_what_may_be_opened_and_govern_only_behind_its_gate() -> None:
    def shell(*permissions: str, governs: bool) -> list[tuple[str, str]]:
        frame = Shell("Acme", "Ada", "a@b", governs, permissions.__contains__, "t")
        return [(section.caption, e.label) for section in frame.sections() for e in section.entries]

    everything = ("governance:view", "organization:manage")
    people, own = ("Organization", "People"), ("Personal", "My workspace")
    assert shell(*everything, governs=True) == [
        own,
        ("Observe", "Jobs"),
        ("Govern", "Governance"),
        people,
    ]
    assert shell(*everything, governs=False) == [own, ("Observe", "Jobs"), people]
    assert shell("organization:view", governs=True) == [
        own,
        ("AI Gateway", "Trace destinations"),
        ("Organization", "Organization"),
        ("Settings", "Privacy"),
    ]
    assert Shell.signed_out("t").sections() == ()


def test_the_gateway_has_a_section_and_tabs_of_its_own_behind_its_flag() -> None:
    def frame(*, has_gateway: bool) -> Shell:
        person = ("Acme", "Ada", "a@b", False, lambda _: True, "t", "/sign-out")
        return Shell(*person, lambda _: True, lambda _: True, has_gateway)

    shown, hidden = frame(has_gateway=True), frame(has_gateway=False)
    pills = {section.caption: section.pill for section in shown.sections()}
    assert pills["AI Gateway"] == "Beta"
    assert "AI Gateway" not in [section.caption for section in hidden.sections()]
    path = "/settings/providers"
    assert "Guardrails" in [label for label, _, _ in shown.settings_tabs(path)]
    assert ("Providers", path, True) in hidden.settings_tabs(path)
    assert "Members" in [label for label, _, _ in hidden.settings_tabs(path)]


def test_an_entry_is_marked_on_its_pages_and_no_others() -> None:
    frame = Shell("Acme", "Ada", "a@b", True, lambda _: True, "t")
    entry = next(s for s in frame.sections() if s.caption == "Govern").entries[0]
    paths = (
        "/governance",
        "/governance/anomalies/x",
        "/settings/governance/anomaly-rules",
        "/settings/jobs",
        "/governances",
    )
    assert [entry.is_current(path) for path in paths] == [True, True, True, False, False]
