"""Finds one call for somebody: its ledger row, its key, and what was kept of it that they may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core import privacy
from core.authoring.validation import not_found
from core.models import CapturedContent, Guardrail, LedgerRow, Project, Provider, User, VirtualKey
from rules.captured_parts import without_hidden
from rules.permissions import Place
from rules.privacy import INPUT, MODES, OUTPUT, PLACEHOLDER, STRIP_ALL, SYSTEM
from webapp.callers import Viewer
from webapp.queries.reading import hidden_from
from webapp.queries.virtual_keys import may_see

LOGS = "gatewayLogs:view"
_FINDINGS = ("policy_blocked", "policy_shadow")
_FACTS = (
    *("attempts", "fallback_count", "alias", "model_source", "answer_model", "finish_reasons"),
    *("guardrails", *_FINDINGS, "budget_warnings", "breached_scope", "dropped"),
    *("cache_mode", "cache_rule_id", "response_cache", "end_user", "thread_id", "metadata"),
)


@dataclass(frozen=True, slots=True)
class FoundCall:
    """One call, and what its reader may see of it."""

    row: LedgerRow
    key: VirtualKey | None
    project: Project | None
    hidden: frozenset[str]
    """The categories that privacy rules hide from the reader."""
    content: CapturedContent | None
    texts: Mapping[str, str]
    """Input, output and system instructions as JSON texts, without what is hidden."""
    facts: Mapping[str, Any]

    @property
    def looks_at(self) -> str:
        """The id of the person who made the call with a key of their own, or an empty string."""
        return "" if self.key is None else self.key.principal_user_id or ""


def row_of(organization_id: str, call_id: str) -> LedgerRow:
    """Return a call of this organization. Raises Refused(NOT_FOUND)."""
    row: LedgerRow | None = LedgerRow.get_or_none(
        LedgerRow.call_id == call_id, LedgerRow.organization_id == organization_id
    )
    if row is None:
        raise not_found("call")
    return row


def place_of(row: LedgerRow) -> Place:
    """Return where a call was made: its project, where that is now."""
    project = Project.get_or_none(Project.id == row.project_id)
    return Place(row.team_id if project is None else project.team_id, row.project_id)


def found_call(who: Viewer, call_id: str) -> FoundCall:
    """Return a call that somebody may see; other people's calls with keys of their own need what those keys need.

    Raises Refused(NOT_FOUND). Whether the viewer may read calls of that place at all is not judged here.
    """
    row = row_of(who.organization_id, call_id)
    key = VirtualKey.get_or_none(VirtualKey.id == row.virtual_key_id)
    project = Project.get_or_none(Project.id == row.project_id)
    is_others = row.principal_user_id not in (None, who.user_id)
    if is_others and (key is None or not may_see(who, key, place_of(row))):
        raise not_found("call")
    # Of a key or project that is gone nobody can say who may read what.
    hidden = MODES[STRIP_ALL]
    if key is not None and project is not None:
        hidden = hidden_from(who, privacy.for_keys([(key, project)])[key.id])
    content = CapturedContent.get_or_none(CapturedContent.call_id == call_id)
    return FoundCall(
        row, key, project, hidden, content, _texts(content, hidden), _facts(row, hidden)
    )


def names_in(found: FoundCall) -> dict[str, str]:
    """Return the names of the providers, guardrails and the person that a call mentions, by id."""
    facts = found.facts
    providers = {each.get("provider_id") for each in facts.get("attempts") or ()}
    guards = {each.get("id") for each in facts.get("guardrails") or ()}
    names: dict[str, str] = {}
    for model, ids in (
        (Provider, providers | {found.row.provider_id}),
        (Guardrail, guards),
        (User, {found.row.principal_user_id}),
    ):
        wanted = [each for each in ids if each]
        if wanted:
            names |= {row.id: row.name for row in model.select().where(model.id.in_(wanted))}
    return names


def _texts(content: CapturedContent | None, hidden: frozenset[str]) -> dict[str, str]:
    if content is None:
        return {}
    texts = {
        SYSTEM: content.system_instructions,
        INPUT: content.input_messages,
        OUTPUT: content.output_messages,
    }
    return without_hidden(texts, hidden)


def _facts(row: LedgerRow, hidden: frozenset[str]) -> dict[str, Any]:
    told = row.facts or {}
    facts = {name: told[name] for name in _FACTS if told.get(name)}
    for name in _FINDINGS:
        # What a policy found in a prompt is the prompt's.
        facts[name] = [
            each | {"value": PLACEHOLDER} if INPUT in hidden else each
            for each in facts.get(name, ())
        ]
    return {name: value for name, value in facts.items() if value}
