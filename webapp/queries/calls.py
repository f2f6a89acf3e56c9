"""Finds calls for somebody: those within their reach, a page at a time, and one with what they may read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from core import privacy
from core.authoring.validation import not_found
from core.bulk import among
from core.models import CapturedContent, Guardrail, LedgerRow, Project, Provider, User, VirtualKey
from rules.captured_parts import without_hidden
from rules.permissions import Place, Reach
from rules.privacy import INPUT, MODES, OUTPUT, PLACEHOLDER, STRIP_ALL, SYSTEM
from webapp.callers import Viewer
from webapp.queries import ledger
from webapp.queries.reading import hidden_from
from webapp.queries.virtual_keys import OTHERS, VIEW, may_see

LOGS = "gatewayLogs:view"
_CALL = "req_"
_EVER = datetime(2000, 1, 1, tzinfo=UTC)
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls are asked for; an empty field asks for all."""

    since: datetime
    until: datetime
    id: str = ""
    """The id of a request, whenever it was made, or of a trace or a session."""
    model: str = ""
    """Part of a model's name."""
    equal: Mapping[str, str] = field(default_factory=dict)
    """Columns of the ledger with the value that they shall have."""


@dataclass(frozen=True, slots=True)
class CallsFound:
    """Calls, newest first, the names of what they mention by id, and whether there are older ones."""

    rows: Sequence[LedgerRow]
    names: Mapping[str, str]
    is_more: bool


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


def calls_page(who: Viewer, wanted: Wanted, behind: ledger.Place | None, limit: int) -> CallsFound:
    """Return the calls that somebody may see, newest first, in four statements; one's own are always among them."""
    since = _EVER if wanted.id.startswith(_CALL) else wanted.since
    query = ledger.calls_of(who.organization_id, since, wanted.until, dict(wanted.equal))
    query = query.where(_visible(who))
    if wanted.model:
        query = query.where(LedgerRow.model.contains(wanted.model))
    if wanted.id:
        is_it = LedgerRow.call_id == wanted.id
        if not wanted.id.startswith(_CALL):
            # These have no index: what is asked for is looked for among the calls of the time.
            is_it = (LedgerRow.trace_id == wanted.id) | (LedgerRow.session_id == wanted.id)
        query = query.where(is_it)
    rows, is_more = ledger.page_of_calls(query, behind, limit)
    names: dict[str, str] = {}
    for model, ids in (
        (VirtualKey, {row.virtual_key_id for row in rows}),
        (User, {row.principal_user_id for row in rows}),
        (Project, {row.project_id for row in rows}),
    ):
        found = model.select(model.id, model.name).where(among(model.id, [i for i in ids if i]))
        names |= {row.id: row.name for row in found}
    return CallsFound(rows, names, is_more)


def looked_into(who: Viewer, wanted: Wanted, found: CallsFound) -> str:
    """Return the other person whose own calls a list was narrowed to, by whatever means, or an empty string."""
    is_narrowed = wanted.id or wanted.equal.keys() - {"outcome"}
    shown = {row.principal_user_id or "" for row in found.rows}
    return "" if not is_narrowed or len(shown) != 1 else (shown - {who.user_id} or {""}).pop()


def _visible(who: Viewer) -> Any:
    """Return the condition under which a call is somebody's to see: as for the call alone."""
    is_own = LedgerRow.principal_user_id == who.user_id
    is_nobodys = LedgerRow.principal_user_id.is_null()
    may_know = _in_reach(who.reach(VIEW)) & _in_reach(who.reach(OTHERS))
    return is_own | (_in_reach(who.reach(LOGS)) & (is_nobodys | may_know))


def _in_reach(within: Reach) -> Any:
    if within.is_everywhere:
        return LedgerRow.organization_id.is_null(False)
    in_teams = Project.select(Project.id).where(Project.team_id.in_(list(within.team_ids)))
    single = LedgerRow.project_id.in_(list(within.project_ids))
    return single | LedgerRow.project_id.in_(in_teams)


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
