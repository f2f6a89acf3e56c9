"""What the pages about routing policies show: tables, the form with its order, who is affected. Reads nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.authoring.routing_policies import NewRoutingPolicy
from core.models import RoutingPolicy
from webapp import filters
from webapp.page_models import homes
from webapp.page_models.settings_pages import Action, Cell, Field, FormPage, Row, Table

HERE = "/settings/routing-policies"
PROVIDERS = "providers"
COLUMNS = ("Policy", "Applies to", "Order", "Providers", "Models", "Keys that name it")
_OFF = {"autocomplete": "off", "spellcheck": "false"}
STRATEGIES: Mapping[str, tuple[str, str]] = {
    "priority": ("Priority", "in the order given here"),
    "cost": ("Cost", "the cheapest for the call at hand first, by the prices of the catalogue"),
    "latency": ("Latency", "whoever answered soonest lately first, by the time to the first byte"),
    "round_robin": ("Round robin", "everybody in turn"),
}
_TITLES = {
    "organization": ("Organization", "No policy for the whole organization."),
    "team": ("Teams", "No policy for a team."),
    "project": ("Projects", "No policy for a project."),
}


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """The form of a policy: the generic part, the providers chosen in order, and those left to choose."""

    form: FormPage
    policy_id: str
    order: Sequence[tuple[str, str]]
    rest: Sequence[tuple[str, str]]

    @property
    def above(self) -> Sequence[Field]:
        """The controls before the providers."""
        return [each for each in self.form.fields if each.name in _ABOVE]

    @property
    def below(self) -> Sequence[Field]:
        """The controls behind the providers."""
        return [each for each in self.form.fields if each.name not in (*_ABOVE, PROVIDERS)]


_ABOVE = ("applies_to", "name", "description", "strategy")


def tables_of(
    rows: Sequence[RoutingPolicy],
    names: homes.Names,
    providers: Mapping[str, str],
    keys: Mapping[str, int],
    may_manage: Callable[[RoutingPolicy], bool],
    may_add: Collection[str],
) -> list[Table]:
    """Return a table for each scope, the widest first; ``may_add`` are the scopes where more may be made."""
    return [
        Table(
            scope,
            title,
            COLUMNS,
            [
                _row(
                    row,
                    homes.label(row.scope, row.scope_id, names),
                    providers,
                    keys,
                    may_manage(row),
                )
                for row in rows
                if row.scope == scope
            ],
            empty,
            add=("New policy", f"{HERE}/new?scope={scope}") if scope in may_add else None,
        )
        for scope, (title, empty) in _TITLES.items()
    ]


def _row(
    row: RoutingPolicy,
    where: str,
    providers: Mapping[str, str],
    keys: Mapping[str, int],
    may_manage: bool,
) -> Row:
    chain = [providers[each] for each in row.provider_ids if each in providers]
    aliases = filters.plural(len(row.model_aliases), "alias", "aliases")
    cells = (
        Cell(
            row.name,
            note=row.description,
            badges=(("Default", "positive"),) if row.is_default else (),
        ),
        Cell(where),
        Cell(STRATEGIES[row.strategy][0], "badge"),
        Cell(" → ".join(chain) or "None is left", note=filters.plural(len(chain), "provider")),
        Cell(
            ", ".join(row.models_allowed[:3]) + (" …" if len(row.models_allowed) > 3 else "")
            if row.models_allowed
            else "All",
            note=aliases if row.model_aliases else "",
        ),
        Cell(filters.plural(keys.get(row.id, 0), "key")),
    )
    return Row(row.id, cells, _actions(row) if may_manage else ())


def _actions(row: RoutingPolicy) -> tuple[Action, ...]:
    path = f"{HERE}/{row.id}"
    default = Action(
        "check",
        f"Make {row.name} the default",
        post=f"{path}/default",
        title=f"Make {row.name} the default?",
        body="Keys of its scope that name no policy go by it from now on.",
        yes="Make default",
        is_danger=False,
    )
    return (
        *(() if row.is_default else (default,)),
        Action("pencil", f"Edit {row.name}", f"{path}/edit"),
        Action("archive", f"Archive {row.name}", f"{path}/archive"),
    )


def fields_of(scopes: Sequence[tuple[str, str]], is_stored: bool) -> list[Field]:
    """Return the controls; a stored policy keeps its scope, so there it is not asked for."""
    strategies = [(key, f"{name}: {text}") for key, (name, text) in STRATEGIES.items()]
    scope = Field("applies_to", "Applies to", "select", options=scopes)
    return [
        *(() if is_stored else (scope,)),
        Field("name", "Name", attrs=_OFF),
        Field("description", "Description", required=False, attrs=_OFF),
        Field(
            "strategy",
            "Who is tried first",
            "select",
            "Whoever comes first may fail before the first byte; then the next one answers.",
            strategies,
        ),
        Field(PROVIDERS, "Providers"),
        Field(
            "models_allowed",
            "Models allowed",
            "lines",
            "One pattern a line, such as claude-* or openai/*. Empty allows all.",
            required=False,
        ),
        Field(
            "model_aliases",
            "Aliases",
            "lines",
            "One a line: alias = provider/model. For another model by provider: "
            "alias @ provider = model, a line for each.",
            required=False,
        ),
        Field(
            "is_default",
            "Default of its scope",
            "checkbox",
            "Keys there that name no policy go by it. It takes the place of the default there is.",
            required=False,
        ),
    ]


def values_of(row: RoutingPolicy) -> dict[str, Any]:
    """Return what stands in the controls over a stored policy."""
    return {
        "name": row.name,
        "description": row.description,
        "strategy": row.strategy,
        "models_allowed": "\n".join(row.models_allowed),
        "model_aliases": alias_lines(row.model_aliases),
        "is_default": row.is_default,
    }


def alias_lines(aliases: Mapping[str, Any]) -> str:
    """Return aliases as lines, one for each alias or each provider of one."""
    lines = []
    for alias, meant in aliases.items():
        if isinstance(meant, str):
            lines.append(f"{alias} = {meant}")
        else:
            lines += [f"{alias} @ {provider} = {model}" for provider, model in meant.items()]
    return "\n".join(lines)


def read_aliases(text: str) -> tuple[dict[str, Any], str]:
    """Return the aliases that lines stand for, and what is wrong with them, in a sentence."""
    aliases: dict[str, Any] = {}
    for line in filter(str.strip, text.splitlines()):
        named, has_mark, model = (part.strip() for part in line.partition("="))
        alias, at, provider = (part.strip() for part in named.partition(" @ "))
        if not has_mark or not alias or not model or (at and not provider):
            return aliases, f"Write {line.strip()[:60]} as alias = provider/model."
        known = aliases.get(alias)
        if (not at and known is not None) or (at and isinstance(known, str)):
            return aliases, f"{alias} stands for two things."
        if not at:
            aliases[alias] = model
        elif provider in aliases.setdefault(alias, {}):
            return aliases, f"{alias} stands for two models at {provider}."
        else:
            aliases[alias][provider] = model
    return aliases, ""


def typed_policy(
    values: Mapping[str, Any],
    where: tuple[str, str],
    provider_ids: Sequence[str],
    errors: dict[str, str],
) -> NewRoutingPolicy:
    """Return the policy as typed; what can't be read is complained about in ``errors``."""
    aliases, wrong = read_aliases(values["model_aliases"])
    if wrong:
        errors["model_aliases"] = wrong
    globs = [line.strip() for line in values["models_allowed"].splitlines() if line.strip()]
    return NewRoutingPolicy(
        values["name"],
        *where,
        provider_ids,
        values["strategy"],
        values["description"],
        globs,
        aliases,
        is_default=values["is_default"] == "1",
    )


def moved(order: Sequence[str], change: str, added: str) -> list[str]:
    """Return an order of ids after a change: ``up:<id>``, ``down:<id>``, ``drop:<id>``, or ``add``."""
    verb, _, which = change.partition(":")
    found = list(dict.fromkeys(order))
    if verb == "add" and added and added not in found:
        found.append(added)
    if which not in found:
        return found
    place = found.index(which)
    found.remove(which)
    if verb != "drop":
        found.insert(max(0, place + {"up": -1, "down": 1}.get(verb, 0)), which)
    return found


def affected(row: RoutingPolicy, where: str, keys: Sequence[str]) -> str:
    """Return who is affected when a policy ends, in words."""
    named = ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
    if keys:
        return (
            f"{filters.plural(len(keys), 'key')} route by it: {named}. "
            "It can't be archived before they route otherwise."
        )
    if row.is_default:
        return (
            f"It is the default for: {where}. Keys there that name no policy go on by the default of the "
            "next wider scope, or by their own order. No key names it."
        )
    return "No key names it and it is no default, so nothing changes for anybody."
