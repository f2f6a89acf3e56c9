"""``/api/governance``: ingestion sources, anomaly rules, what they found, and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from core.authoring import anomalies, anomaly_rules, ingestion_sources
from core.models import Anomaly, AnomalyRule, AuditRow, IngestionSource
from webapp.api.endpoint import Call, ListQuery, Moment, Page, Routes, moment
from webapp.api.paging import page_of
from webapp.api.resource import (
    AwareMoment,
    Permissions,
    Resource,
    columns_of,
    out_of,
    routes_of,
    told,
)
from webapp.api.shared import DATES, GOVERNANCE
from webapp.queries.anomalies import anomaly_of
from webapp.queries.audit_log import AuditFilter, audit_rows, people_of

_SOURCE = Resource(
    noun="ingestion source",
    root=f"{GOVERNANCE}/ingestion-sources",
    tag="Ingestion sources",
    model=IngestionSource,
    permissions=Permissions.managed("ingestionSources"),
    takes=ingestion_sources.NewSource,
    fixed=("type",),
    shown={
        "id": str,
        "name": str,
        "type": str,
        "description": str,
        "team_id": str | None,
        "parser_config": dict[str, Any],
        "status": str,
        "error_count": int,
        "last_event_at": datetime,
        **DATES,
    },
    find=ingestion_sources.find,
    make=lambda call, new: ingestion_sources.create(
        call.actor, new, call.plane.settings.pepper, call.now
    ),
    told_once="ingest_secret",
    alter=lambda call, row, new: ingestion_sources.update(
        call.actor, row.id, new, call.now, call.expected
    ),
    end=lambda call, source_id: ingestion_sources.archive(call.actor, source_id, call.now),
)
_SOURCE_OUT = out_of(_SOURCE)
SOURCES = routes_of(_SOURCE, _SOURCE_OUT)
_MINTED_SOURCE = SOURCES.answer_of("create_ingestion_source")


@SOURCES.post(
    "/<ingestion_source_id>/rotate-secret", "ingestionSources:manage", answer=_MINTED_SOURCE
)
def rotate_source_secret(call: Call, ingestion_source_id: str) -> Any:
    """Give a source a new secret; the old one works for 24 hours more."""
    row, secret = ingestion_sources.rotate(
        call.actor, ingestion_source_id, call.plane.settings.pepper, call.now
    )
    return _MINTED_SOURCE(*told(_SOURCE, _SOURCE_OUT, call, [row]), secret.reveal())


RULES = routes_of(
    Resource(
        noun="anomaly rule",
        root=f"{GOVERNANCE}/anomaly-rules",
        tag="Anomaly rules",
        model=AnomalyRule,
        permissions=Permissions.managed("anomalyRules"),
        takes=anomaly_rules.NewRule,
        hidden=("is_operator",),
        # Addresses of destinations are secrets: a change without new ones keeps those there are.
        stored=lambda row: {
            name: getattr(row, name)
            for name in (
                *("name", "severity", "type", "scope", "scope_id", "threshold", "description"),
            )
        },
        types={"destinations": list[dict[str, Any]] | None},
        shown={
            "id": str,
            "name": str,
            "description": str,
            "severity": str,
            "type": str,
            "scope": str,
            "scope_id": str,
            "threshold": dict[str, Any],
            "status": str,
            **DATES,
        },
        extra=lambda _, rows: [
            {"destination_types": [one["type"] for one in row.destinations]} for row in rows
        ],
        extra_shown={"destination_types": list[str]},
        find=anomaly_rules.find,
        make=lambda call, new: anomaly_rules.create(call.actor, new, call.plane.sealer, call.now),
        alter=lambda call, row, new: anomaly_rules.update(
            call.actor, row.id, new, call.plane.sealer, call.now, call.expected
        ),
        end=lambda call, rule_id: anomaly_rules.archive(call.actor, rule_id, call.now),
    )
)


@RULES.post("/<anomaly_rule_id>/enable", "anomalyRules:manage")
def enable_anomaly_rule(call: Call, anomaly_rule_id: str) -> None:
    """Let a rule watch again."""
    anomaly_rules.set_status(call.actor, anomaly_rule_id, "active", call.now)


@RULES.post("/<anomaly_rule_id>/disable", "anomalyRules:manage")
def disable_anomaly_rule(call: Call, anomaly_rule_id: str) -> None:
    """Let a rule rest."""
    anomaly_rules.set_status(call.actor, anomaly_rule_id, "disabled", call.now)


class AnomalyOut(msgspec.Struct, kw_only=True):
    """What a rule found."""

    id: str
    rule_id: str
    rule_name: str
    rule_type: str
    severity: str
    source_label: str
    window_start: Moment
    window_end: Moment
    spend_nanousd: int | None
    event_count: int | None
    detail: dict[str, Any]
    state: str
    detected_at: Moment
    acknowledged_at: Moment | None
    acknowledged_by_id: str | None
    resolved_at: Moment | None
    resolved_by_id: str | None


class AnomalyQuery(ListQuery, kw_only=True):
    """Which anomalies a list shows."""

    state: str = ""
    rule_id: str = ""


ANOMALIES = Routes("Anomalies", f"{GOVERNANCE}/anomalies")


@ANOMALIES.get("", "activityMonitor:view")
def list_anomalies(call: Call, query: AnomalyQuery) -> Page[AnomalyOut]:
    """List what the rules found."""
    rows = Anomaly.select().where(Anomaly.organization_id == call.organization_id)
    if query.state:
        rows = rows.where(Anomaly.state == query.state)
    if query.rule_id:
        rows = rows.where(Anomaly.rule_id == query.rule_id)
    return page_of(query, rows, Anomaly.id, lambda found: [*map(_anomaly, found)], "anomalies")


@ANOMALIES.get("/<anomaly_id>", "activityMonitor:view")
def get_anomaly(call: Call, anomaly_id: str) -> AnomalyOut:
    """Read an anomaly."""
    return _anomaly(anomaly_of(call.organization_id, anomaly_id))


@ANOMALIES.post("/<anomaly_id>/acknowledge", "anomalyRules:manage")
def acknowledge_anomaly(call: Call, anomaly_id: str) -> AnomalyOut:
    """Note that somebody looks at an anomaly."""
    return _anomaly(anomalies.acknowledge(call.actor, anomaly_id, call.now))


@ANOMALIES.post("/<anomaly_id>/resolve", "anomalyRules:manage")
def resolve_anomaly(call: Call, anomaly_id: str) -> AnomalyOut:
    """Note that an anomaly is dealt with."""
    return _anomaly(anomalies.resolve(call.actor, anomaly_id, call.now))


def _anomaly(row: Anomaly) -> AnomalyOut:
    return AnomalyOut(**columns_of(row, AnomalyOut.__struct_fields__))


class AuditOut(msgspec.Struct, kw_only=True):
    """One administrative change; ``hash`` covers it and the one before it."""

    id: int
    created_at: Moment
    actor_id: str
    actor_email: str | None
    action: str
    target_kind: str
    target_id: str
    surface: str
    ip_address: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    previous_hash: str
    hash: str


class AuditQuery(ListQuery, kw_only=True):
    """Which changes a list shows: by person, part of an action's code, what was changed, project, and from when on."""

    who: Annotated[str, msgspec.Meta(max_length=200)] = ""
    action: Annotated[str, msgspec.Meta(max_length=200)] = ""
    target_kind: Annotated[str, msgspec.Meta(max_length=200)] = ""
    target_id: Annotated[str, msgspec.Meta(max_length=200)] = ""
    project_id: Annotated[str, msgspec.Meta(max_length=200)] = ""
    since: AwareMoment | None = None


AUDIT = Routes("Audit log", f"{GOVERNANCE}/audit-log")


@AUDIT.get("", "auditLog:view")
def list_audit_log(call: Call, query: AuditQuery) -> Page[AuditOut]:
    """List administrative changes."""
    target = (query.target_kind, query.target_id)
    wanted = AuditFilter(query.who, query.action, *target, query.since, query.project_id)
    rows = audit_rows(call.organization_id, wanted)
    return page_of(query, rows, AuditRow.id, _changes, "audit-log")


def _changes(rows: list[AuditRow]) -> list[AuditOut]:
    people = people_of(rows)
    own = [name for name in AuditOut.__struct_fields__ if name not in ("created_at", "actor_email")]
    return [
        AuditOut(
            **columns_of(row, own),
            created_at=moment(row.created_at) or "",
            actor_email=people.get(row.actor_id),
        )
        for row in rows
    ]
