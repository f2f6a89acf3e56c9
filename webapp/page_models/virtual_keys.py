"""What the virtual-key pages show: rows of the list, and one key with its chain, its settings and its use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.lake.keys import ModelDay
from core.models import Project, Provider, RoutingPolicy, User, VirtualKey
from rules.activity_events import ActivityEvent
from rules.provider_types import TYPES
from webapp import charts, filters
from webapp.page_models.budgets import BudgetRow
from webapp.page_models.connecting import Snippet
from webapp.page_models.key_config_text import RATES
from webapp.page_models.settings_pages import Action, Cell, Row

HERE = "/settings/virtual-keys"
USAGE_DAYS = 30
CALLS = 10
USAGE, LOGS, BUDGETS = "gatewayUsage:view", "gatewayLogs:view", "gatewayBudgets:view"
COLUMNS = ("Key", "Belongs to", "Status", "Spent this month", "Last used")
STATUS_LABELS = {
    "in-use": "In use",
    "active": "Active",
    "disabled": "Disabled",
    "expired": "Expired",
    "revoked": "Revoked",
    "all": "All",
}
_TONES = {"active": "positive", "disabled": "warning", "expired": "warning", "revoked": "critical"}
_TAGS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class May:
    """What the viewer may do to one key."""

    update: bool = False
    rotate: bool = False
    delete: bool = False


@dataclass(frozen=True, slots=True)
class Sees:
    """Which panels of one key the viewer holds the permission for."""

    usage: bool
    calls: bool
    budgets: bool


@dataclass(frozen=True, slots=True)
class Link:
    """One provider of a chain: its badge, its name, its type."""

    badge: str
    name: str
    type: str
    is_gone: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """Thirty days of a key."""

    spent: str
    requests: int
    average: str
    chart: charts.DayChart
    models: tuple[charts.Bar, ...]


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One key."""

    row: VirtualKey
    state: str
    tone: str
    facts: tuple[tuple[str, str], ...]
    chain: tuple[Link, ...]
    routed_by: str
    settings: tuple[tuple[str, str], ...]
    usage: Usage
    calls: Sequence[ActivityEvent]
    budgets: tuple[BudgetRow, ...]
    may: May
    sees: Sees
    looks_at: str
    """The name of another person whose calls it shows, or an empty string."""
    grace_until: datetime | None
    now: datetime

    @property
    def path(self) -> str:
        return f"{HERE}/{self.row.id}"

    @property
    def is_revoked(self) -> bool:
        return bool(self.row.status == "revoked")


@dataclass(frozen=True, slots=True)
class SecretPage:
    """A secret in the one answer that holds it, with what each tool needs of it."""

    title: str
    caption: str
    secret: str
    snippets: Sequence[Snippet]
    back: str
    grace: str = ""
    as_page: bool = True


def state_of(row: VirtualKey, now: datetime) -> tuple[str, str]:
    """Return a key's state in one word and its tone; a key past its date is expired."""
    is_over = row.status != "revoked" and row.expires_at is not None and row.expires_at <= now
    state = "expired" if is_over else row.status
    return state.capitalize(), _TONES.get(state, "")


def list_row(
    row: VirtualKey,
    project: Project | None,
    person: User | None,
    spent_nanousd: int | None,
    may: May,
    now: datetime,
) -> Row:
    """Return a key as a row of the list; without an amount its reader may not know it."""
    state, tone = state_of(row, now)
    more = len(row.tags) - _TAGS_SHOWN
    tags = [(tag, "") for tag in row.tags[:_TAGS_SHOWN]] + ([(f"+{more}", "")] if more > 0 else [])
    expires = ""
    if row.expires_at is not None and row.status != "revoked":
        verb = "Expired" if row.expires_at <= now else "Expires"
        expires = f"{verb} {row.expires_at:%Y-%m-%d}"
    home = "Own workspace" if project and project.is_personal else project.name if project else ""
    cells = (
        Cell(row.name, href=f"{HERE}/{row.id}", note=f"{row.display_prefix}…", badges=tuple(tags)),
        Cell(person.name, note=home) if person else Cell(home, note="Service"),
        Cell(state, "badge", tone, note=expires),
        Cell("–", note=f"Needs {USAGE}")
        if spent_nanousd is None
        else Cell(filters.money(spent_nanousd)),
        Cell("Never", "time", moment=row.last_used_at),
    )
    return Row(row.id, cells, row_actions(row, may, HERE), is_off=row.status == "revoked")


def row_actions(row: VirtualKey, may: May, path: str) -> tuple[Action, ...]:
    """Return what may be done to a key from a list; ``path`` is where its address begins."""
    if row.status == "revoked":
        return ()
    here, found = f"{path}/{row.id}", []
    if may.update:
        found.append(Action("pencil", f"Edit {row.name}", f"{here}/edit"))
    if may.rotate:
        found.append(
            Action("rotate", f"Rotate {row.name}", post=f"{here}/rotate", title=f"Rotate {row.name}?",
                   body="It gets a new secret, shown once. The secret of now works for 24 hours more.",
                   yes="Rotate", is_danger=False, opens_drawer=True)
        )  # fmt: skip
    if may.update and row.status == "active":
        found.append(
            Action("pause", f"Disable {row.name}", post=f"{here}/disable", title=f"Disable {row.name}?",
                   body="Its calls are refused until somebody enables it again.", yes="Disable")
        )  # fmt: skip
    elif may.update:
        found.append(Action("play", f"Enable {row.name}", post=f"{here}/enable"))
    if may.delete:
        found.append(
            Action("x", f"Revoke {row.name}", post=f"{here}/revoke", title=f"Revoke {row.name}?",
                   body="Whatever uses it is refused within two seconds, and its budgets end. "
                        "This can't be undone.", yes="Revoke")
        )  # fmt: skip
    return tuple(found)


def chain_of(provider_ids: Sequence[str], known: Mapping[str, Provider]) -> tuple[Link, ...]:
    """Return a chain with the badge of each place."""
    found = []
    for place, provider_id in enumerate(provider_ids):
        badge = "primary" if place == 0 else f"fallback-{place}"
        row = known.get(provider_id)
        if row is None:
            found.append(Link(badge, provider_id, "", True))
        else:
            label = TYPES[row.type].label if row.type in TYPES else row.type
            found.append(Link(badge, row.name, label, row.archived_at is not None))
    return tuple(found)


def routed_by(row: VirtualKey, policy: RoutingPolicy | None) -> str:
    """Return how a key's calls find their provider, in a sentence."""
    if policy is not None:
        return f"The routing policy {policy.name} decides the order; strategy {policy.strategy}."
    if row.config.get("routing_mode") == "none":
        return "Its first provider serves; nothing steps in."
    return "In this order: the first that has the model serves, the next steps in when it fails."


def facts_of(
    row: VirtualKey, project: Project | None, person: User | None
) -> tuple[tuple[str, str], ...]:
    """Return who a key is."""
    found = [
        ("Prefix", f"{row.display_prefix}…"),
        ("Project", project.name if project else row.project_id),
        ("Belongs to", f"{person.name} ({person.email})" if person else "A service"),
        ("Created", filters.stamp(row.created_at)),
        ("Last used", filters.stamp(row.last_used_at) if row.last_used_at else "Never"),
        ("Expires", filters.stamp(row.expires_at) if row.expires_at else "Never"),
    ]
    if row.revoked_at:
        found.append(("Revoked", filters.stamp(row.revoked_at)))
    if row.description:
        found.append(("Description", row.description))
    return tuple(found)


def settings_of(
    config: Mapping[str, Any], guardrails: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return what is set in a key's configuration, in words; ``guardrails`` are labels by ``direction:id``."""
    found: list[tuple[str, str]] = []
    for rate, amount in config.get("rate_limits", {}).items():
        found.append((RATES.get(rate, rate), f"{amount:,}"))
    if config.get("models_allowed"):
        found.append(("Allowed models", ", ".join(config["models_allowed"])))
    for alias, meant in config.get("model_aliases", {}).items():
        text = meant if isinstance(meant, str) else ", ".join(f"{p}/{m}" for p, m in meant.items())
        found.append((f"Alias {alias}", text))
    if attempts := config.get("fallback", {}).get("max_attempts"):
        found.append(("Providers tried for a call", str(attempts)))
    cache = config.get("cache", {})
    if cache.get("mode"):
        found.append(("Prompt cache", cache["mode"].capitalize()))
    if cache.get("responses"):
        found.append(("Kept answers", f"For {cache['responses']['ttl_seconds']} seconds"))
    for direction, ids in config.get("guardrails", {}).items():
        labels = [guardrails.get(f"{direction}:{each}", each) for each in ids]
        found.append(("Guardrails", "; ".join(labels)))
    for dimension in config.get("policy_rules", {}):
        found.append(("Policy rules", f"On {dimension}"))
    if config.get("capture"):
        found.append(("Kept of prompts and answers", config["capture"].capitalize()))
    return tuple(found)


def usage_of(rows: Sequence[ModelDay], now: datetime) -> Usage:
    """Return thirty days of a key, with days without a call."""
    days = [(now - timedelta(days=back)).date() for back in range(USAGE_DAYS - 1, -1, -1)]
    place = {day: index for index, day in enumerate(days)}
    by_model: dict[str, list[int]] = {}
    for row in rows:
        if row.day in place:
            amounts = by_model.setdefault(row.model or "No model named", [0] * len(days))
            amounts[place[row.day]] += row.spend_nanousd
    spent = sum(row.spend_nanousd for row in rows)
    requests = sum(row.requests for row in rows)
    series = [charts.Series(name, tuple(each)) for name, each in by_model.items() if any(each)]
    return Usage(
        filters.money(spent),
        requests,
        filters.call_cost(spent // requests) if requests else "—",
        charts.stacked_days(days, series, filters.money, filters.money_axis),
        charts.ranked_bars([(n, sum(each)) for n, each in by_model.items()], filters.money),
    )
