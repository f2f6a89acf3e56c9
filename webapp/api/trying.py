"""Trying things before they hold: would a request pass, what does a pattern or a guardrail find. It saves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from core import audit
from core.authoring import trace_destinations
from core.authoring.validation import invalid
from rules.apis import Api
from rules.guardrails.types import ACTIONS, EVALUATOR, TYPES, guard_of
from webapp.api.endpoint import Body, Call, Routes
from webapp.api.shared import GATEWAY, GOVERNANCE, MANAGE
from webapp.page_models.guardrails import SAMPLE_CHARACTERS, found_in
from webapp.page_models.policy_tests import (
    BLOCKED,
    MOST_BODY_CHARACTERS,
    MOST_SAMPLES,
    REPORTED,
    pattern_tested,
)
from webapp.queries.tested_keys import named_key, setup_of_everybody, setup_of_key
from webapp.trials import try_trace_destination
from webapp.would_pass import Asked, steps_of

TRYING = Routes("Trying", GATEWAY)


class TriedRequest(Body, kw_only=True):
    """A request as a tool would send it; ``model`` is for an API whose requests name it in their path.

    ``key`` is a virtual key's id, its name or its shown beginning; empty asks what holds for every key.
    """

    body: Annotated[str, msgspec.Meta(max_length=MOST_BODY_CHARACTERS)]
    api: Api = Api.CHAT
    model: str = ""
    key: str = ""


class StepOut(msgspec.Struct, kw_only=True):
    """What one step of the gateway would say."""

    title: str
    outcome: str
    """passes, blocked, reported or told."""
    word: str
    lines: list[str]


class Verdict(msgspec.Struct, kw_only=True):
    """Whether a request would pass, and what each step would say."""

    passes: bool
    blocked_by: str | None
    steps: list[StepOut]


_OUTCOMES: Mapping[str, str] = {"positive": "passes", BLOCKED: "blocked", REPORTED: "reported"}


@TRYING.post("/policy-tests/request", "routingPolicies:view")
def test_request(call: Call, body: TriedRequest) -> Verdict:
    """Say whether a request would pass, by the code that decides in the gateway."""
    who = call.viewer
    key = None
    if body.key:
        personal_of = None if who.may("virtualKeys:viewOtherPersonal") else who.user_id
        may_look = who.may("virtualKeys:view")
        key = named_key(who.organization_id, body.key, personal_of) if may_look else None
        if key is None:
            raise invalid({"key": "There is no such virtual key."})
    setup = setup_of_everybody(who.organization_id) if key is None else setup_of_key(key)
    asked = Asked(body.api, body.body.encode("utf-8", "replace"), body.model)
    steps = steps_of(setup, asked, call.now, with_budgets=who.may("gatewayBudgets:view"))
    blocking = next((step.title for step in steps if step.tone == BLOCKED), None)
    told = [
        StepOut(
            title=step.title,
            outcome=_OUTCOMES.get(step.tone, "told"),
            word=step.word,
            lines=list(step.lines),
        )
        for step in steps
    ]
    return Verdict(passes=blocking is None, blocked_by=blocking, steps=told)


class TriedPattern(Body, kw_only=True):
    """A pattern, and values to hold it against."""

    pattern: str
    values: Annotated[list[str], msgspec.Meta(max_length=MOST_SAMPLES)]


class Matched(msgspec.Struct, kw_only=True):
    """Which of the values a pattern matches, by the code that applies policy rules."""

    matches: list[str]
    others: list[str]


@TRYING.post("/policy-tests/pattern", "routingPolicies:view")
def test_pattern(call: Call, body: TriedPattern) -> Matched:
    """Say which values a pattern matches."""
    tested = pattern_tested(body.pattern, body.values)
    if tested.error:
        raise invalid({"pattern": tested.error})
    return Matched(
        matches=[one.value for one in tested.samples if one.is_match],
        others=[one.value for one in tested.samples if not one.is_match],
    )


class TriedGuardrail(Body, kw_only=True):
    """A guardrail that need not be saved, and a text."""

    type: str
    text: Annotated[str, msgspec.Meta(max_length=SAMPLE_CHARACTERS)]
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    action: str = "block"


class Piece(msgspec.Struct, kw_only=True):
    """A part of the text, and what it was found to be; empty for nothing."""

    text: str
    label: str


class FoundOut(msgspec.Struct, kw_only=True):
    """What a guardrail finds in a text, and what would become of the call."""

    labels: list[str]
    pieces: list[Piece]
    outcome: str


@TRYING.post("/guardrails/try", "gatewayGuardrails:view", anywhere=True)
def try_guardrail(call: Call, body: TriedGuardrail) -> FoundOut:
    """Look for what a guardrail finds in a text; an evaluator is asked by the gateway alone."""
    if body.type not in TYPES or body.type == EVALUATOR:
        others = ", ".join(name for name in TYPES if name != EVALUATOR)
        raise invalid({"type": f"Choose one of {others}."})
    if body.action not in ACTIONS:
        raise invalid({"action": f"Choose one of {', '.join(ACTIONS)}."})
    try:
        guard = guard_of(
            {
                "id": "",
                "name": "",
                "type": body.type,
                "settings": body.settings,
                "action": body.action,
                "on_failure": "fail_closed",
            }
        )
    except ValueError as error:
        raise invalid({"settings": str(error)}) from None
    found = found_in(guard, body.text)
    return FoundOut(
        labels=list(found.labels),
        pieces=[Piece(text=text, label=label) for text, label in found.pieces],
        outcome=found.outcome,
    )


class TraceTrial(msgspec.Struct, kw_only=True):
    """What sending a test span came to."""

    is_ok: bool
    sentence: str
    said: str
    status: int | None
    duration_ms: int


@TRYING.post("/trace-destinations/<trace_destination_id>/test", MANAGE)
def test_trace_destination(call: Call, trace_destination_id: str) -> TraceTrial:
    """Send a test span to a destination."""
    row = trace_destinations.find(call.organization_id, trace_destination_id)
    tried = try_trace_destination(row, call.plane, call.now)
    return TraceTrial(
        is_ok=tried.is_ok,
        sentence=tried.sentence,
        said=tried.said,
        status=tried.status,
        duration_ms=tried.milliseconds,
    )


class Chain(msgspec.Struct, kw_only=True):
    """What checking the audit log's chain found; kept elsewhere, ``head`` proves its end as well."""

    is_intact: bool
    rows: int
    head: str
    broken_row_id: int | None
    reason: str


AUDIT_CHECK = Routes("Audit log", f"{GOVERNANCE}/audit-log")


@AUDIT_CHECK.post("/verify", "auditLog:view")
def verify_audit_log(call: Call) -> Chain:
    """Check that nobody altered, added or removed a row of the audit log."""
    checked = audit.walk(call.organization_id)
    broken = checked.broken
    return Chain(
        is_intact=broken is None,
        rows=checked.rows,
        head=checked.head,
        broken_row_id=None if broken is None else broken.row_id,
        reason="" if broken is None else broken.reason,
    )
