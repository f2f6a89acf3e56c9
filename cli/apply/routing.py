"""What a governance file says about routing: policies, and the sections of a key. Applies policies, one at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.apply.entries import Entry
from core.authoring import routing_policies
from core.authoring.actor import Actor
from core.authoring.routing_config import ROUTING_MODES
from core.authoring.routing_policies import SCOPES, STRATEGIES, NewRoutingPolicy


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """A routing policy; ``target`` is the slug of its team or project, empty for the organization."""

    line: int
    name: str
    scope: str
    target: str
    providers: tuple[str, ...]
    strategy: str
    description: str
    models_allowed: tuple[str, ...]
    model_aliases: dict[str, Any]
    is_default: bool


def read_policy(entry: Entry) -> RoutingPolicy:
    """Return the policy that an entry declares."""
    scope, target = entry.scope(SCOPES)
    providers = entry.texts("providers")
    if not providers:
        entry.wrong("providers", "a routing policy needs at least one provider in `providers`")
    return RoutingPolicy(
        entry.line,
        entry.text("name"),
        scope,
        target,
        providers,
        entry.choice("strategy", STRATEGIES, "priority"),
        entry.text("description", ""),
        entry.texts("models_allowed"),
        entry.free("model_aliases"),
        entry.switch("default", False),
    )


def read_key_sections(entry: Entry) -> dict[str, Any]:
    """Return the sections about routing of a key; the policy it names is a reference, and not here."""
    return {
        "model_aliases": entry.free("model_aliases"),
        "models_allowed": list(entry.texts("models_allowed")) or None,
        "routing_mode": entry.choice("routing_mode", ROUTING_MODES, "") or None,
        "fallback": entry.free("fallback"),
    }


def work_of(
    policy: RoutingPolicy, scope_id: str | None, id_of: Callable[[str, str], str | None]
) -> Callable[[Actor, datetime], object] | None:
    """Return what creates or updates a policy; None when something it names was refused itself."""
    provider_ids = [id_of("provider", name) for name in policy.providers]
    known = tuple(provider_id for provider_id in provider_ids if provider_id is not None)
    if scope_id is None or len(known) < len(provider_ids):
        return None
    new = NewRoutingPolicy(
        policy.name,
        policy.scope,
        scope_id,
        known,
        policy.strategy,
        policy.description,
        policy.models_allowed,
        policy.model_aliases,
        policy.is_default,
    )
    policy_id = id_of("routing policy", policy.name)

    def work(actor: Actor, now: datetime) -> object:
        if policy_id is None:
            return routing_policies.create(actor, new, now)
        return routing_policies.update(actor, policy_id, new, now)

    return work
