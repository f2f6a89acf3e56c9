"""The stage that admits: price, estimate, hold, and the record that comes before the provider is called.

It runs after routing, because what a call may cost depends on the model that will serve it. One take covers
the key's limits and those of the provider that comes first, so a call that is refused on one takes nothing
from another. A provider whose own limit is reached leaves the call's chain: the next choice is admitted, and
only when none is left is the call refused, in the words of the first one's limit.

For a chain that is tried in order:

- ``limits`` leaves ``call.lane`` at the choice that was admitted; those before it have no room.
- ``again`` moves an admitted call to a later choice, after the one before failed: the provider that failed
  keeps one request and no tokens, the new one's limits are taken, the hold grows to the new price's estimate,
  and the record names the new provider. It raises Refused, with the fact ``provider_id`` when only that
  provider is short: go on with the next choice. It never waits.
- ``has_room`` says beforehand whether a provider's limits are known to be reached.
"""

from collections.abc import Awaitable, Sequence

from core.fault import Fault, Refused
from proxy.bundle import ProviderBinding
from proxy.gateway import Gateway
from proxy.holds import Hold, LimitState
from proxy.pipeline.call import Call
from proxy.pipeline.lanes import Choice
from proxy.pipeline.records import admission_line
from proxy.rate_terms import counting_terms
from proxy.refusals import reached
from proxy.routes import Pricing
from proxy.transport.faults import LeashPulled
from rules.estimates import ORDINARY_CALL, estimate_usage
from rules.pricing import cost_nanousd
from rules.rates import NOTHING, Amounts, Unit

_FREE_CALL: Amounts = (0, 1, 0)


def limits(gateway: Gateway, call: Call) -> Awaitable[None] | None:
    """Admit the call. Raises Refused: BUDGET_EXCEEDED, VK_RATE_LIMIT_EXCEEDED, RATE_LIMIT_EXCEEDED,
    MODEL_UNPRICED, BUDGET_UNAVAILABLE, LEDGER_FULL.
    """
    call.admitted_s = gateway.now_s()
    if call.route.pricing is Pricing.FREE:
        return _admit(gateway, call, (_counting(gateway, call),), _FREE_CALL)
    charged, amounts = _wanted(gateway, call)
    if len(call.chain) > 1 and not has_room(call.required_lane().binding, call.admitted_s):
        charged, amounts = _first_open(gateway, call)
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
    """Move an admitted call to a later choice of its chain. Raises Refused, and then nothing has moved."""
    hold, before = call.hold, call.required_lane().binding
    if hold is None:
        raise Refused(Fault.INTERNAL_ERROR, "The call was not admitted.")
    was = (
        call.lane,
        call.model,
        call.hides_usage,
        call.price,
        call.estimate,
        call.estimate_nanousd,
    )
    call.choose(choice)
    try:
        extra = _taken_for(gateway, call, choice.lane.binding, hold)
    except Refused:
        call.lane, call.model, call.hides_usage = was[:3]
        call.price, call.estimate, call.estimate_nanousd = was[3:]
        raise
    left = _left(gateway, hold, before, is_request=call.is_dispatched)
    hold.more = (*left, *extra)
    charges = [charge for part in (hold, *extra) if part.used is None for charge in part.record()]
    call.charges = charges
    gateway.spool.append_admission(admission_line(gateway, call, hold), hold)


def _taken_for(
    gateway: Gateway, call: Call, binding: ProviderBinding, hold: Hold
) -> tuple[Hold, ...]:
    """Take the limits of a new provider, and from the key's budgets what it may cost more than the last."""
    if call.route.pricing is Pricing.FREE:
        return ()
    charged, amounts = _wanted(gateway, call)
    now_s = gateway.now_s()
    own = [limit for limit in charged if limit in binding.limits]
    growth = max(0, amounts[Unit.NANOUSD] - hold.amounts[Unit.NANOUSD])
    money = [p.limit for p in hold.periods if not p.unit and p.limit.terms.provider_id is None]
    extra: list[Hold] = []
    for wanted, amount in ((own, amounts), (money if growth else (), (growth, 0, 0))):
        if not wanted:
            continue
        part = gateway.holds.take(wanted, amount, now_s)
        if not isinstance(part, Hold):
            for taken in extra:
                gateway.holds.release(taken)
            raise reached(part, now_s)
        extra.append(part)
        if amount is not amounts:
            # The cost is booked once, with the hold that this one only enlarges.
            part.used = NOTHING
    return tuple(extra)


def _left(gateway: Gateway, hold: Hold, before: ProviderBinding, is_request: bool) -> list[Hold]:
    """Settle what a provider that failed keeps, and return it with what was settled or enlarged before."""
    parts = list(hold.more)
    split = hold.split(before.id)
    if split is not None:
        parts.append(split)
    used: Amounts = (0, int(is_request), 0)
    for part in parts:
        if part.used is None:
            part.used = used
            gateway.holds.settle(part, used)
    return parts


def _wanted(gateway: Gateway, call: Call) -> tuple[Sequence[LimitState], Amounts]:
    """Return the limits that the chosen lane's call counts in, and how much it will probably take of each unit."""
    bundle, lane = call.required_plan().bundle, call.required_lane()
    medium = call.route.pricing.medium
    call.price = price = gateway.prices.price(
        lane.binding.type, call.model, call.admitted_s, medium
    )
    usual_tokens, margin = gateway.history.outlook(bundle.vk_id, call.model)
    if call.dialect.estimate is None:
        estimate = estimate_usage(len(call.body), call.ask.max_tokens, usual_tokens)
    else:
        estimate = call.dialect.estimate(call.ask, len(call.body), price.unit)
    call.estimate = estimate
    call.estimate_nanousd = cost_nanousd(estimate, price)
    charged = bundle.limits
    if lane.binding.limits:
        charged += lane.binding.limits
    if not price.is_known:
        charged = _unpriced(charged, call.model)
    amount = int(call.estimate_nanousd * margin)
    if usual_tokens is None and not price.unit:
        # Many first calls at once would otherwise pass on a guess that nothing has confirmed yet.
        amount = max(amount, cost_nanousd(ORDINARY_CALL, price))
    return charged, (amount, 1, 0 if price.unit else sum(estimate))


def _first_open(gateway: Gateway, call: Call) -> tuple[Sequence[LimitState], Amounts]:
    """Choose the first lane of the chain whose provider has room; the first of all when none has."""
    first = call.chain[0]
    for choice in call.chain:
        if has_room(choice.lane.binding, call.admitted_s):
            call.choose(choice)
            return _wanted(gateway, call)
    call.choose(first)
    return _wanted(gateway, call)


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
    rest = list(call.chain)
    refusal: Refused | None = None
    with call.leash.cancel_scope:
        while hold is None:
            try:
                hold = await gateway.holds.obtain(charged, amounts, call.admitted_s)
            except Refused as refused:
                refusal = refusal or refused
                choice = _next(call, rest, refused)
                if choice is None:
                    raise refusal from None
                call.choose(choice)
                charged, amounts = _wanted(gateway, call)
    if call.leash.reason is not None:
        if hold is not None:
            gateway.holds.release(hold)
        raise LeashPulled
    if hold is not None:
        _record(gateway, call, hold)


def _next(call: Call, rest: list[Choice], refused: Refused) -> Choice | None:
    """Return the next choice with another provider, when it is the last one's own limit that is reached."""
    closed = refused.facts.get("provider_id")
    if closed is None:
        return None
    rest[:] = [choice for choice in rest if choice.lane.binding.id != closed]
    return rest[0] if rest else None


def _record(gateway: Gateway, call: Call, hold: Hold) -> None:
    call.charges = hold.record()
    try:
        gateway.spool.append_admission(admission_line(gateway, call, hold), hold)
    except Refused:
        # Not recorded, so not made: what no ledger row can be kept of is not sent to a provider.
        gateway.holds.release(hold)
        call.charges = ()
        raise
    call.hold = hold
