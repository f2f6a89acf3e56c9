"""What a call leaves behind besides its ledger row: counts and a log line. Books nothing, tells the client nothing.

The one place that reads what the stages noted of a call for the metrics, so that a stage counts nothing itself.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any

from core.fault import Fault
from proxy import metric_table as table
from proxy.access_log import Entry
from proxy.gateway import Gateway
from proxy.metrics import OTHER, UNKNOWN, Metrics, Tally, add_seconds
from proxy.pipeline.attempts import NETWORK, REFUSED, STOPPED, SUCCESS, TIMEOUT
from proxy.pipeline.beginnings import NOT_FOUND, RATE_LIMIT, SERVER_ERROR
from proxy.pipeline.call import Call, Outcome
from proxy.pipeline.identity import Identity
from proxy.pipeline.lanes import Lane
from proxy.routes import Route, Serves
from rules.guardrails.matches import Verdict

LEFT_STATUS = 499
"""What the metrics call an answer whose client left before it had a status."""
_KEY_FAULTS = frozenset(
    {
        Fault.MISSING_API_KEY,
        Fault.INVALID_API_KEY,
        Fault.VIRTUAL_KEY_REVOKED,
        Fault.VIRTUAL_KEY_DISABLED,
        Fault.VIRTUAL_KEY_EXPIRED,
    }
)
_LEVELS = {
    Outcome.COMPLETED: logging.INFO,
    Outcome.CANCELLED: logging.INFO,
    Outcome.TRUNCATED: logging.WARNING,
    Outcome.FAILED: logging.WARNING,
}
_COMPLETED = Outcome.COMPLETED
_WORDS = {
    Outcome.COMPLETED: SUCCESS,
    Outcome.CANCELLED: STOPPED,
    Outcome.TRUNCATED: str(Outcome.TRUNCATED),
}
_SILENT = frozenset({Serves.ALIVE, Serves.READY, Serves.STARTED, Serves.STATUS, Serves.METRICS})
"""Asked every few seconds by machines; they are counted, and no line is written."""


def record(gateway: Gateway, call: Call) -> None:
    """Count a call that is over and note it in the access log."""
    metrics, seconds = gateway.metrics, time.monotonic() - call.begun
    status, outcome = call.status or LEFT_STATUS, call.outcome
    if outcome is not _COMPLETED or not _tallied(gateway, call, seconds):
        _count(gateway, call, status, seconds)
    if call.facts:
        _count_facts(metrics, call.facts)
    if call.refused is not None:
        _count_refusal(metrics, call)
    level = _LEVELS.get(outcome or Outcome.FAILED, logging.INFO)
    if call.refused is not None and outcome is not Outcome.TRUNCATED:
        level = call.refused.fault.level
    if level >= gateway.access.level:
        gateway.access.add(_entry(gateway, call, level, status, seconds))


def record_own_answer(
    gateway: Gateway, method: str, route: Route | None, status: int, identity: Identity
) -> None:
    """Count what the gateway answered by itself; all but probes get a line as well."""
    path = OTHER if route is None else route.path
    gateway.metrics.count(table.REQUESTS, (path, str(status), UNKNOWN, UNKNOWN))
    if route is not None and route.serves in _SILENT:
        return
    gateway.access.add(
        Entry(
            logging.INFO,
            gateway.now_s(),
            method,
            path,
            status,
            0.0,
            identity.request_id,
            identity.trace_id,
            identity.span_id,
        )
    )


def _tallied(gateway: Gateway, call: Call, seconds: float) -> bool:
    """Count a completed call with those that are like it, and say whether that could be done."""
    lane, reading = call.lane, None if call.meter is None else call.meter.reading
    if lane is None or reading is None or reading.usage is None or not call.is_dispatched:
        return False
    if "attempts" in call.facts:
        return False
    metrics, key = gateway.metrics, (call.route.path, call.status, lane.binding.id, call.model)
    tally = metrics.tallies.get(key) or metrics.tally(key, lambda: _new_tally(metrics, call, lane))
    if tally is None:
        return False
    tally.calls += 1
    tally.sent += 1
    if call.told_counts().cache_read_tokens:
        tally.hits += 1
    else:
        tally.misses += 1
    add_seconds(tally.seconds, seconds)
    add_seconds(tally.provider_seconds, gateway.now_s() - call.admitted_s)
    return True


def _new_tally(metrics: Metrics, call: Call, lane: Lane) -> Tally:
    path, provider, account = call.route.path, lane.binding.type, lane.binding.id
    model = metrics.model_label(call.model, is_real=True)
    series = (
        (table.REQUESTS, (path, str(call.status), provider, model)),
        (table.ATTEMPTS, (account, SUCCESS)),
        (table.CACHE_HITS, ("hit",)),
        (table.CACHE_HITS, ("miss",)),
    )
    seconds = metrics.cell(table.REQUEST_SECONDS, (path, provider))
    return Tally(series, seconds, metrics.cell(table.PROVIDER_SECONDS, (provider, model)))


def _count(gateway: Gateway, call: Call, status: int, seconds: float) -> None:
    metrics, lane = gateway.metrics, call.lane
    provider = UNKNOWN if lane is None else lane.binding.type
    model = metrics.model_label(call.model, call.outcome is Outcome.COMPLETED)
    metrics.count(table.REQUESTS, (call.route.path, str(status), provider, model))
    metrics.observe(table.REQUEST_SECONDS, (call.route.path, provider), seconds)
    if call.is_dispatched:
        _count_sending(metrics, call, provider, model, gateway.now_s() - call.admitted_s)


def _count_sending(metrics: Metrics, call: Call, provider: str, model: str, seconds: float) -> None:
    metrics.observe(table.PROVIDER_SECONDS, (provider, model), seconds)
    if "attempts" not in call.facts:
        metrics.count(table.ATTEMPTS, (call.required_lane().binding.id, _only_attempt(call)))
    if call.outcome is Outcome.COMPLETED:
        read_tokens = call.told_counts().cache_read_tokens
        metrics.count(table.CACHE_HITS, ("hit" if read_tokens else "miss",))
        reading = None if call.meter is None else call.meter.reading
        if call.ask.is_streamed and (reading is None or reading.usage is None):
            metrics.count(table.USAGE_MISSING, (provider, model))


def _only_attempt(call: Call) -> str:
    """Return what became of the one attempt of a call, in the words of a chain's attempts."""
    if call.outcome in _WORDS:
        return _WORDS[call.outcome]
    if call.refused is not None:
        return TIMEOUT if call.refused.fault is Fault.UPSTREAM_TIMEOUT else NETWORK
    status = call.status or 0
    if status >= 500:
        return SERVER_ERROR
    return {404: NOT_FOUND, 429: RATE_LIMIT}.get(status, REFUSED)


def _count_facts(metrics: Metrics, facts: Mapping[str, Any]) -> None:
    before = ""
    for attempt in facts.get("attempts", ()):
        account = str(attempt.get("provider_id") or UNKNOWN)
        metrics.count(table.ATTEMPTS, (account, str(attempt.get("outcome") or UNKNOWN)))
        if before:
            metrics.count(table.FALLBACKS, (before, account))
        before = account
    for verdict in facts.get("guardrails", ()):
        labels = (str(verdict.get("direction")), _verdict_label(verdict))
        metrics.count(table.GUARDRAIL_VERDICTS, labels)
    for block in facts.get("policy_blocked", ()):
        metrics.count(table.POLICY_BLOCKS, (str(block.get("dimension")),))
    if rule_id := facts.get("cache_rule_id"):
        labels = (str(rule_id), str(facts.get("cache_mode") or UNKNOWN))
        metrics.count(table.CACHE_RULE_HITS, labels)


def _verdict_label(verdict: Mapping[str, Any]) -> str:
    """Return what dashboards call a verdict: a pass is ``allow``, and a failure let through ``fail_open``."""
    said = verdict.get("verdict")
    if said == Verdict.PASS:
        return "allow"
    if said == Verdict.ERROR and verdict.get("fail_open"):
        return "fail_open"
    return str(said)


def _count_refusal(metrics: Metrics, call: Call) -> None:
    refused = call.refused
    if refused is None or call.outcome is not Outcome.REFUSED or refused.fault in _KEY_FAULTS:
        return
    vk_id = UNKNOWN if call.plan is None else call.plan.bundle.vk_id
    fault = refused.fault
    if fault is Fault.RATE_LIMIT_EXCEEDED:
        dimension = str(refused.facts.get("dimension") or UNKNOWN)
        metrics.count(table.RATE_LIMIT_DENIED, (dimension, vk_id))
        return
    if fault is Fault.BUDGET_EXCEEDED:
        metrics.count(table.BUDGET_BLOCKS, (str(refused.facts.get("scope") or UNKNOWN),))
    if fault is Fault.LEDGER_FULL:
        metrics.count(table.SPOOL_DROPPED, ("intake",))
    metrics.count(table.CLIENT_REJECTS, (fault.code, vk_id))


def _entry(gateway: Gateway, call: Call, level: int, status: int, seconds: float) -> Entry:
    identity = call.identity
    organization_id = project_id = vk_id = ""
    if call.plan is not None:
        bundle = call.plan.bundle
        organization_id, project_id, vk_id = (
            bundle.organization_id,
            bundle.project_id,
            bundle.vk_id,
        )
    return Entry(
        level,
        gateway.now_s(),
        "POST",
        call.route.path,
        status,
        seconds,
        identity.request_id,
        identity.trace_id,
        identity.span_id,
        organization_id,
        project_id,
        vk_id,
        "" if call.lane is None else call.lane.binding.type,
        call.model or call.ask.model,
        str(call.outcome or Outcome.FAILED),
        call.code,
    )
