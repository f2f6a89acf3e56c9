"""The controls of a virtual key's form, and the key that was typed into them. Saves and looks nothing up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from core.authoring.key_budgets import KeyBudget
from core.authoring.routing_config import ATTEMPTS
from core.authoring.virtual_keys import PROVIDERS, NewVirtualKey
from core.models import VirtualKey
from rules.cache_mode import RESPONSE_TTL_SECONDS
from rules.policy import rules_errors
from webapp.page_models import policy_rules
from webapp.page_models.budgets import amount
from webapp.page_models.key_config_text import (
    RATES,
    Guardrails,
    aliases_of,
    aliases_text,
    attached,
    attachments,
    lines_of,
    number,
)
from webapp.page_models.settings_pages import Field, FormPage

Choices = Sequence[tuple[str, str]]
KEEP, ON_DATE, NEVER = "keep", "date", ""
EXPIRIES = {
    "1": "In a day",
    "7": "In a week",
    "30": "In 30 days",
    "182": "In half a year",
    "365": "In a year",
}
_FIRST_PLACES = 3
_OFF = {"autocomplete": "off", "spellcheck": "false"}
_MODES = (
    ("", "The policy of its project, team or organization, if there is one"),
    ("policy", "A routing policy"),
    ("none", "Its first provider only"),
    ("fallback_all", "Its own providers, in order"),
)
_CACHE = (
    ("", "As the caller says"),
    ("respect", "As the caller says, whatever the default"),
    ("force", "Always ask for it"),
    ("disable", "Never"),
)
_CAPTURE = {
    "": "Nothing",
    "metadata": "Metadata",
    "redacted": "Text without personal data",
    "raw": "Everything",
}
_CONTROL = {
    "project": "project_id",
    "principal": "person",
    "providers": "provider_1",
    "expires_at": "expires",
    "budget": "budget_usd",
    "config.rate_limits": "rpm",
    "config.fallback": "max_attempts",
    "config.cache": "cache_mode",
}


@dataclass(frozen=True, slots=True)
class KeyChoices:
    """What a form offers to choose from."""

    projects: Choices
    providers: Choices
    guardrails: Choices
    policies: Choices
    may_capture_raw: bool


@dataclass(frozen=True, slots=True)
class KeyFields:
    """The controls by their place in the form: in sight, the providers, and four folds."""

    main: tuple[Field, ...]
    providers: tuple[Field, ...]
    money: tuple[Field, ...]
    limits: tuple[Field, ...]
    models: tuple[Field, ...]
    checks: tuple[Field, ...]
    rules: tuple[policy_rules.Part, ...]

    @property
    def ruling(self) -> tuple[Field, ...]:
        """The controls of the key's own policy rules."""
        return tuple(field for part in self.rules for field in part.fields)

    @property
    def all(self) -> tuple[Field, ...]:
        """Every control."""
        return (
            *self.main, *self.providers, *self.money, *self.limits, *self.models, *self.checks,
            *self.ruling,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyForm:
    """A form over a key; ``arrange`` is where the order of its providers is changed."""

    form: FormPage
    fields: KeyFields
    arrange: str

    @property
    def has_room(self) -> bool:
        """Say whether more providers could be chosen than there are places for."""
        places = self.fields.providers
        return len(places) < min(len(places[0].options) - 1, PROVIDERS)

    def is_open(self, part: Sequence[Field]) -> bool:
        """Say whether a fold holds something to see: a value, or an error."""
        quiet: tuple[Any, ...] = ("", [], KEEP, None, False)
        return any(
            self.form.value(each.name) not in quiet or self.form.error(each.name) for each in part
        )


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed: the key, the budget that goes with it, and what can't be read."""

    key: NewVirtualKey
    budget: KeyBudget | None
    errors: dict[str, str] = field(default_factory=dict)


def places_for(values: Mapping[str, Any], providers: int) -> int:
    """Return how many providers a form has room for: one more than are chosen, three at first."""
    chosen = len(chosen_providers(values))
    return min(max(_FIRST_PLACES, chosen + 1), max(providers, 1), PROVIDERS)


def chosen_providers(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the providers that are chosen, in order; places left empty count for nothing."""
    places = (str(values.get(f"provider_{place}", "")) for place in range(1, PROVIDERS + 1))
    return tuple(each for each in places if each)


def moved_up(values: Mapping[str, Any], place: int) -> dict[str, Any]:
    """Return the values with the provider at a place, from 2, before the one above it; gaps close."""
    chosen = list(chosen_providers(values))
    if 2 <= place <= len(chosen):
        chosen[place - 2 : place] = reversed(chosen[place - 2 : place])
    kept = {name: value for name, value in values.items() if not name.startswith("provider_")}
    return kept | {f"provider_{n}": each for n, each in enumerate(chosen, 1)}


def fields_of(choices: KeyChoices, places: int, row: VirtualKey | None) -> KeyFields:
    """Return the controls; what a key keeps for life is only asked of a new one."""
    name = Field("name", "Name", help="What uses it, such as ci or anna-laptop.", attrs=_OFF)
    home = (
        Field("project_id", "Project", "select", "Its calls are booked there.", choices.projects),
        Field(
            "person",
            "Belongs to",
            "email",
            "A member's e-mail address for a personal key; empty for a service's key.",
            required=False,
            attrs=_OFF,
        ),
    )
    budget = Field(
        "budget_usd",
        "Monthly budget",
        help="What it may spend a calendar month; then its calls are refused. Empty sets none.",
        required=False,
        unit="USD",
        attrs={"inputmode": "decimal", "autocomplete": "off"},
    )
    return KeyFields(
        (name,) if row else (name, *home),
        tuple(_provider(place, choices.providers) for place in range(1, places + 1)),
        () if row else (budget,),
        _limits(row),
        _models(choices),
        _checks(choices, row),
        tuple(policy_rules.parts_of()),
    )


def _provider(place: int, options: Choices) -> Field:
    label = "Primary" if place == 1 else f"Fallback {place - 1}"
    nothing = ("", "Choose a provider" if place == 1 else "None")
    return Field(
        f"provider_{place}", label, "select", options=(nothing, *options), required=place == 1
    )


def _limits(row: VirtualKey | None) -> tuple[Field, ...]:
    kept = row.expires_at if row else None
    now = "never" if kept is None else f"on {kept:%Y-%m-%d %H:%M} UTC"
    expiries = [*EXPIRIES.items(), (ON_DATE, "On the day below")]
    first = [(KEEP, f"As it is: {now}"), (NEVER, "Never")] if row else [(NEVER, "Never")]
    whole = {"min": "1", "inputmode": "numeric"}
    return (
        Field("expires", "Expires", "select", options=[*first, *expiries], required=False),
        Field("expires_on", "Day", "date", "It works until the end of that day in UTC.", required=False),
        *(Field(name, label, "number", required=False, attrs=whole) for name, label in RATES.items()),
        Field("tags", "Tags", help="Separated by commas.", required=False, attrs=_OFF),
        Field("description", "Description", "textarea", required=False),
    )  # fmt: skip


def _models(choices: KeyChoices) -> tuple[Field, ...]:
    least, most = (str(bound) for bound in ATTEMPTS)
    return (
        Field("models_allowed", "Allowed models", "lines", "One a line; * stands for any text. Empty allows all.",
              required=False),
        Field("model_aliases", "Model aliases", "lines",
              "One a line: alias = provider/model, or alias @ provider = model for one provider alone.",
              required=False),
        Field("routing_mode", "Routed by", "select", options=_MODES, required=False),
        Field("routing_policy_id", "Routing policy", "select", options=[("", "None named"), *choices.policies],
              required=False),
        Field("max_attempts", "Providers tried for a call", "number", "Empty leaves it to the gateway.",
              required=False, attrs={"min": least, "max": most}),
    )  # fmt: skip


def _checks(choices: KeyChoices, row: VirtualKey | None) -> tuple[Field, ...]:
    stored = row.config.get("capture") if row else None
    has_raw = choices.may_capture_raw or stored == "raw"
    modes = [pair for pair in _CAPTURE.items() if has_raw or pair[0] != "raw"]
    least, most = (str(bound) for bound in RESPONSE_TTL_SECONDS)
    found = [
        Field("cache_mode", "Prompt cache", "select", options=_CACHE, required=False),
        Field("kept_seconds", "Answers are kept for", "number",
              "Whoever sends the same request within that time gets the same answer. Empty keeps none.",
              required=False, unit="seconds", attrs={"min": least, "max": most}),
    ]  # fmt: skip
    if choices.guardrails:
        found.append(
            Field("guardrails", "Guardrails", "checks", options=choices.guardrails, required=False)
        )
    help = "Where the organization allows it at all."
    label = "Kept of prompts and answers"
    found.append(Field("capture", label, "select", help, modes, required=False))
    return tuple(found)


def values_of(row: VirtualKey) -> dict[str, Any]:
    """Return what stands in the controls over a stored key."""
    config: dict[str, Any] = row.config
    rates = config.get("rate_limits", {})
    capture = config.get("capture", "")
    return {
        "name": row.name,
        "description": row.description,
        "tags": ", ".join(row.tags),
        "expires": KEEP,
        "models_allowed": "\n".join(config.get("models_allowed", ())),
        "model_aliases": aliases_text(config.get("model_aliases", {})),
        "routing_mode": config.get("routing_mode", ""),
        "routing_policy_id": config.get("routing_policy_id", ""),
        "max_attempts": config.get("fallback", {}).get("max_attempts", ""),
        "cache_mode": config.get("cache", {}).get("mode", ""),
        "kept_seconds": config.get("cache", {}).get("responses", {}).get("ttl_seconds", ""),
        **policy_rules.values_of_rules(config.get("policy_rules", {})),
        "guardrails": attachments(config.get("guardrails", {})),
        "capture": "" if capture == "none" else capture,
        **{rate: rates.get(rate, "") for rate in RATES},
        **{f"provider_{place}": each for place, each in enumerate(row.provider_ids, 1)},
    }


def typed_key(
    values: Mapping[str, Any], row: VirtualKey | None, person_id: str | None, now: datetime
) -> Typed:
    """Return the key as typed; sections of its configuration that have no control here stay as they are."""
    errors: dict[str, str] = {}
    key = NewVirtualKey(
        name=str(values.get("name", "")),
        project_id=row.project_id if row else str(values.get("project_id", "")),
        provider_ids=chosen_providers(values),
        principal_user_id=row.principal_user_id if row else person_id,
        expires_at=_expiry(values, row, now, errors),
        tags=tuple(str(values.get("tags", "")).split(",")),
        description=str(values.get("description", "")),
        config=_config(values, row.config if row else {}, errors),
    )
    text = str(values.get("budget_usd", ""))
    budget = KeyBudget(amount(text, "budget_usd", errors)) if text and row is None else None
    return Typed(key, budget, errors)


def errors_by_control(errors: Mapping[str, str]) -> dict[str, str]:
    """Return complaints about a key by the names of the form's controls."""
    return {_CONTROL.get(name, name.removeprefix("config.")): text for name, text in errors.items()}


def _config(
    values: Mapping[str, Any], stored: Mapping[str, Any], errors: dict[str, str]
) -> dict[str, Any]:
    guardrails: Guardrails = attached(values.get("guardrails", ()))
    attempts = number(values, "max_attempts", errors)
    rules = policy_rules.typed_rules(values)
    errors |= policy_rules.errors_by_control(rules_errors(rules))
    return {
        **stored,
        "rate_limits": {rate: number(values, rate, errors) for rate in RATES},
        "models_allowed": lines_of(values.get("models_allowed", "")) or None,
        "model_aliases": aliases_of(values.get("model_aliases", ""), errors) or None,
        "routing_mode": values.get("routing_mode") or None,
        "routing_policy_id": values.get("routing_policy_id") or None,
        "fallback": {**stored.get("fallback", {}), "max_attempts": attempts},
        "cache": {"mode": values.get("cache_mode") or None, "responses": _kept(values, errors)},
        # Who may not choose them has no control for them.
        "guardrails": (guardrails or None) if "guardrails" in values else stored.get("guardrails"),
        "capture": values.get("capture") or None,
        "policy_rules": rules or None,
    }


def _kept(values: Mapping[str, Any], errors: dict[str, str]) -> dict[str, int] | None:
    seconds, (least, most) = number(values, "kept_seconds", errors), RESPONSE_TTL_SECONDS
    if seconds is None:
        return None
    if not least <= seconds <= most:
        errors["kept_seconds"] = f"Give {least} to {most:,} seconds."
    return {"ttl_seconds": seconds}


def _expiry(
    values: Mapping[str, Any], row: VirtualKey | None, now: datetime, errors: dict[str, str]
) -> datetime | None:
    preset, day = str(values.get("expires", "")), str(values.get("expires_on", ""))
    if preset in EXPIRIES:
        return now + timedelta(days=int(preset))
    if day or preset == ON_DATE:
        try:
            found = datetime.fromisoformat(day).date()
        except ValueError:
            errors["expires_on"] = "Choose a day, such as 2030-12-31."
            return None
        # The last moment that the database keeps of that day.
        return datetime.combine(found, time(23, 59, 59, 999000), UTC)
    if preset == KEEP and row is not None:
        kept: datetime | None = row.expires_at
        return kept
    return None
