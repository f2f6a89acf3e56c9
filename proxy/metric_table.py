"""The one table of metrics: name, kind, labels, meaning. Counts nothing; the manual's page is made from it."""

import enum
from typing import NamedTuple

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of every duration histogram, in seconds."""
FOLDED = frozenset(
    {"model", "vk_id", "credential_id", "from_credential", "to_credential", "rule_id"}
)
"""Labels whose values tenants bring about; beyond a metric's bound they become ``other``."""
MAX_SERIES = 2000


class Kind(enum.Enum):
    """How a metric behaves, in the words of the exposition format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One row of the table."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


def _counter(name: str, labels: str, text: str) -> Metric:
    return Metric(name, Kind.COUNTER, tuple(labels.split()), text)


def _gauge(name: str, labels: str, text: str) -> Metric:
    return Metric(name, Kind.GAUGE, tuple(labels.split()), text)


def _histogram(name: str, labels: str, text: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, tuple(labels.split()), text)


REQUESTS = "gateway_http_requests_total"
REQUEST_SECONDS = "gateway_http_request_duration_seconds"
PROVIDER_SECONDS = "gateway_provider_duration_seconds"
ATTEMPTS = "gateway_provider_attempts_total"
CIRCUITS = "gateway_circuit_state"
FALLBACKS = "gateway_fallback_events_total"
BUDGET_BLOCKS = "gateway_budget_blocks_total"
CACHE_HITS = "gateway_cache_hits_total"
CACHE_RULE_HITS = "gateway_cache_rule_hits_total"
GUARDRAIL_VERDICTS = "gateway_guardrail_verdicts_total"
POLICY_BLOCKS = "gateway_policy_blocks_total"
RATE_LIMIT_DENIED = "gateway_rate_limit_denied_total"
CLIENT_REJECTS = "gateway_client_rejects_total"
USAGE_MISSING = "gateway_streaming_usage_missing_total"
LINK_SECONDS = "gateway_internal_rtt_seconds"
LINK_REQUESTS = "gateway_control_plane_requests_total"
SPOOL_DROPPED = "gateway_spend_spool_dropped_total"

TABLE: tuple[Metric, ...] = (
    _counter(REQUESTS, "route status provider model", "Requests answered."),
    _histogram(REQUEST_SECONDS, "route provider", "From the request's head to the answer's end."),
    _gauge("gateway_in_flight_requests", "", "Calls under way."),
    _gauge("gateway_streaming_active", "", "Streamed answers being passed on."),
    _gauge("gateway_draining", "", "Workers that are stopping."),
    _histogram(
        PROVIDER_SECONDS, "provider model", "From sending to a provider to its answer's end."
    ),
    _counter(
        ATTEMPTS,
        "credential_id outcome",
        "Requests sent to a provider account, by what came of it.",
    ),
    _counter(
        FALLBACKS, "from_credential to_credential", "Times a call went on to another account."
    ),
    _gauge(
        CIRCUITS,
        "credential_id",
        "Breaker of an account that failed lately: 0 closed, 1 open, 2 half open.",
    ),
    _counter("gateway_auth_cache_hits_total", "tier", "Keys found in memory."),
    _counter("gateway_auth_cache_misses_total", "tier", "Keys that had to be looked up elsewhere."),
    _counter("gateway_auth_cache_lookups_total", "", "Keys looked up."),
    _gauge("gateway_auth_cache_size", "tier", "Keys in memory."),
    _counter(BUDGET_BLOCKS, "scope", "Calls refused by a budget."),
    _counter(
        CACHE_HITS, "outcome", "Completed calls that read the provider's prompt cache, or not."
    ),
    _counter(CACHE_RULE_HITS, "rule_id mode_applied", "Calls that a cache rule decided on."),
    _counter(
        GUARDRAIL_VERDICTS,
        "direction verdict",
        "What guardrails said: allow, modify, block, not_evaluated (nothing readable); "
        "of those that failed, fail_open (let through) or error (refused).",
    ),
    _counter(POLICY_BLOCKS, "dimension", "Calls refused by a policy rule."),
    _counter(RATE_LIMIT_DENIED, "dimension vk_id", "Calls refused by a rate limit."),
    _counter(
        CLIENT_REJECTS,
        "code vk_id",
        "Calls refused by the gateway for other reasons than the key or a rate limit.",
    ),
    _counter(
        USAGE_MISSING, "provider model", "Streams that ended well without telling their usage."
    ),
    _histogram(LINK_SECONDS, "endpoint", "Round trips to the control plane, long polls left out."),
    _counter(
        LINK_REQUESTS, "endpoint status", "Requests to the control plane; `error` without a status."
    ),
    _counter("gateway_spend_spool_appended_total", "", "Records written to the spool."),
    _counter(SPOOL_DROPPED, "reason", "Records lost: `intake` not written, `rejected` not booked."),
    _gauge("gateway_spend_spool_bytes", "", "Records not yet booked."),
    _counter(
        "gateway_log_lines_dropped_total", "", "Lines about requests that nobody read in time."
    ),
    _counter(
        "gateway_capture_dropped_total", "reason", "Prompts and answers that should have been kept."
    ),
    _gauge("gateway_workers", "", "Gateway processes that share this data directory."),
    _counter("process_cpu_seconds_total", "worker", "Processor time used."),
    _gauge("process_resident_memory_bytes", "worker", "Memory in use."),
    _gauge("process_open_fds", "worker", "Open descriptors."),
    _gauge("process_start_time_seconds", "worker", "When the worker started, Unix time."),
)
BY_NAME = {metric.name: metric for metric in TABLE}
