"""The stage that admits: price, estimate, hold, and the record that comes before the provider is called.

It runs after routing, because what a call may cost depends on the model that will serve it.
"""

from collections.abc import Awaitable, Sequence

from core.fault import Fault, Refused
from proxy.gateway import Gateway
from proxy.holds import Hold, LimitState
from proxy.pipeline.call import Call
from proxy.pipeline.dearest import with_fallback
from proxy.pipeline.records import admission_line
from proxy.routes import Pricing
from proxy.transport.faults import LeashPulled
from rules.estimates import ORDINARY_CALL, estimate_usage
from rules.pricing import cost_nanousd


def limits(gateway: Gateway, call: Call) -> Awaitable[None] | None:
    """Admit the call. Raises Refused: BUDGET_EXCEEDED, MODEL_UNPRICED, BUDGET_UNAVAILABLE, LEDGER_FULL."""
    plan, lane = call.required_plan(), call.required_lane()
    call.admitted_s = now_s = gateway.now_s()
    if call.route.pricing is Pricing.FREE:
        return _take(gateway, call, (), 0)
    call.price = price = gateway.prices.price(lane.binding.type, call.model, now_s)
    usual_tokens, margin = gateway.history.outlook(plan.bundle.vk_id, call.model)
    call.estimate = estimate_usage(len(call.body), call.ask.max_tokens, usual_tokens)
    call.estimate_nanousd = cost_nanousd(call.estimate, price)
    charged: Sequence[LimitState] = plan.bundle.limits
    if not price.is_known:
        charged = _unpriced(charged, call.model)
    amount = int(call.estimate_nanousd * margin)
    if usual_tokens is None:
        # Many first calls at once would otherwise pass on a guess that nothing has confirmed yet.
        amount = max(amount, cost_nanousd(ORDINARY_CALL, price))
    if len(call.chain) > 1:
        charged, amount = with_fallback(gateway, call, charged, amount)
    return _take(gateway, call, charged, amount)


def _unpriced(charged: Sequence[LimitState], model: str) -> tuple[LimitState, ...]:
    for limit in charged:
        if limit.on_unpriced == "refuse" and limit.blocks:
            raise Refused(
                Fault.MODEL_UNPRICED,
                f'The budget "{limit.terms.name}" takes no model without a known price, and "{model}" has none.',
                model=model,
            )
    return tuple(limit for limit in charged if limit.on_unpriced != "allow")


def _take(
    gateway: Gateway, call: Call, charged: Sequence[LimitState], amount_nanousd: int
) -> Awaitable[None] | None:
    hold = gateway.holds.take(charged, amount_nanousd, call.admitted_s)
    if isinstance(hold, Hold):
        _record(gateway, call, hold)
        return None
    return _obtain(gateway, call, charged, amount_nanousd)


async def _obtain(
    gateway: Gateway, call: Call, charged: Sequence[LimitState], amount_nanousd: int
) -> None:
    hold: Hold | None = None
    with call.leash.cancel_scope:
        hold = await gateway.holds.obtain(charged, amount_nanousd, call.admitted_s)
    if call.leash.reason is not None:
        if hold is not None:
            gateway.holds.release(hold)
        raise LeashPulled
    if hold is not None:
        _record(gateway, call, hold)


def _record(gateway: Gateway, call: Call, hold: Hold) -> None:
    call.charges = hold.charges
    try:
        gateway.spool.append_admission(admission_line(gateway, call, hold), hold)
    except Refused:
        # Not recorded, so not made: what no ledger row can be kept of is not sent to a provider.
        gateway.holds.release(hold)
        call.charges = ()
        raise
    call.hold = hold
