"""The stage that always runs, once: what was consumed, what it cost, hold and record. It never waits."""

import math
from typing import Any

from core.fault import Refused
from proxy.dialects.dialect import Counts
from proxy.gateway import Gateway
from proxy.pipeline.call import NO_USAGE, Call, Outcome
from proxy.pipeline.records import Settled, settlement_line
from proxy.routes import Pricing
from rules.estimates import BYTES_PER_TOKEN
from rules.pricing import CHARACTERS, FREE_PRICE, SECONDS, TOLD_SOURCE, Price, cost_nanousd
from rules.rates import Amounts
from rules.surcharges import SURCHARGED
from rules.usage import Usage

_COMPLETED = Outcome.COMPLETED
_MOST_SECONDS = 10_000_000
"""More sound than fits into a request; a longer one was not measured."""


def settle(gateway: Gateway, call: Call) -> None:
    """Book the call. A second time changes nothing; a call of nobody's leaves no record."""
    if call.is_settled or call.plan is None:
        return
    call.is_settled = True
    settled = settled_of(gateway, call)
    hold, used = call.hold, used_of(call, settled)
    if hold is None:
        try:
            gateway.spool.append(settlement_line(gateway, call, settled, used))
        except Refused:
            # Nothing was spent and nobody was called: the refusal itself says that the ledger is full.
            return
        return
    gateway.spool.append_settlement(settlement_line(gateway, call, settled, used), hold, used)
    gateway.holds.settle(hold, used)
    for part in hold.more:
        gateway.holds.settle(part, used if part.used is None else part.used)


def used_of(call: Call, settled: Settled) -> Amounts:
    """Return what a call counts in its limits: money, requests, tokens; of the last two, what is counted at all.

    One that was refused before a provider saw it counts nowhere.
    """
    hold, is_request = call.hold, call.is_dispatched or call.outcome is _COMPLETED
    if hold is not None and hold.is_money and not hold.more:
        return settled.cost_nanousd, 0, 0
    return settled.cost_nanousd, int(is_request), sum(settled.usage)


def settled_of(gateway: Gateway, call: Call) -> Settled:
    """Return what a call consumed and what that costs."""
    if call.hold is None or call.route.pricing is Pricing.FREE:
        return Settled(NO_USAGE, 0, False, FREE_PRICE.source)
    price, lane = call.price, call.required_lane()
    if price.unit:
        return _by_the_piece(call, price)
    usage, is_estimated = consumed(gateway, call)
    answered = "" if call.meter is None else call.meter.reading.model
    if not price.is_known and answered and answered != call.model:
        # A custom endpoint's alias: the answer names the model that the catalogue may know.
        medium = call.route.pricing.medium
        price = gateway.prices.price(lane.binding.type, answered, call.admitted_s, medium)
    elif price.is_known and (tier := _served_tier(call)) != call.ask.tier:
        medium = call.route.pricing.medium
        price = gateway.prices.price(lane.binding.type, call.model, call.admitted_s, medium, tier)
    cost, source = cost_nanousd(usage, price), price.source
    if lane.provider.told_cost is not None and (told := _told_cost(call)) is not None:
        cost, source = told, TOLD_SOURCE
    if call.outcome is Outcome.COMPLETED and not is_estimated:
        overrun = cost / call.estimate_nanousd if call.estimate_nanousd else 1.0
        vk_id = call.required_plan().bundle.vk_id
        answer_tokens = usage.output_tokens // call.ask.answers
        gateway.history.add(vk_id, call.model, answer_tokens, overrun)
        if call.ask.is_streamed and (shown := _shown_tokens(call)):
            gateway.history.note_unseen(vk_id, call.model, max(0, usage.output_tokens - shown))
    return Settled(usage, cost, is_estimated, source)


def _served_tier(call: Call) -> str:
    """Return in which service tier a call was served, as far as it is told: Anthropic tells within its usage."""
    reading = None if call.meter is None else call.meter.reading
    if reading is None:
        return call.ask.tier
    told = reading.tier or (reading.usage or {}).get("speed")
    return told if isinstance(told, str) and told in SURCHARGED else "" if told else call.ask.tier


def _told_usage(call: Call) -> dict[str, Any]:
    return (None if call.meter is None else call.meter.reading.usage) or {}


def _told_cost(call: Call) -> int | None:
    """Return what the provider says that it charged; None where it does not say."""
    tell, usage = call.required_lane().provider.told_cost, _told_usage(call)
    return tell(usage) if tell is not None and usage else None


def _by_the_piece(call: Call, price: Price) -> Settled:
    """Return what a call costs that is billed by characters or seconds; the ledger keeps those as a fact."""
    is_failed = call.status is not None and call.status >= 300
    if is_failed or (call.meter is None and call.outcome is not Outcome.CANCELLED):
        return Settled(NO_USAGE, 0, False, price.source)
    pieces, is_estimated = call.estimate.input_tokens, price.unit != CHARACTERS
    seconds = _told_usage(call).get("seconds")
    if (
        price.unit == SECONDS
        and isinstance(seconds, (int, float))
        and 0 <= seconds <= _MOST_SECONDS
    ):
        pieces, is_estimated = math.ceil(seconds), False
    call.note("units", {price.unit: pieces})
    cost = cost_nanousd(Usage(input_tokens=pieces), price)
    return Settled(NO_USAGE, cost, is_estimated, price.source)


def consumed(gateway: Gateway, call: Call) -> tuple[Usage, bool]:
    """Return the tokens a call consumed, and whether any of them are estimated."""
    if call.outcome is Outcome.FAILED and not call.has_started:
        return NO_USAGE, False
    if call.meter is None:
        # The provider may be at work on the prompt, which is billed; nothing of an answer was seen.
        is_billed = call.is_dispatched and call.outcome is Outcome.CANCELLED
        return (
            (Usage(input_tokens=call.estimate.input_tokens), True)
            if is_billed
            else (NO_USAGE, False)
        )
    reading = call.meter.reading
    if call.status is not None and call.status >= 300 and reading.usage is None:
        return NO_USAGE, False
    counts = call.told_counts()
    is_ended = call.outcome is Outcome.COMPLETED or reading.is_terminal
    return _filled(gateway, call, counts, is_ended)


def _shown_tokens(call: Call) -> int:
    return (
        0 if call.meter is None else math.ceil(call.meter.reading.visible_bytes / BYTES_PER_TOKEN)
    )


def _filled(gateway: Gateway, call: Call, counts: Counts, is_ended: bool) -> tuple[Usage, bool]:
    """Fill what the provider did not tell with estimates: None is not told, 0 is told."""
    input_tokens, output_tokens, read_tokens, write_tokens, write_1h_tokens, is_consistent = counts
    if is_ended and input_tokens is not None and output_tokens is not None:
        usage = Usage(input_tokens, output_tokens, read_tokens, write_tokens, write_1h_tokens)
        return usage, not is_consistent
    visible = _shown_tokens(call)
    if visible and call.ask.is_streamed:
        # Whoever leaves between the last word and the usage has had what was thought before the first, too.
        vk_id = call.required_plan().bundle.vk_id
        visible += gateway.history.unseen_tokens(vk_id, call.model)
    is_estimated = not is_consistent or not is_ended
    if input_tokens is None:
        input_tokens, is_estimated = call.estimate.input_tokens, True
    if output_tokens is None:
        answers_text = call.required_lane().wire.answers_text
        output_tokens = visible if answers_text else call.estimate.output_tokens
        is_estimated = True
    elif not is_ended:
        # An interim count is a floor: Anthropic's first event says 1 whatever follows.
        output_tokens = max(output_tokens, visible)
    usage = Usage(input_tokens, output_tokens, read_tokens, write_tokens, write_1h_tokens)
    return usage, is_estimated
