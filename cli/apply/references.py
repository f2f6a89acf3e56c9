"""Which names a governance file uses and which it declares. Looks nothing up."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from cli.apply import checks, privacy
from cli.apply.identity import Identity, names_in
from cli.apply.routing import RoutingPolicy
from cli.apply.shape import TARGETS, Budget, Document, Rule


@dataclass(frozen=True, slots=True)
class Reference:
    """A name on one line that must exist: its kind is a word such as ``team``."""

    line: int
    kind: str
    name: str


def references(document: Document) -> Iterable[Reference]:
    """Return every reference that the file makes."""
    for told in identities(document):
        for kind, name in names_in(told):
            yield Reference(told.line, kind, name)
    for key in document.virtual_keys:
        yield Reference(key.line, "project", key.project)
        if key.principal:
            yield Reference(key.line, "user", key.principal)
        for provider in key.providers:
            yield Reference(key.line, "provider", provider)
        if key.routing_policy:
            yield Reference(key.line, "routing policy", key.routing_policy)
        for name in checks.guardrail_names(key.config):
            yield Reference(key.line, checks.GUARDRAIL, name)
    for source in document.ingestion_sources:
        if source.team:
            yield Reference(source.line, "team", source.team)
    for policy in document.routing_policies:
        for provider in policy.providers:
            yield Reference(policy.line, "provider", provider)
    for rule in document.cache_rules:
        for kind, name in checks.names_in(rule):
            yield Reference(rule.line, kind, name)
    for each in document.privacy_rules:
        for kind, name in privacy.names_in(each):
            yield Reference(each.line, kind, name)
    for budget in document.budgets:
        if budget.provider:
            yield Reference(budget.line, "provider", budget.provider)
    scopes: list[Budget | Rule | RoutingPolicy | checks.Checked]
    scopes = [*document.budgets, *document.anomaly_rules, *document.routing_policies]
    scopes += document.checks_before_keys
    for scoped in scopes:
        if scoped.scope in TARGETS:
            yield Reference(scoped.line, TARGETS[scoped.scope], scoped.target)


def identities(document: Document) -> Iterable[Identity]:
    """Return every entry about people and what they are."""
    return chain(
        document.users,
        document.teams,
        document.projects,
        document.groups,
        document.role_bindings,
        document.invitations,
    )


def declared(document: Document) -> dict[str, set[str]]:
    """Return the names that the file declares, by the kind a reference uses."""
    return {
        "team": {t.slug for t in document.teams},
        "project": {p.slug for p in document.projects},
        "user": {u.email for u in document.users},
        "department": {d.name for d in document.departments},
        "custom role": {r.name for r in document.custom_roles},
        "group": {g.name for g in document.groups},
        "service account": {a.name for a in document.service_accounts},
        "provider": {p.name for p in document.providers},
        "routing policy": {p.name for p in document.routing_policies},
        checks.GUARDRAIL: {g.name for g in document.guardrails},
        "virtual key": {k.name for k in document.virtual_keys},
        "ingestion source": {s.name for s in document.ingestion_sources},
    }
