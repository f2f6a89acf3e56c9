"""What must be held for a call that several providers may serve: enough for the dearest of them. Holds nothing.

One hold covers the whole chain, so that going on to the next provider never waits and is never refused; what the
call then costs is settled at the price of the one that served it.
"""

from collections.abc import Sequence

from proxy.gateway import Gateway
from proxy.limit_state import LimitState
from proxy.pipeline.call import Call
from proxy.pipeline.lanes import Choice
from rules.estimates import ORDINARY_CALL, estimate_usage
from rules.pricing import Price, cost_nanousd


def with_fallback(
    gateway: Gateway, call: Call, charged: Sequence[LimitState], amount_nanousd: int
) -> tuple[Sequence[LimitState], int]:
    """Return the limits that any member of the chain counts against, and the most that one may cost.

    ``charged`` and ``amount_nanousd`` are those of the first. Members without a known price leave the chain
    where a limit takes no such model.
    """
    every_limit = call.required_plan().bundle.limits
    kept, counted = [call.chain[0]], set(charged)
    for choice in call.chain[1:]:
        price = _price(gateway, call, choice)
        counting = every_limit
        if not price.is_known:
            if any(limit.on_unpriced == "refuse" and limit.blocks for limit in every_limit):
                continue
            counting = tuple(limit for limit in every_limit if limit.on_unpriced != "allow")
        kept.append(choice)
        counted.update(counting)
        amount_nanousd = max(amount_nanousd, _outlay(gateway, call, choice))
    call.chain = tuple(kept)
    return tuple(limit for limit in every_limit if limit in counted), amount_nanousd


def _outlay(gateway: Gateway, call: Call, choice: Choice) -> int:
    """Return what a call is held at when one provider serves it, in nano-USD."""
    vk_id = call.required_plan().bundle.vk_id
    price = _price(gateway, call, choice)
    usual_tokens, margin = gateway.history.outlook(vk_id, choice.model)
    if call.dialect.estimate is None:
        usage = estimate_usage(len(call.body), call.ask.max_tokens, usual_tokens, call.ask.answers)
    else:
        usage = call.dialect.estimate(call.ask, len(call.body), price.unit)
    amount = int(cost_nanousd(usage, price) * margin)
    if usual_tokens is not None or price.unit:
        return amount
    return max(amount, cost_nanousd(ORDINARY_CALL, price))


def _price(gateway: Gateway, call: Call, choice: Choice) -> Price:
    medium = call.route.pricing.medium
    return gateway.prices.price(
        choice.lane.binding.type, choice.model, call.admitted_s, medium, call.ask.tier
    )
