"""The stages that read what is asked for and choose the providers. No rule of a policy on contents is applied here."""

from msgspec.structs import replace

from core.fault import Fault, Refused
from proxy.bundle import ProviderBinding
from proxy.dialects.request_fields import check_model
from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.pipeline.counted import count_here
from proxy.pipeline.lanes import Choice, RouteLanes, not_allowed
from rules.estimates import estimate_usage
from rules.makers import has_sealed
from rules.policy_subjects import Unjudgeable, other_models
from rules.pricing import cost_nanousd
from rules.routing import Source
from rules.routing_terms import RoutingTerms
from rules.strategies import Strategy, by_cost, rotated

_IMPLICIT = Source.IMPLICIT


def read(gateway: Gateway, call: Call) -> None:
    """Read the few fields that decisions need. Raises Refused: BAD_REQUEST, MISSING_MODEL."""
    dialect, route = call.dialect, call.route
    if dialect.read_form is not None:
        call.ask = dialect.read_form(call.body, call.incoming.content_type)
        return
    call.incoming = call.incoming.as_json()
    call.ask = dialect.read_request(call.body)
    if route.names_model:
        model = route.model_in(call.scope["path"])
        check_model(model, route.request_type, "put one in the path, after `models/`")
        call.ask = replace(call.ask, model=model, is_streamed=route.is_streamed)


def route(gateway: Gateway, call: Call) -> None:
    """Choose the chain and its first lane.

    Raises Refused: MODEL_PROVIDER_NOT_BOUND, MODEL_NOT_RECOGNIZED, MODEL_NOT_ALLOWED, NO_PROVIDER_CONFIGURED.
    """
    lanes = call.required_plan().on(call.route)
    try:
        chain, source, alias = lanes.find(call.ask.model)
    except Refused as refused:
        count_here(call, refused)
        return
    terms = call.required_plan().terms
    if terms.allowed and call.dialect.read_form is None:
        _refuse_other_models(call, terms, chain[0].lane.binding)
    if source is not _IMPLICIT:
        call.note("model_source", source.value)
        if alias:
            call.note("alias", alias)
    if len(chain) > 1:
        call.watches_sealed = True
        chain = _ordered(gateway, call, lanes, chain)
        if terms.max_attempts == 1:
            chain = chain[:1]
    call.chain = chain
    call.choose(chain[0])


def _refuse_other_models(
    call: Call, terms: RoutingTerms[ProviderBinding], binding: ProviderBinding
) -> None:
    """Hold the models that a provider may fall back to by itself against the lists, too."""
    try:
        refused = terms.first_refused(binding, other_models(call.body))
    except Unjudgeable as error:
        raise Refused(Fault.BAD_REQUEST, f"{error} So no list of models can judge it.") from None
    if refused is not None:
        raise not_allowed(binding, refused.spellings[0], param=refused.param)


def _ordered(
    gateway: Gateway, call: Call, lanes: RouteLanes, chain: tuple[Choice, ...]
) -> tuple[Choice, ...]:
    """Return the chain in the order for this call: to whoever made what only they can read, else by strategy."""
    if has_sealed(call.body, call.dialect.name):
        return _of_maker(gateway, call, chain)
    strategy = call.required_plan().terms.strategy
    if strategy is Strategy.COST:
        return by_cost(chain, lambda choice: _cost(gateway, call, choice))
    if strategy is Strategy.LATENCY:
        return gateway.latencies.ordered(chain, _series, gateway.now_s())
    if strategy is Strategy.ROUND_ROBIN:
        lanes.turns += 1
        return rotated(chain, lanes.turns - 1)
    return chain


def _of_maker(gateway: Gateway, call: Call, chain: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Return the one provider that made the sealed parts of a request.

    When that is not known, the order is the same for every call of the conversation, and no other vendor is tried.
    """
    maker = gateway.makers.maker_of(call.required_plan().bundle.vk_id, call.body)
    made = tuple(choice for choice in chain if choice.lane.binding.id == maker)
    if made:
        return made
    vendor = chain[0].lane.binding.type
    return tuple(choice for choice in chain if choice.lane.binding.type == vendor)


def _cost(gateway: Gateway, call: Call, choice: Choice) -> int | None:
    now_s, tier = gateway.now_s(), call.ask.tier
    price = gateway.prices.price(choice.lane.binding.type, choice.model, now_s, tier=tier)
    usage = estimate_usage(len(call.body), call.ask.max_tokens, None, call.ask.answers)
    return cost_nanousd(usage, price) if price.is_known else None


def _series(choice: Choice) -> tuple[str, str]:
    return choice.lane.binding.id, choice.model
