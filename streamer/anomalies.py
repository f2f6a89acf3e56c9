"""Evaluates the anomaly rules: measures in the lake, decides by ``rules``, raises and resolves anomalies.

Sending is the alerts' work: an anomaly and its deliveries are written in one transaction.
"""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from peewee import IntegrityError

from core.authoring import destinations
from core.clock import isoformat
from core.database import connection, transaction
from core.ids import new_id
from core.lake import LakeReader
from core.lake.activity import window_spend
from core.models import (
    AlertDelivery,
    Anomaly,
    AnomalyRule,
    IngestionSource,
    Organization,
    Project,
    Team,
)
from core.sealing import delivery_purpose
from core.secrets import Sealer, SealError
from rules import anomaly_rules
from rules.anomaly_rules import Decision, Measured, Span, SpendSpike
from streamer.alerts.payload import alert_payload, usd_text

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule measured when it fired."""

    rule: SpendSpike
    window: Span
    measured: Measured


def evaluate_all(reader: LakeReader, sealer: Sealer, now: datetime) -> dict[str, int]:
    """Evaluate every active rule; return how many came to each decision. One that fails stops no other."""
    with connection():
        query = AnomalyRule.select().where(
            AnomalyRule.status == "active", AnomalyRule.archived_at.is_null()
        )
        rules = list(query.order_by(AnomalyRule.id))
    decisions: Counter[str] = Counter()
    for rule in rules:
        try:
            decisions[evaluate(rule, reader, sealer, now).value] += 1
        except Exception:  # the rules' edge: one tenant's rule must not silence another's
            LOG.exception("rule_failed", extra={"rule_id": rule.id})
            decisions["failed"] += 1
    return dict(decisions)


def evaluate(rule: AnomalyRule, reader: LakeReader, sealer: Sealer, now: datetime) -> Decision:
    """Evaluate one rule and do what follows; return the decision."""
    if anomaly_rules.threshold_errors(rule.type, rule.threshold):
        LOG.warning("rule_invalid", extra={"rule_id": rule.id, "rule_type": rule.type})
        return Decision.SKIP_INVALID_CONFIG
    threshold = anomaly_rules.spend_spike(rule.threshold)
    window = anomaly_rules.current_window(threshold, now)
    measured = measure(rule, threshold, reader, now)
    decision = anomaly_rules.judge_spend_spike(threshold, measured)
    with connection():
        if decision is not Decision.FIRE:
            _calm_down(rule, now)
            return decision
        if _is_known(rule, window):
            _stay_awake(rule)
            return Decision.SKIP_DEDUP
        with transaction():
            return _raise(rule, Finding(threshold, window, measured), sealer, now)


def measure(
    rule: AnomalyRule, threshold: SpendSpike, reader: LakeReader, now: datetime
) -> Measured:
    """Return what the rule's scope spent now and in the baseline."""
    scope = (rule.scope, rule.scope_id)
    window = anomaly_rules.current_window(threshold, now)
    current = window_spend(reader, rule.organization_id, scope, window.start, window.end)
    span, windows = anomaly_rules.baseline_span(threshold, now)
    baseline = window_spend(reader, rule.organization_id, scope, span.start, span.end)
    return Measured(current.spend_nanousd, current.requests, baseline.spend_nanousd // windows)


def _is_known(rule: AnomalyRule, window: Span) -> bool:
    """A rule rests for one window after it fired, unless a person resolved what it found."""
    recent = Anomaly.select().where(
        Anomaly.rule_id == rule.id,
        Anomaly.window_end >= window.start,
        (Anomaly.state != "resolved") | Anomaly.resolved_by_id.is_null(),
    )
    return bool(recent.exists())


def _raise(rule: AnomalyRule, finding: Finding, sealer: Sealer, now: datetime) -> Decision:
    try:
        targets, dispatch = destinations.opened(rule, sealer), "pending"
    except SealError:
        LOG.warning("destinations_unreadable", extra={"rule_id": rule.id})
        targets, dispatch = [], "log_only_invalid_config"
    anomaly = _anomaly(rule, finding, now)
    anomaly.detail["dispatch"] = dispatch if targets or dispatch != "pending" else "log_only"
    anomaly.detail["payload"] = alert_payload(anomaly, "")
    try:
        with transaction():
            anomaly.save(force_insert=True)
    except IntegrityError:
        return Decision.SKIP_DEDUP
    for target in targets:
        AlertDelivery.create(
            organization_id=rule.organization_id,
            anomaly_id=anomaly.id,
            destination_type=target["type"],
            sealed_destination=sealer.seal(
                orjson.dumps(target).decode(), delivery_purpose(anomaly.id)
            ),
            due_at=now,
        )
    LOG.warning("anomaly_raised", extra={"anomaly_id": anomaly.id, "rule_id": rule.id})
    return Decision.FIRE


def _anomaly(rule: AnomalyRule, finding: Finding, now: datetime) -> Anomaly:
    measured = finding.measured
    ratio = (
        round(measured.current_nanousd / measured.baseline_nanousd, 4)
        if measured.baseline_nanousd
        else None
    )
    detail: dict[str, Any] = {
        "scope": rule.scope,
        "scopeId": rule.scope_id,
        "windowSec": finding.rule.window // timedelta(seconds=1),
        "currentSpendUsd": usd_text(measured.current_nanousd),
        "baselineSpendUsd": usd_text(measured.baseline_nanousd),
        "ratio": ratio,
        "reason": anomaly_rules.spend_spike_reason(finding.rule, measured),
        "evaluatedAtIso": isoformat(now),
    }
    return Anomaly(
        id=new_id("anomaly", now),
        organization_id=rule.organization_id,
        rule_id=rule.id,
        rule_name=rule.name,
        rule_type=rule.type,
        severity=rule.severity,
        source_label=scope_label(rule),
        window_start=finding.window.start,
        window_end=finding.window.end,
        spend_nanousd=measured.current_nanousd,
        event_count=measured.current_requests,
        detail=detail,
        detected_at=now,
    )


def scope_label(rule: AnomalyRule) -> str:
    """Return the name of what a rule watches, for people."""
    if rule.scope == "source_type":
        return rule.scope_id
    models: dict[str, Any] = {
        "organization": Organization,
        "team": Team,
        "project": Project,
        "source": IngestionSource,
    }
    row = models[rule.scope].get_or_none(models[rule.scope].id == rule.scope_id)
    return rule.scope_id if row is None else str(row.name)


def _unresolved(rule: AnomalyRule) -> list[Anomaly]:
    query = Anomaly.select().where(Anomaly.rule_id == rule.id, Anomaly.state != "resolved")
    return list(query.order_by(Anomaly.id))


def _stay_awake(rule: AnomalyRule) -> None:
    for anomaly in _unresolved(rule):
        if anomaly.detail.get("quietEvaluations"):
            detail = anomaly.detail | {"quietEvaluations": 0}
            Anomaly.update(detail=detail).where(Anomaly.id == anomaly.id).execute()


def _calm_down(rule: AnomalyRule, now: datetime) -> None:
    """Count a quiet evaluation on what is unresolved, and resolve it after enough of them in a row."""
    for anomaly in _unresolved(rule):
        quiet = anomaly.detail.get("quietEvaluations", 0) + 1
        values: dict[str, Any] = {"detail": anomaly.detail | {"quietEvaluations": quiet}}
        if quiet >= anomaly_rules.QUIET_EVALUATIONS:
            values |= {"state": "resolved", "resolved_at": now}
            values["detail"]["resolution"] = "spend returned below the threshold"
            LOG.info("anomaly_resolved", extra={"anomaly_id": anomaly.id, "rule_id": rule.id})
        guard = (Anomaly.id == anomaly.id) & (Anomaly.state == anomaly.state)
        Anomaly.update(**values).where(guard).execute()
