"""The stage that admits: price, estimate, hold, and the record that comes before the provider is called.

It runs after routing, because what a call may cost depends on the models that may serve it. One take covers
the key's limits, for the dearest member of the chain, and those of the provider that comes first; so a call
that is refused on one takes nothing from another. A provider whose own limit is reached leaves the call's
chain, and only when none is left is the call refused, in the words of the first one's limit.

For a chain that is tried in order, ``again`` moves an admitted call to a later choice, before that choice
serves it: the provider before keeps one request and no tokens, the new one's limits are taken, and the record
names the new provider. It raises Refused when they are reached: go on with the next choice. It never waits.
"""

from collections.abc import Awaitable, Sequence

from core.fault import Fault, Refused
from proxy.bundle import ProviderBinding
from proxy.gateway import Gateway
from proxy.holds import Hold, LimitState
from proxy.pipeline.call import NO_CHARGES, Call
from proxy.pipeline.dearest import with_fallback
from proxy.pipeline.lanes import Choice
from proxy.pipeline.records import admission_line, charges_of
from proxy.rate_terms import counting_terms
from proxy.refusals import reached
from proxy.routes import Pricing
from proxy.transport.faults import LeashPulled
from rules.estimates import ORDINARY_CALL, estimate_usage
from rules.pricing import cost_nanousd
from rules.rates import Amounts

_FREE_CALL: Amounts = (0, 1, 0)


def limits(gateway: Gateway, call: Call) -> Awaitable[None] | None:
    """Admit the call. Raises Refused: BUDGET_EXCEEDED, VK_RATE_LIMIT_EXCEEDED, RATE_LIMIT_EXCEEDED,
    MODEL_UNPRICED, BUDGET_UNAVAILABLE, LEDGER_FULL.
    """
    if call.is_replayed:
        return None
    call.admitted_s = gateway.now_s()
    if call.route.pricing is Pricing.FREE:
        return _admit(gateway, call, (_counting(gateway, call),), _FREE_CALL)
    if len(call.chain) > 1:
        _drop_full(call)
    charged, amounts = _wanted(gateway, call)
    return _admit(gateway, call, charged, amounts)


def has_room(binding: ProviderBinding, now_s: float) -> bool:
    """Say whether none of a provider's own limits is known to be reached. ``now_s`` is Unix time."""
    for limit in binding.limits:
        if now_s >= limit.ends_s:
            limit.turn(now_s)
        if limit.blocks and limit.current.is_spent(now_s):
            return False
    return True


def again(gateway: Gateway, call: Call, choice: Choice) -> None:
    """Move an admitted call's hold to a later choice of its chain. Raises Refused, and then nothing has moved.

    Refused with LEDGER_FULL means that the call must not go on at all.
    """
    hold, before, binding = call.hold, call.required_lane().binding, choice.lane.binding
    if hold is None or before is binding or not (before.limits or binding.limits):
        return
    own, now_s = _counting_in(gateway, call, choice, binding.limits), gateway.now_s()
    part = gateway.holds.take(own, hold.amounts, now_s)
    if isinstance(part, LimitState):
        raise reached(part, now_s)
    _leave(gateway, hold, before, is_request=call.is_dispatched)
    hold.more += (part,)
    live = [one for one in (hold, *hold.more) if one.used is None]
    call.charges = charges_of(call, *live)
    gateway.spool.append_admission(admission_line(gateway, call, hold, binding), hold)


def _leave(gateway: Gateway, hold: Hold, before: ProviderBinding, is_request: bool) -> None:
    """Settle what the provider before keeps of a call: that it was asked."""
    split = hold.split(before.id)
    if split is not None:
        hold.more += (split,)
    used: Amounts = (0, int(is_request), 0)
    for part in hold.more:
        if part.used is None:
            part.used = used
            gateway.holds.settle(part, used)


def _drop_full(call: Call) -> None:
    """Take providers without room out of a chain, unless none is left then."""
    first = call.chain[0]
    chain = tuple(c for c in call.chain if has_room(c.lane.binding, call.admitted_s))
    if chain and len(chain) < len(call.chain):
        call.chain = chain
        if chain[0] is not first:
            call.choose(chain[0])


def _counting_in(
    gateway: Gateway, call: Call, choice: Choice, own: Sequence[LimitState]
) -> Sequence[LimitState]:
    """Return those of a provider's limits that a call to a model counts in."""
    if call.route.pricing is Pricing.FREE or not own:
        return ()
    medium = call.route.pricing.medium
    price = gateway.prices.price(choice.lane.binding.type, choice.model, call.admitted_s, medium)
    return own if price.is_known else _unpriced(own, choice.model)


def _wanted(gateway: Gateway, call: Call) -> tuple[Sequence[LimitState], Amounts]:
    """Return the limits that a call of the chosen lane counts in, and how much it will probably take of each unit."""
    bundle, lane, model = call.required_plan().bundle, call.required_lane(), call.model
    medium = call.route.pricing.medium
    call.price = price = gateway.prices.price(
        lane.binding.type, model, call.admitted_s, medium, call.ask.tier
    )
    usual_tokens, margin = gateway.history.outlook(bundle.vk_id, model)
    if call.dialect.estimate is None:
        estimate = estimate_usage(
            len(call.body), call.ask.max_tokens, usual_tokens, call.ask.answers
        )
    else:
        estimate = call.dialect.estimate(call.ask, len(call.body), price.unit)
    call.estimate = estimate
    call.estimate_nanousd = cost_nanousd(estimate, price)
    charged: Sequence[LimitState] = bundle.limits
    if not price.is_known:
        charged = _unpriced(charged, model)
    amount = int(call.estimate_nanousd * margin)
    if usual_tokens is None and not price.unit:
        # Many first calls at once would otherwise pass on a guess that nothing has confirmed yet.
        amount = max(amount, cost_nanousd(ORDINARY_CALL, price))
    if len(call.chain) > 1:
        charged, amount = with_fallback(gateway, call, charged, amount)
    if lane.binding.limits:
        own = _counting_in(gateway, call, Choice(lane, model), lane.binding.limits)
        charged = (*charged, *own)
    return charged, (amount, 1, 0 if price.unit else sum(estimate))


def _counting(gateway: Gateway, call: Call) -> LimitState:
    """Return the limit of calls that cost nothing; they count in no other."""
    bundle = call.required_plan().bundle
    if bundle.counting is None:
        bundle.counting = gateway.holds.limit_for(counting_terms(bundle.vk_id), 0, 0)
    return bundle.counting


def _unpriced(charged: Sequence[LimitState], model: str) -> tuple[LimitState, ...]:
    for limit in charged:
        if limit.on_unpriced == "refuse" and limit.blocks:
            raise Refused(
                Fault.MODEL_UNPRICED,
                f'The budget "{limit.terms.name}" takes no model without a known price, and "{model}" has none.',
                model=model,
            )
    return tuple(limit for limit in charged if limit.on_unpriced != "allow")


def _admit(
    gateway: Gateway, call: Call, charged: Sequence[LimitState], amounts: Amounts
) -> Awaitable[None] | None:
    hold = gateway.holds.take(charged, amounts, call.admitted_s)
    if isinstance(hold, Hold):
        _record(gateway, call, hold)
        return None
    return _obtain(gateway, call, charged, amounts)


async def _obtain(
    gateway: Gateway, call: Call, charged: Sequence[LimitState], amounts: Amounts
) -> None:
    hold: Hold | None = None
    first: Refused | None = None
    with call.leash.cancel_scope:
        while hold is None:
            try:
                hold = await gateway.holds.obtain(charged, amounts, call.admitted_s)
            except Refused as refused:
                first = first or refused
                if not _is_left(call, refused):
                    raise first from None
                charged, amounts = _wanted(gateway, call)
    if call.leash.reason is not None:
        if hold is not None:
            gateway.holds.release(hold)
        raise LeashPulled
    if hold is not None:
        _record(gateway, call, hold)


def _is_left(call: Call, refused: Refused) -> bool:
    """Take a provider whose own limit is reached out of the chain, and say whether another may serve."""
    full = refused.facts.get("provider_id")
    rest = tuple(choice for choice in call.chain if choice.lane.binding.id != full)
    if full is None or not rest:
        return False
    call.chain = rest
    call.choose(rest[0])
    return True


def _record(gateway: Gateway, call: Call, hold: Hold) -> None:
    call.charges = charges_of(call, hold)
    try:
        gateway.spool.append_admission(admission_line(gateway, call, hold), hold)
    except Refused:
        # Not recorded, so not made: what no ledger row can be kept of is not sent to a provider.
        gateway.holds.release(hold)
        call.charges = NO_CHARGES
        raise
    call.hold = hold
