"""What the pages about policy rules show: the list, the form by dimension with its presets. Judges no request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.authoring.policy_rule_sets import NewPolicyRuleSet
from core.models import PolicyRuleSet
from rules.policy_presets import PRESETS, Preset
from rules.policy_subjects import DIMENSIONS, MCP, MODELS, TOOLS, URLS
from webapp import filters
from webapp.page_models import homes
from webapp.page_models.settings_pages import Action, Cell, Field, FormPage, Row, Table

HERE = "/settings/policy-rules"
TITLES: Mapping[str, str] = {
    TOOLS: "Tools",
    MCP: "MCP servers",
    URLS: "Addresses",
    MODELS: "Models",
}
_ABOUT = {
    TOOLS: "Names of the tools that a request offers to the model.",
    MCP: "Names and addresses of the MCP servers that a request offers.",
    URLS: "Addresses that stand in a request.",
    MODELS: "The model as the provider calls it, and the same behind the provider's type and a slash.",
}
COLUMNS = ("Rules", "Applies to", "What they judge", "State")
_OFF = {"autocomplete": "off", "spellcheck": "false"}


@dataclass(frozen=True, slots=True)
class Part:
    """The controls of one dimension, and what can be filled in there by one click."""

    dimension: str
    title: str
    about: str
    fields: Sequence[Field]
    presets: Sequence[Preset]


@dataclass(frozen=True, slots=True)
class RulesForm:
    """The form of a set of rules: the generic part, and the part of each dimension."""

    form: FormPage
    set_id: str
    parts: Sequence[Part]

    @property
    def above(self) -> Sequence[Field]:
        """The controls that belong to no dimension."""
        own = {each.name for part in self.parts for each in part.fields}
        return [each for each in self.form.fields if each.name not in own]


def table_of(
    rows: Sequence[PolicyRuleSet], names: homes.Names, may_manage: Callable[[PolicyRuleSet], bool]
) -> Table:
    """Return the table of rule sets."""
    return Table(
        "policy-rules",
        "Policy rules",
        COLUMNS,
        [
            _row(row, homes.label(row.scope, row.scope_id, names), may_manage(row))
            for row in sorted(rows, key=lambda one: one.name.lower())
        ],
        "No rules yet: calls may name any tool, server, address and model.",
        "All sets that apply must agree, and denying wins. A virtual key may have rules of its own besides.",
    )


def _row(row: PolicyRuleSet, where: str, may_manage: bool) -> Row:
    rules: dict[str, Any] = row.rules
    told = [f"{TITLES[name]}: {summary(rules[name])}" for name in DIMENSIONS if rules.get(name)]
    shadows = [name for name in rules if (rules[name] or {}).get("shadow")]
    state = Cell("Enforced", "badge", "positive")
    if shadows:
        is_all = len(shadows) == len(rules)
        note = "" if is_all else ", ".join(TITLES[name] for name in shadows) + " only report."
        state = Cell("Shadow" if is_all else "Partly shadow", "badge", "warning", note=note)
    if not row.enabled:
        state = Cell("Off", "badge")
    cells = (Cell(row.name, note=row.description), Cell(where), Cell(". ".join(told)), state)
    actions = _actions(row, bool(shadows)) if may_manage else ()
    return Row(row.id, cells, actions, is_off=not row.enabled)


def summary(rule: Mapping[str, Any]) -> str:
    """Return what a rule of one dimension holds, in words."""
    allow = rule.get("allow")
    parts = []
    if rule.get("deny"):
        parts.append(f"{len(rule['deny'])} denied")
    if allow is not None:
        some = f"nothing but {filters.plural(len(allow), 'pattern')} allowed"
        parts.append(some if allow else "nothing allowed")
    return ", ".join(parts) or "nothing"


def _actions(row: PolicyRuleSet, is_shadow: bool) -> tuple[Action, ...]:
    path = f"{HERE}/{row.id}"
    switch = Action(
        "eye",
        f"Only report with {row.name}",
        post=f"{path}/shadow",
        title=f"Only report with {row.name}?",
        body="Its rules block nothing then; what they would have blocked is in the ledger.",
        yes="Shadow mode",
        is_danger=False,
    )
    if is_shadow:
        switch = Action(
            "check-circle",
            f"Enforce {row.name}",
            post=f"{path}/enforce",
            title=f"Enforce {row.name}?",
            body="What its rules object to is refused from now on.",
            yes="Enforce",
        )
    return (
        switch,
        Action("pencil", f"Edit {row.name}", f"{path}/edit"),
        Action(
            "archive",
            f"Archive {row.name}",
            post=f"{path}/archive",
            title=f"Archive {row.name}?",
            body="It judges no call any more, within seconds.",
            yes="Archive",
        ),
    )


def parts_of() -> list[Part]:
    """Return the part of the form for each dimension."""
    return [
        Part(
            name,
            TITLES[name],
            _ABOUT[name],
            (
                Field(f"{name}_deny", "Denied", "lines", "One pattern a line.", required=False),
                Field(
                    f"{name}_allow",
                    "Allowed",
                    "lines",
                    "With a line here nothing else passes.",
                    required=False,
                ),
                Field(
                    f"{name}_nothing",
                    "Allow nothing at all",
                    "checkbox",
                    "An allow-list without a line.",
                    required=False,
                ),
                Field(
                    f"{name}_shadow",
                    "Shadow mode",
                    "checkbox",
                    "Report what would be blocked, and block nothing.",
                    required=False,
                ),
            ),
            [preset for preset in PRESETS if name in preset.rules],
        )
        for name in DIMENSIONS
    ]


def fields_of(scopes: Sequence[tuple[str, str]]) -> list[Field]:
    """Return the controls that belong to no dimension."""
    return [
        Field("name", "Name", help="Shown to callers whose calls it blocks.", attrs=_OFF),
        Field("applies_to", "Applies to", "select", options=scopes),
        Field("description", "Description", required=False, attrs=_OFF),
        Field("enabled", "In force", "checkbox", required=False),
    ]


def values_of(row: PolicyRuleSet) -> dict[str, Any]:
    """Return what stands in the controls over a stored set."""
    return {
        "name": row.name,
        "applies_to": homes.choice_of(row.scope, row.scope_id),
        "description": row.description,
        "enabled": row.enabled,
        **values_of_rules(row.rules),
    }


def values_of_rules(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands in the controls of the dimensions that rules speak of."""
    values: dict[str, Any] = {}
    for name, rule in rules.items():
        allow = rule.get("allow")
        values |= {
            f"{name}_deny": "\n".join(rule.get("deny") or ()),
            f"{name}_allow": "\n".join(allow or ()),
            f"{name}_nothing": allow == [],
            f"{name}_shadow": rule.get("shadow", False),
        }
    return values


def filled(values: Mapping[str, Any], preset_name: str) -> dict[str, Any]:
    """Return the values with a preset's patterns in their dimension; patterns that are there stay."""
    found = dict(values)
    for preset in PRESETS:
        if preset.name != preset_name:
            continue
        for name, rule in preset.rules.items():
            for list_name in ("deny", "allow"):
                control = f"{name}_{list_name}"
                there = _lines(found.get(control, ""))
                lines = [*there, *(line for line in rule[list_name] or () if line not in there)]
                found[control] = "\n".join(lines)
        if not found.get("name"):
            found["name"] = preset.title
    return found


def typed_set(values: Mapping[str, Any], where: tuple[str, str]) -> NewPolicyRuleSet:
    """Return the set of rules as typed."""
    is_on = values["enabled"] == "1"
    return NewPolicyRuleSet(
        values["name"], *where, typed_rules(values), values["description"], is_on
    )


def typed_rules(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules as typed; a dimension without any pattern has none."""
    rules: dict[str, Any] = {}
    for name in DIMENSIONS:
        deny, allow = _lines(values[f"{name}_deny"]), _lines(values[f"{name}_allow"])
        is_list = bool(allow) or values[f"{name}_nothing"] == "1"
        if deny or is_list:
            is_shadow = values[f"{name}_shadow"] == "1"
            rules[name] = {"deny": deny, "allow": allow if is_list else None, "shadow": is_shadow}
    return rules


def with_shadow(row: PolicyRuleSet, is_shadow: bool) -> NewPolicyRuleSet:
    """Return a stored set with all of its rules in shadow mode, or with none."""
    rules = {
        name: {key: value for key, value in rule.items() if key != "shadow"}
        | ({"shadow": True} if is_shadow else {})
        for name, rule in row.rules.items()
        if rule
    }
    return NewPolicyRuleSet(row.name, row.scope, row.scope_id, rules, row.description, row.enabled)


def errors_by_control(errors: Mapping[str, str]) -> dict[str, str]:
    """Return complaints under the names of their controls; a pattern's with its line."""
    found: dict[str, str] = {}
    for name, sentence in errors.items():
        place = name.removeprefix("rules.")
        control, _, number = place.partition("[")
        if name in ("scope", "scope_id"):
            control = "applies_to"
        if number:
            sentence = f"Line {int(number.rstrip(']')) + 1}: {sentence}"
        found.setdefault(control.replace(".", "_"), sentence)
    return found


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
