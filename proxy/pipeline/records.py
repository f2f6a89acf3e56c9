"""The two lines a call leaves in the spool: how it was admitted and how it ended. Writes neither."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proxy.bundle import ProviderBinding
from proxy.gateway import Gateway
from proxy.holds import Hold
from proxy.pipeline.call import Call, Outcome
from rules.rates import Amounts
from rules.usage import Usage

Charges = Sequence[tuple[str, int]]
Rates = Sequence[tuple[str, int, int]]
"""Rate limit, slot and amount, for each that a call counts in."""
_CONFIRMED = frozenset({Outcome.COMPLETED, Outcome.CANCELLED, Outcome.TRUNCATED})
_MAX_USAGE_BYTES = 8 * 1024
"""A usage object has a few dozen numbers; the provider decides its size, so the record bounds it."""
_encode = msgspec.json.Encoder().encode


class Admission(msgspec.Struct, gc=False, omit_defaults=True):
    """What is known of a call before the provider is called."""

    call_id: str
    admitted_at_ms: int
    organization_id: str
    project_id: str
    team_id: str
    virtual_key_id: str
    principal_user_id: str | None
    provider_id: str | None
    provider_type: str
    request_type: str
    model: str
    requested_model: str
    is_streamed: bool
    estimate_nanousd: int
    price_source: str
    charges: Charges
    trace_id: str
    span_id: str
    parent_span_id: str
    session_id: str
    worker: str
    rates: Rates = ()
    """With what is held, so that a call whose end nobody sees counts as what it was admitted for."""


class Settlement(msgspec.Struct, gc=False, omit_defaults=True):
    """What became of a call, and what it cost."""

    call_id: str
    settled_at_ms: int
    outcome: str
    code: str
    status: int | None
    model: str
    duration_ms: int
    first_byte_ms: int | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    cost_nanousd: int
    is_estimated: bool
    price_source: str
    usage_raw: msgspec.Raw | None
    charges: Charges
    owner: str
    admission: Admission | None = None
    provider_id: str | None = None
    """Who served the call, where that is not whom it was admitted for."""
    provider_type: str = ""
    facts: Mapping[str, Any] | None = None
    """What is known of the call beside the columns above: attempts, verdicts, tags…"""
    rates: Rates = ()


class Settled(msgspec.Struct, frozen=True, gc=False):
    """Usage, cost and whether any of it is an estimate."""

    usage: Usage
    cost_nanousd: int
    is_estimated: bool
    price_source: str


def admission_line(
    gateway: Gateway, call: Call, hold: Hold, binding: ProviderBinding | None = None
) -> bytes:
    """Return the ``admitSpend`` line of a call, without a line end; for ``binding`` when it is about to move there."""
    payload = _encode(admission(gateway, call, hold, binding))
    return b'{"command":"admitSpend","payload":%b}' % payload


def admission(
    gateway: Gateway, call: Call, hold: Hold | None, binding: ProviderBinding | None = None
) -> Admission:
    """Return what is known of a call; without a hold when it was refused before one was taken."""
    bundle, lane, identity = call.required_plan().bundle, call.lane, call.identity
    if binding is None and lane is not None:
        binding = lane.binding
    return Admission(
        identity.request_id,
        int((call.admitted_s or gateway.now_s()) * 1000),
        bundle.organization_id,
        bundle.project_id,
        bundle.team_id,
        bundle.vk_id,
        bundle.principal_id,
        None if binding is None else binding.id,
        "" if binding is None else binding.type,
        call.route.request_type,
        call.model,
        call.ask.model,
        call.ask.is_streamed,
        0 if hold is None else call.estimate_nanousd,
        call.price.source,
        call.charges,
        identity.trace_id,
        identity.span_id,
        identity.parent_span_id,
        call.incoming.session_id,
        gateway.holds.owner,
        () if hold is None else _rates(hold, hold.amounts),
    )


def _bounded(usage: dict[str, Any]) -> msgspec.Raw | None:
    encoded = _encode(usage)
    return msgspec.Raw(encoded) if len(encoded) <= _MAX_USAGE_BYTES else None


def _served_by(call: Call) -> tuple[str | None, str]:
    if call.lane is None or call.lane is call.chain[0].lane:
        return None, ""
    return call.lane.binding.id, call.lane.binding.type


def _rates(hold: Hold, used: Amounts) -> Rates:
    if not (hold.rates or hold.more):
        return ()
    return [
        (limit_id, slot_ms, amounts[unit])
        for part, amounts in hold.shares(used)
        for unit, limit_id, slot_ms in part.rates
    ]


def settlement_line(gateway: Gateway, call: Call, settled: Settled, used: Amounts) -> bytes:
    """Return the ``confirmSpend`` or ``failSpend`` line of a call, without a line end."""
    outcome, usage, hold = call.outcome or Outcome.FAILED, settled.usage, call.hold
    reading = None if call.meter is None else call.meter.reading
    settlement = Settlement(
        call.identity.request_id,
        int(gateway.now_s() * 1000),
        outcome.value,
        call.code,
        call.status,
        call.model,
        int((time.monotonic() - call.begun) * 1000),
        None if call.first_byte is None else int((call.first_byte - call.begun) * 1000),
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        settled.cost_nanousd,
        settled.is_estimated,
        settled.price_source,
        None if reading is None or reading.usage is None else _bounded(reading.usage),
        call.charges,
        gateway.holds.owner,
        admission(gateway, call, None) if hold is None else None,
        *_served_by(call),
        dict(call.facts) if call.facts else None,
        () if hold is None else _rates(hold, used),
    )
    command = b"confirmSpend" if outcome in _CONFIRMED else b"failSpend"
    return b'{"command":"%b","payload":%b}' % (command, _encode(settlement))
