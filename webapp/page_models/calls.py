"""What the page of one call shows, as plain values. It looks nothing up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from core.models import CapturedContent, LedgerRow
from webapp.filters import call_cost, compact, stamp

HERE = "/gateway/calls"
_TONES = {
    "completed": "positive",
    "admitted": "info",
    "cancelled": "",
    "refused": "critical",
    "failed": "critical",
}
_VERDICTS = {"pass": "positive", "block": "critical", "modify": "warning"}
_MODES = {
    "redacted": "Credentials and personal data are taken out, as the key and the rules say.",
    "raw": "As it was sent and answered, but for what privacy rules take out.",
    "metadata": "It could not be kept safely, so only its metadata were.",
}
_SIDES = (("system", "System instructions"), ("input", "Asked"), ("output", "Answered"))
_PARTS = {"reasoning": "Reasoning", "tool_call": "Tool call", "tool_call_response": "Tool result"}
_DIRECTIONS = {"request": "request", "response": "answer", "stream_chunk": "stream"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message: a text, or code under a label."""

    text: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One message."""

    role: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """What one provider or one check had to say: a badge with its tone, a name, a note."""

    badge: str
    tone: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CallPage:
    """One call, from its facts to its words."""

    title: str
    call_id: str
    outcome: str
    tone: str
    stats: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str], ...]
    attempts: tuple[Line, ...]
    checks: tuple[Line, ...]
    key: tuple[str, str]
    """Path and name of its virtual key; the path is empty where it does not open for the viewer."""
    sides: tuple[tuple[str, tuple[Said, ...]], ...]
    """What was said, by side; empty when nothing was kept."""
    kept: str
    """What was kept, or why nothing was, in a sentence."""
    is_cut: bool
    hidden: str
    """What privacy rules hide from the viewer, in words."""
    looks_at: str
    """The name of another person whose call it is, or an empty string."""
    back: tuple[str, str]
    now: datetime


def outcome_of(row: LedgerRow) -> tuple[str, str]:
    """Return how a call ended as a word, and its tone."""
    word = "Under way" if row.outcome == "admitted" else row.outcome.capitalize()
    return word, _TONES.get(row.outcome, "warning")


def stats_of(row: LedgerRow) -> tuple[tuple[str, str, str], ...]:
    """Return what a call cost, read and took, each with a note."""
    cached = row.cache_read_tokens
    first = "" if row.first_byte_ms is None else f"First byte after {_seconds(row.first_byte_ms)}"
    priced = "Estimated" if row.is_estimated else "From the provider's own count"
    of_cache = f"{compact(cached)} of them from the provider's cache" if cached else ""
    return (
        ("Cost", call_cost(row.cost_nanousd), priced if row.cost_nanousd else ""),
        ("Tokens in", compact(read_tokens(row)), of_cache),
        ("Tokens out", compact(row.output_tokens), ""),
        ("Took", took(row), first),
    )


def read_tokens(row: LedgerRow) -> int:
    """Return how many tokens a model read, fresh ones and those of its cache."""
    cached = row.cache_read_tokens + row.cache_write_tokens + row.cache_write_1h_tokens
    return int(row.input_tokens + cached)


def took(row: LedgerRow) -> str:
    """Return how long a call took, in words."""
    return "–" if row.duration_ms is None else _seconds(row.duration_ms)


def facts_of(
    row: LedgerRow, facts: Mapping[str, Any], names: Mapping[str, str], project: str
) -> tuple[tuple[str, str], ...]:
    """Return the facts of a call as label and value; those that are not known are left out."""
    status = "" if row.status is None else str(row.status)
    served = f"{row.model} at {names.get(row.provider_id or '', row.provider_type)}"
    pairs = (
        ("Request id", row.call_id),
        ("Began", stamp(row.admitted_at)),
        ("Person", names.get(row.principal_user_id or "", "")),
        ("Project", project),
        ("Kind", row.request_type.replace("_", " ") + (", streamed" if row.is_streamed else "")),
        ("Asked for", row.requested_model),
        ("Served by", served if row.model and row.provider_id else ""),
        ("Status", f"{status} {row.code}".strip()),
        ("Finished because", ", ".join(map(str, facts.get("finish_reasons") or ()))),
        ("Response cache", "Answered from it" if facts.get("response_cache") == "hit" else ""),
        ("Not sent on", ", ".join(map(str, facts.get("dropped") or ()))),
        ("End user", str(facts.get("end_user") or "")),
        ("Thread", str(facts.get("thread_id") or "")),
        ("Session", row.session_id),
        ("Trace", row.trace_id),
        ("Metadata", str(facts.get("metadata") or "")),
    )
    return tuple((label, value) for label, value in pairs if value)


def attempts_of(
    row: LedgerRow, facts: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[Line, ...]:
    """Return the providers that were tried, in order; a call whose key has but one for its model was tried there."""
    only = {
        "provider_id": row.provider_id,
        "model": row.model,
        "outcome": "success" if row.outcome == "completed" else row.outcome,
        "status": row.status,
        "ms": row.duration_ms,
    }
    lines = []
    for each in facts.get("attempts") or ([only] if row.provider_id else []):
        outcome = str(each.get("outcome"))
        tone = "positive" if outcome.endswith("success") else "warning"
        status = "" if each.get("status") is None else f"status {each['status']}, "
        note = f"{each.get('model')}, {status}{_seconds(int(each.get('ms') or 0))}"
        name = names.get(str(each.get("provider_id")), "A provider that is gone")
        lines.append(Line(outcome.replace("_", " ").capitalize(), tone, name, note))
    return tuple(lines)


def checks_of(facts: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Line, ...]:
    """Return what guardrails, policies and budgets had to say."""
    lines = [
        Line(
            str(each.get("verdict")).replace("_", " ").capitalize(),
            _VERDICTS.get(str(each.get("verdict")), "warning"),
            names.get(str(each.get("id")), "A guardrail that is gone"),
            f"Guardrail on the {_DIRECTIONS.get(str(each.get('direction')), 'call')}",
        )
        for each in facts.get("guardrails") or ()
    ]
    for name, badge, tone in (
        ("policy_blocked", "Blocked", "critical"),
        ("policy_shadow", "Would block", "warning"),
    ):
        lines += [
            Line(badge, tone, str(each.get("value")), f"Policy on {each.get('dimension')}")
            for each in facts.get(name) or ()
        ]
    warned = [Line("Warned", "warning", str(each)) for each in facts.get("budget_warnings") or ()]
    breached = facts.get("breached_scope")
    return (
        *lines,
        *warned,
        *([Line("Blocked", "critical", f"Budget {breached}")] if breached else ()),
    )


def sides_of(texts: Mapping[str, str]) -> tuple[tuple[str, tuple[Said, ...]], ...]:
    """Return what was kept, by side, from JSON texts in OpenTelemetry's form for messages."""
    found = ((label, _messages(texts.get(side) or "", side)) for side, label in _SIDES)
    return tuple((label, said) for label, said in found if said)


def kept_words(content: CapturedContent | None, noted: str) -> str:
    """Return what was kept of a call, or why nothing was; ``noted`` is the capture that its ledger row names."""
    if content is not None:
        return _MODES.get(content.mode, "")
    if noted in ("redacted", "raw"):
        return "What was kept of it has not arrived yet, or was let go by retention."
    return "Nothing of it was kept: capture is off for its key, or was when it was made."


def _messages(text: str, side: str) -> tuple[Said, ...]:
    if not text:
        return ()
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return (Said("", (Part(text),)),)
    if side == "system":
        return (Said("", _parts(found)),) if found else ()
    return tuple(
        Said(str(each.get("role") or ""), _parts(each.get("parts") or ()))
        for each in found
        if isinstance(each, dict)
    )


def _parts(parts: Sequence[Any]) -> tuple[Part, ...]:
    return tuple(_part(each) for each in parts if isinstance(each, dict))


def _part(part: Mapping[str, Any]) -> Part:
    kind = str(part.get("type") or "")
    label = _PARTS.get(kind, "")
    if kind == "tool_call":
        return Part(_code(part.get("arguments")), f"{label}: {part.get('name') or ''}")
    if kind == "tool_call_response":
        return Part(_result(part.get("result")), label)
    if "content" in part:
        return Part(str(part["content"]), label)
    rest = {name: value for name, value in part.items() if name != "type"}
    return Part(_code(rest) if rest else "", kind.replace("_", " ").capitalize())


def _result(value: Any) -> str:
    """A tool's result is a list of parts, most often texts."""
    if isinstance(value, list) and all(isinstance(e, dict) and "content" in e for e in value):
        return "\n".join(str(each["content"]) for each in value)
    return _code(value)


def _code(value: Any) -> str:
    if isinstance(value, str):
        try:
            value = orjson.loads(words := value)
        except orjson.JSONDecodeError:
            return words
    text: str = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return text


def _seconds(ms: int) -> str:
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
