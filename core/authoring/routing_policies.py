"""Creates, changes and archives routing policies, and says which one applies to a key. Routes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.routing_config import aliases_error, models_error
from core.authoring.scopes import complain_of_home
from core.authoring.validation import Complaints, description_error, name_error, not_found
from core.authoring.versions import hold
from core.changes import Change, ChangeKind
from core.fault import Fault, Refused
from core.ids import new_id
from core.models import Project, Provider, RoutingPolicy, VirtualKey
from rules.strategies import Strategy

SCOPES = ("project", "team", "organization")
"""In the order in which they are looked at: the first that has a default decides."""
STRATEGIES = tuple(strategy.value for strategy in Strategy)
MAX_PROVIDERS = 32
_NO_POLICY_MODES = ("none", "fallback_all")
_KIND = "routing_policy"


@dataclass(frozen=True, slots=True)
class NewRoutingPolicy:
    """A policy as it shall be; ``provider_ids`` are in the order in which they are tried."""

    name: str
    scope: str
    scope_id: str
    provider_ids: Sequence[str]
    strategy: str = Strategy.PRIORITY.value
    description: str = ""
    models_allowed: Sequence[str] = ()
    model_aliases: Mapping[str, Any] = field(default_factory=dict)
    is_default: bool = False


def create(actor: Actor, new: NewRoutingPolicy, now: datetime) -> RoutingPolicy:
    """Create a policy; as the default of its scope it takes the place of the one before. Raises Refused."""
    with change():
        _check(actor, new, own_id="").refuse_any()
        if new.is_default:
            _dethrone(actor, new.scope, new.scope_id, now)
        row = RoutingPolicy.create(
            id=new_id("routing", now),
            organization_id=actor.organization_id,
            created_at=now,
            updated_at=now,
            **_columns(new),
        )
        _record(actor, row, "created", ChangeKind.ROUTING_POLICY_UPDATED, now)
    return row


def differences(row: RoutingPolicy, wanted: NewRoutingPolicy) -> list[str]:
    """Return the names of the fields in which a stored policy differs from the wanted one."""
    return [name for name, value in _columns(wanted).items() if getattr(row, name) != value]


def update(
    actor: Actor,
    policy_id: str,
    wanted: NewRoutingPolicy,
    now: datetime,
    expected: str | None = None,
) -> RoutingPolicy:
    """Make a policy what is wanted; nothing is written when nothing differs. Raises Refused.

    ``expected`` is the version that the change was made from: a newer state raises CONFLICT.
    """
    with change():
        row = find(actor.organization_id, policy_id)
        hold(row, expected, Target("", _KIND, row.id))
        if not differences(row, wanted):
            return row
        complaints = _check(actor, wanted, own_id=row.id)
        is_same = (row.scope, row.scope_id) == (wanted.scope, wanted.scope_id)
        complaints.need(is_same, "scope", "A policy keeps its scope; archive it and make another.")
        complaints.refuse_any()
        if wanted.is_default and not row.is_default:
            _dethrone(actor, row.scope, row.scope_id, now)
        return _changed(actor, row, now, **_columns(wanted))


def set_default(actor: Actor, policy_id: str, now: datetime) -> RoutingPolicy:
    """Make a policy the default of its scope, in the place of the one before. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, policy_id)
        if row.is_default:
            return row
        _dethrone(actor, row.scope, row.scope_id, now)
        return _changed(actor, row, now, is_default=True)


def archive(actor: Actor, policy_id: str, now: datetime) -> RoutingPolicy:
    """End a policy. Raises Refused: NOT_FOUND, CONFLICT while keys name it."""
    with change():
        row = find(actor.organization_id, policy_id)
        keys = keys_naming(row)
        if keys:
            named = ", ".join(keys[:5])
            raise Refused(
                Fault.CONFLICT,
                f"Keys route by this policy: {named}. Let them route otherwise first.",
            )
        before = snapshot(row)
        row.archived_at = row.updated_at = now
        row.save()
        _record(actor, row, "deleted", ChangeKind.ROUTING_POLICY_DELETED, now, before)
    return row


def find(organization_id: str, policy_id: str) -> RoutingPolicy:
    """Return a policy of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = RoutingPolicy.get_or_none(
        RoutingPolicy.id == policy_id,
        RoutingPolicy.organization_id == organization_id,
        RoutingPolicy.archived_at.is_null(),
    )
    if row is None:
        raise not_found("routing policy")
    return row


def all_of(organization_id: str) -> list[RoutingPolicy]:
    """Return the policies of an organization that are not archived, by name."""
    query = RoutingPolicy.select().where(
        RoutingPolicy.organization_id == organization_id, RoutingPolicy.archived_at.is_null()
    )
    return list(query.order_by(RoutingPolicy.name, RoutingPolicy.id))


def keys_naming(policy: RoutingPolicy) -> list[str]:
    """Return the names of the keys that name a policy, revoked ones left out."""
    rows = VirtualKey.select(VirtualKey.name, VirtualKey.config).where(
        VirtualKey.organization_id == policy.organization_id, VirtualKey.status != "revoked"
    )
    return [row.name for row in rows if row.config.get("routing_policy_id") == policy.id]


def applying_to(key: VirtualKey, project: Project) -> RoutingPolicy | None:
    """Return the policy that a key is routed by: the one it names, else the default of the narrowest scope.

    None when there is none, and for keys whose mode is to do without one. One statement.
    """
    return applying_to_each([(key, project)]).get(key.id)


def applying_to_each(placed: Sequence[tuple[VirtualKey, Project]]) -> dict[str, RoutingPolicy]:
    """Return the policies that keys are routed by, by key; for any number of keys, in one statement."""
    routed = [each for each in placed if each[0].config.get("routing_mode") not in _NO_POLICY_MODES]
    if not routed:
        return {}
    named = {key.config["routing_policy_id"] for key, _ in routed if _names(key)}
    rows = RoutingPolicy.select().where(
        RoutingPolicy.organization_id.in_({key.organization_id for key, _ in routed}),
        RoutingPolicy.archived_at.is_null(),
        RoutingPolicy.is_default | RoutingPolicy.id.in_(named),
    )
    by_id, defaults = {}, {}
    for row in rows:
        by_id[row.organization_id, row.id] = row
        if row.is_default:
            defaults[row.organization_id, row.scope, row.scope_id] = row
    found = {}
    for key, project in routed:
        home = key.organization_id
        ids = {"project": project.id, "team": project.team_id, "organization": home}
        choices = [defaults.get((home, scope, ids[scope])) for scope in SCOPES]
        if _names(key):
            choices = [by_id.get((home, key.config["routing_policy_id"]))]
        policy = next((each for each in choices if each is not None), None)
        if policy is not None:
            found[key.id] = policy
    return found


def _names(key: VirtualKey) -> bool:
    return bool(key.config.get("routing_policy_id"))


def _dethrone(actor: Actor, scope: str, scope_id: str, now: datetime) -> None:
    rows = RoutingPolicy.select().where(
        RoutingPolicy.organization_id == actor.organization_id,
        RoutingPolicy.scope == scope,
        RoutingPolicy.scope_id == scope_id,
        RoutingPolicy.is_default,
        RoutingPolicy.archived_at.is_null(),
    )
    for row in rows:
        _changed(actor, row, now, is_default=False)


def _changed(actor: Actor, row: RoutingPolicy, now: datetime, **values: Any) -> RoutingPolicy:
    before = snapshot(row)
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at = now
    row.save()
    _record(actor, row, "updated", ChangeKind.ROUTING_POLICY_UPDATED, now, before)
    return row


def _columns(new: NewRoutingPolicy) -> dict[str, Any]:
    return {
        "name": new.name.strip(),
        "description": new.description,
        "scope": new.scope,
        "scope_id": new.scope_id,
        "strategy": new.strategy,
        "provider_ids": list(new.provider_ids),
        "models_allowed": list(new.models_allowed),
        "model_aliases": dict(new.model_aliases),
        "is_default": new.is_default,
    }


def _check(actor: Actor, new: NewRoutingPolicy, own_id: str) -> Complaints:
    organization_id, complaints = actor.organization_id, Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("description", description_error(new.description))
    complaints.need(
        new.strategy in STRATEGIES, "strategy", f"Choose one of {', '.join(STRATEGIES)}."
    )
    complain_of_home(complaints, organization_id, new.scope, new.scope_id, SCOPES)
    complaints.add("providers", _providers_error(organization_id, new.provider_ids))
    if new.models_allowed:
        complaints.add("models_allowed", models_error(organization_id, new.models_allowed))
    complaints.add("model_aliases", aliases_error(organization_id, new.model_aliases))
    complaints.add(
        "name", taken_error(RoutingPolicy, organization_id, new.name, own_id, "routing policy")
    )
    return complaints


def _providers_error(organization_id: str, provider_ids: Sequence[str]) -> str:
    if not provider_ids:
        return "Choose at least one provider."
    if len(set(provider_ids)) != len(provider_ids) or len(provider_ids) > MAX_PROVIDERS:
        return f"Name each provider once, at most {MAX_PROVIDERS}."
    known = Provider.select().where(
        Provider.id.in_(list(provider_ids)),
        Provider.organization_id == organization_id,
        Provider.archived_at.is_null(),
    )
    return "" if known.count() == len(provider_ids) else "There is no such provider."


def _record(
    actor: Actor,
    row: RoutingPolicy,
    action: str,
    kind: ChangeKind,
    now: datetime,
    before: dict[str, Any] | None = None,
) -> None:
    target = Target(f"gateway.{_KIND}.{action}", _KIND, row.id)
    audited(actor, target, now, before, snapshot(row))
    announced(Change(row.organization_id, kind), now)
