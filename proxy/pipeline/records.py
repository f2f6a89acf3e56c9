"""The two lines a call leaves in the spool: how it was admitted and how it ended. Writes neither.

``core.models.bookkeeping`` reads them and says what their members mean. What the admissions of a lane have
alike is encoded once.
"""

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

Rates = Sequence[tuple[str, int, int]]
"""Rate limit, slot and amount, for each that a call counts in."""
_FAILED = (Outcome.FAILED, Outcome.REFUSED)
_MAX_RECORDS = 256
"""Past this a caller is inventing model names; their records are written all the same."""
_MAX_USAGE_BYTES = 8 * 1024
"""A usage object has a few dozen numbers; the provider decides its size, so the record bounds it."""
_encode = msgspec.json.Encoder().encode


class _Common(msgspec.Struct, gc=False):
    """What is known before the provider is called and is the same for all calls of a lane to a model."""

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
    worker: str


class _Admission(msgspec.Struct, gc=False, omit_defaults=True):
    """What else is known then."""

    call_id: str
    admitted_at_ms: int
    trace_id: str
    span_id: str
    estimate_nanousd: int
    price_source: str
    charges: msgspec.Raw
    is_streamed: bool = False
    parent_span_id: str = ""
    session_id: str = ""
    rates: Rates = ()
    """With what is held, so that a call whose end nobody sees counts as what it was admitted for."""


class _Settlement(msgspec.Struct, gc=False, omit_defaults=True):
    """What became of a call, and what it cost."""

    call_id: str
    settled_at_ms: int
    outcome: str
    model: str
    duration_ms: int
    cost_nanousd: int
    is_estimated: bool
    price_source: str
    charges: msgspec.Raw
    owner: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    code: str = ""
    status: int | None = None
    first_byte_ms: int | None = None
    usage_raw: msgspec.Raw | None = None
    admission: msgspec.Raw | None = None
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


def charges_of(call: Call, *parts: Hold) -> msgspec.Raw:
    """Return, as JSON, the budgets and period starts that a call is charged to, and fix the slots it counts in."""
    lane, first = call.lane, parts[0]
    if lane is not None and len(parts) == 1 and lane.charged[0] == first.periods:
        return lane.charged[1]
    charges = msgspec.Raw(_encode([charge for part in parts for charge in part.record()]))
    if lane is not None and len(parts) == 1 and not first.rates:
        lane.charged = first.periods, charges
    return charges


def admission_line(
    gateway: Gateway, call: Call, hold: Hold, binding: ProviderBinding | None = None
) -> bytes:
    """Return the ``admitSpend`` line of a call, without a line end; for ``binding`` when it is about to move there."""
    lane = call.lane
    if binding is None and lane is not None:
        name = call.model, call.ask.model
        common = lane.records.get(name)
        if common is None:
            common = _common(gateway, call, lane.binding)
            if len(lane.records) < _MAX_RECORDS:
                lane.records[name] = common
    else:
        common = _common(gateway, call, binding)
    return b'{"command":"admitSpend","payload":%b%b}' % (common, _admission(gateway, call, hold))


def _common(gateway: Gateway, call: Call, binding: ProviderBinding | None) -> bytes:
    """Return the first members of an admission's object: all but its closing brace, and a comma."""
    bundle = call.required_plan().bundle
    common = _Common(
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
        gateway.holds.owner,
    )
    return _encode(common)[:-1] + b","


def _admission(gateway: Gateway, call: Call, hold: Hold | None) -> bytes:
    """Return the other members, without the opening brace; there is no hold when the call was refused before."""
    identity = call.identity
    admission = _Admission(
        identity.request_id,
        int((call.admitted_s or gateway.now_s()) * 1000),
        identity.trace_id,
        identity.span_id,
        0 if hold is None else call.estimate_nanousd,
        call.price.source,
        call.charges,
        call.ask.is_streamed,
        identity.parent_span_id,
        call.incoming.session_id,
        () if hold is None else _rates(hold, hold.amounts),
    )
    return _encode(admission)[1:]


def _bounded(usage: dict[str, Any]) -> msgspec.Raw | None:
    try:
        encoded = _encode(usage)
    except (OverflowError, RecursionError):
        # Numbers of no machine, or objects within objects: the provider's own, and no reason to book nothing.
        return None
    return msgspec.Raw(encoded) if len(encoded) <= _MAX_USAGE_BYTES else None


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
    outcome, hold, lane = call.outcome or Outcome.FAILED, call.hold, call.lane
    settlement = _Settlement(
        call.identity.request_id,
        int(gateway.now_s() * 1000),
        outcome,
        call.model,
        int((time.monotonic() - call.begun) * 1000),
        settled.cost_nanousd,
        settled.is_estimated,
        settled.price_source,
        call.charges,
        gateway.holds.owner,
        *settled.usage,
        call.code,
        call.status,
        None if call.first_byte is None else int((call.first_byte - call.begun) * 1000),
    )
    if call.meter is not None and call.meter.reading.usage is not None:
        settlement.usage_raw = _bounded(call.meter.reading.usage)
    if hold is None:
        refused = _common(gateway, call, None if lane is None else lane.binding)
        settlement.admission = msgspec.Raw(refused + _admission(gateway, call, None))
    else:
        settlement.rates = _rates(hold, used)
    if lane is not None and lane is not call.chain[0].lane:
        settlement.provider_id, settlement.provider_type = lane.binding.id, lane.binding.type
    if call.facts:
        settlement.facts = dict(call.facts)
    command = b"failSpend" if outcome in _FAILED else b"confirmSpend"
    return b'{"command":"%b","payload":%b}' % (command, _encode(settlement))
