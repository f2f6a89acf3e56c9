"""Says whether a request would pass, by the code that decides in the gateway. Sends, holds and books nothing.

The steps are the gateway's: the key, the model and who serves it, the policy rules, the guardrails, the budgets.
A guardrail that is asked over HTTP is named and not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from core.provider_settings import ProviderSettings, read_settings
from core.spending import standings
from rules.accounts import NotAllowed, account_of, is_catalogued, resolve
from rules.apis import Api, is_native
from rules.guardrails.matches import redacted
from rules.guardrails.texts import Text, Unreadable, request_texts
from rules.guardrails.types import REQUEST, Guard, guard_of, wanted_in
from rules.limits import Verdict as LimitVerdict
from rules.policy import Policy, Verdict, explain, policy_of
from rules.policy_subjects import DIMENSIONS, MODELS, Unjudgeable, other_models
from rules.routing import Directory, Reason, Unplaced
from rules.routing_terms import RoutingTerms, terms_of
from rules.strategies import Strategy
from webapp import filters
from webapp.page_models.policy_rules import TITLES
from webapp.page_models.policy_tests import BLOCKED, PASSES, REPORTED, SILENT, Step
from webapp.queries.tested_keys import Setup

_ORDER = {
    Strategy.PRIORITY: "in this order",
    Strategy.COST: "the cheapest for the call first",
    Strategy.LATENCY: "whoever answered soonest lately first",
    Strategy.ROUND_ROBIN: "in turn",
}
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Bound:
    """A provider as routing and rules see it."""

    id: str
    name: str
    type: str
    settings: ProviderSettings


Chain = list[tuple[Bound, str]]
"""Who would be tried, each with the model's name there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to be judged. ``model`` is what the path names, for an API whose requests name it there."""

    api: Api
    body: bytes
    model: str = ""


def steps_of(setup: Setup, asked: Asked, now: datetime, *, with_budgets: bool) -> list[Step]:
    """Return what each step says of a request."""
    steps = _key_steps(setup, now)
    try:
        body = orjson.loads(asked.body)
    except orjson.JSONDecodeError as error:
        return [*steps, Step("Body", BLOCKED, "Refused", [f"This is not JSON: {error}."])]
    if not isinstance(body, dict):
        return [*steps, Step("Body", BLOCKED, "Refused", ["The body must be a JSON object."])]
    full = _spent_providers(setup, now) if with_budgets else {}
    routing, chain = _routing(setup, asked, body.get("model"), full)
    policy = policy_of(
        setup.key.id if setup.key else "",
        setup.config.get("policy_rules"),
        [{"id": row.id, "name": row.name, "rules": row.rules} for row in setup.rule_sets],
    )
    steps += [routing, *_policy_steps(policy, asked.body, chain), *_guard_steps(setup, asked.body)]
    return steps + (_budget_steps(setup, now) if with_budgets else [])


def _key_steps(setup: Setup, now: datetime) -> list[Step]:
    key = setup.key
    if key is None:
        return []
    if key.status != "active":
        return [Step("Key", BLOCKED, "Refused", [f"This key is {key.status}."])]
    if key.expires_at is not None and key.expires_at <= now:
        return [Step("Key", BLOCKED, "Refused", ["This key has expired."])]
    return [Step("Key", PASSES, "Passes", ["This key is in use."])]


def _routing(
    setup: Setup, asked: Asked, body_model: Any, full: dict[str, str]
) -> tuple[Step, Chain]:
    title = "Routing"
    model = asked.model if asked.api is Api.GEMINI else body_model
    if not isinstance(model, str) or not model.strip():
        where = "Give it beside the API." if asked.api is Api.GEMINI else "Put it into the body."
        return Step(title, BLOCKED, "Refused", [f"The request names no model. {where}"]), []
    bound = [Bound(r.id, r.name, r.type, read_settings(r.settings)) for r in setup.providers]
    policy: Any = setup.routing_policy
    terms = terms_of(setup.config, bound, policy)
    # Whoever takes the request as it comes is tried before those who need a translation.
    order = sorted(terms.order, key=lambda one: not is_native(one.type, asked.api))
    accounts = [
        account_of(one, one.settings, is_native=is_native(one.type, asked.api)) for one in order
    ]
    directory = Directory(accounts, (), terms.aliases, is_catalogued)
    try:
        resolution = resolve(directory, terms, order, model)
    except Unplaced as unplaced:
        return Step(title, BLOCKED, "Refused", [_why_unplaced(unplaced, model, terms)]), []
    except NotAllowed as refused:
        lists = "; ".join(", ".join(one) for one in terms.lists)
        sentence = f"{refused.pick.model} is not among the models allowed: {lists}."
        return Step(title, BLOCKED, "Refused", [sentence]), []
    allowed = [(order[pick.place], pick.model) for pick in resolution.picks]
    try:
        other = terms.first_refused(allowed[0][0], other_models(asked.body))
    except Unjudgeable as error:
        return Step(title, BLOCKED, "Refused", [str(error)]), []
    if other is not None:
        sentence = f"{other.spellings[0]} at {other.param} is not among the models allowed."
        return Step(title, BLOCKED, "Refused", [sentence]), []
    chain = [pick for pick in allowed if pick[0].settings.serves(pick[1])]
    if not chain:
        sentence = f"{allowed[0][0].name} has blocked {allowed[0][1]}."
        return Step(title, BLOCKED, "Refused", [sentence]), []
    notes = [full[one.id] for one, _ in chain if one.id in full]
    chain = [pick for pick in chain if pick[0].id not in full] or chain
    return Step(title, PASSES, "Passes", [*_told(chain, terms, resolution.alias), *notes]), chain


def _told(chain: Chain, terms: RoutingTerms[Bound], alias: str) -> list[str]:
    lines = [f"{alias} is an alias."] if alias else []
    names = [f"{one.name} ({model})" for one, model in chain]
    if terms.max_attempts == 1 or len(chain) == 1:
        lines.append(f"Served by {names[0]}, and by nobody else.")
    else:
        lines.append(f"Served by {', then '.join(names)}; {_ORDER[terms.strategy]}.")
    if terms.policy_name:
        lines.append(f"By the routing policy {terms.policy_name}.")
    return lines


def _why_unplaced(unplaced: Unplaced, model: str, terms: RoutingTerms[Bound]) -> str:
    if unplaced.reason is Reason.NO_PROVIDER:
        named = f"The routing policy {terms.policy_name} names no provider of this key."
        return named if terms.policy_name else "There is no provider."
    if unplaced.reason is Reason.NOT_RECOGNIZED:
        return f"No provider is known to serve {model}."
    return f"No provider here serves {unplaced.name or model}."


def _policy_steps(policy: Policy, body: bytes, chain: Chain) -> list[Step]:
    """Return a step for each dimension, each judged by itself, so that one block hides no other."""
    if policy.problem:
        sentence = f"The rules can't be applied, so nothing passes: {policy.problem}"
        return [Step("Policy rules", BLOCKED, "Refused", [sentence])]
    try:
        seen = explain(body, Policy()).subjects
        return [_dimension(policy, name, body, chain, seen.get(name, ())) for name in DIMENSIONS]
    except Unjudgeable as error:
        tone, word = (BLOCKED, "Refused") if _is_unjudgeable(policy, body) else (SILENT, "No rule")
        return [Step("Policy rules", tone, word, [f"{error} So no rule can judge it."])]


def _is_unjudgeable(policy: Policy, body: bytes) -> bool:
    try:
        policy.judge_body(body)
    except Unjudgeable:
        return True
    return False


def _dimension(policy: Policy, name: str, body: bytes, chain: Chain, seen: Sequence[str]) -> Step:
    title = f"Policy rules: {TITLES[name].lower() if name != 'mcp' else TITLES[name]}"
    if name == MODELS:
        seen = [*(f"{one.type}/{model}" for one, model in chain), *seen]
    named = [f"Named: {', '.join(seen)}."] if seen else ["The request names none."]
    rules = policy.rules.get(name)
    if not rules:
        return Step(title, SILENT, "No rule", named)
    one = Policy({name: rules})
    in_body = one.judge_body(body)
    verdicts = [one.judge_model(model, bound.type) for bound, model in chain if name == MODELS]
    first = verdicts[0] if verdicts else Verdict()
    blocked = in_body.blocked or first.blocked
    if blocked is not None:
        return Step(title, BLOCKED, "Blocked", [blocked.reason])
    # A fallback that is not allowed is left out of the chain, and the call goes on.
    rest = [f"{v.blocked.reason} So it is not tried." for v in verdicts[1:] if v.blocked]
    shadow = [finding.reason for finding in (*in_body.shadowed, *first.shadowed)]
    if shadow:
        return Step(title, REPORTED, "Only reported", [*shadow, *rest])
    return Step(title, PASSES, "Passes", [*named, *rest])


def _guard_steps(setup: Setup, body: bytes) -> list[Step]:
    named = setup.config.get("guardrails") or {}
    rows = {row.id: row for row in setup.guardrails}
    wanted: Any = list(rows.values())
    ids = wanted_in(REQUEST, wanted, named)
    if not ids:
        return [Step("Guardrails", SILENT, "None", ["No guardrail looks at requests."])]
    texts, unread = list[Text](), ""
    try:
        texts = request_texts(body)
    except Unreadable as error:
        unread = str(error)
    current = [text.text for text in texts]
    return [_guard_step(rows[each], current, unread) for each in ids]


def _guard_step(row: Any, current: list[str], unread: str) -> Step:
    """Return what a guardrail says, and put what it would replace into ``current``, for those after it."""
    title = f"Guardrail: {row.name}"
    try:
        guard = guard_of(_guard_row(row))
    except ValueError as error:
        return _failing(title, row, f"It can't be applied: {error}.")
    if unread:
        return _failing(title, row, f"The texts can't be read: {unread}.")
    if guard.find is None:
        sentence = "It is asked over HTTP, and was not asked for this test."
        return Step(title, SILENT, "Not run", [sentence])
    return _searched(title, guard, current)


def _searched(title: str, guard: Guard, current: list[str]) -> Step:
    lines, before = [], 0
    for place, text in enumerate(current):
        found = guard.search(text, before)
        before += len(text)
        if not found:
            continue
        labels = ", ".join(dict.fromkeys(match.label for match in found))
        if guard.action == "block":
            return Step(title, BLOCKED, "Blocked", [f"Found: {labels}."])
        current[place] = redacted(text, found)
        lines.append(f"Sent on as: {_cut(current[place])}")
    if lines:
        return Step(title, PASSES, "Redacts", lines)
    return Step(title, PASSES, "Passes", ["It finds nothing."])


def _failing(title: str, row: Any, sentence: str) -> Step:
    if row.on_failure == "fail_open":
        return Step(title, REPORTED, "Passes unseen", [sentence, "It fails open."])
    return Step(title, BLOCKED, "Refused", [sentence, "It fails closed."])


def _guard_row(row: Any) -> dict[str, Any]:
    names = ("id", "name", "type", "settings", "action", "on_failure")
    return {name: getattr(row, name) for name in names}


def _spent_providers(setup: Setup, now: datetime) -> dict[str, str]:
    """Return, by id, why a provider is left out: a budget for its calls alone that is spent."""
    return {
        one.budget.provider_id: f"A provider is left out: its budget {one.budget.name} is spent."
        for one in standings(setup.budgets, now)
        if one.budget.provider_id is not None and one.check.verdict is LimitVerdict.BLOCK
    }


def _budget_steps(setup: Setup, now: datetime) -> list[Step]:
    words = {
        LimitVerdict.ALLOW: (PASSES, "Passes"),
        LimitVerdict.WARN: (REPORTED, "Warns"),
        LimitVerdict.BLOCK: (BLOCKED, "Spent"),
    }
    steps = []
    for one in standings(setup.budgets, now):
        tone, word = words[one.check.verdict]
        told = f"{filters.money(one.spent_nanousd)} of {filters.money(one.limit_nanousd)} is spent"
        lines = [f"{told}, {one.check.percent} %."]
        if one.budget.provider_id is not None and tone == BLOCKED:
            tone = REPORTED
            lines.append("It stands on one provider, who is left out.")
        steps.append(Step(f"Budget: {one.budget.name}", tone, word, lines))
    rates = setup.config.get("rate_limits") or {}
    if rates:
        told = ", ".join(f"{amount:,} {name}" for name, amount in rates.items() if amount)
        sentence = f"{told}. How much is left is known to the gateways alone."
        steps.append(Step("Rate limits of the key", SILENT, "Not run", [sentence]))
    return steps or [Step("Budgets", SILENT, "None", ["No budget counts this call."])]


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
