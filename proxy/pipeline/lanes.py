"""Which providers a key can reach on which route, and under which names, worked out once per bundle.

Who serves a model is decided in ``rules.routing``; here each provider becomes a lane, and what was decided
is remembered.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from core.fault import Fault, Refused
from proxy.bundle import Bundle, ProviderBinding
from proxy.checks import NO_CHECKS, Checks, checks_of
from proxy.dialects.dialect import Dialect
from proxy.limit_state import Period
from proxy.pipeline.foreign import Errand, Way, way_to
from proxy.pipeline.routing_terms import RoutingTerms, routing_terms
from proxy.providers.provider import Headers, Outgoing, Provider, Signer, TokenNeed, Wanted
from proxy.providers.registry import PROVIDERS
from proxy.routes import Route
from proxy.transport.answer import header_block
from proxy.transport.upstream import host_header
from rules.accounts import NotAllowed, account_of, is_catalogued, resolve
from rules.routing import Directory, Reason, Source, Unplaced

_MAX_PLANS = 20_000
_MAX_OTHERS = 64
_MAX_TARGETS = 256
"""Past this a caller is inventing model names; their request lines are made all the same."""
_MAX_MODELS = 256
"""The same for what was decided about them, per key and route."""
_MAX_NAMED = 10
_NO_PROVIDER = "This key has no provider."


class Destination(NamedTuple):
    """What a call wants of a provider, and where to ask for it."""

    wanted: Wanted
    """In the provider's own words."""
    target: bytes
    """Method and path, up to where the caller's query goes."""


@dataclass(slots=True, eq=False)
class Lane:
    """One provider of a key on one route, with the part of the request head that never changes."""

    route: Route
    binding: ProviderBinding
    provider: Provider
    wire: Dialect
    """The wire format that goes to the provider and comes back from it."""
    fixed_head: bytes
    """From behind the query to the first header of the caller."""
    token: TokenNeed | None = None
    """The token that must be shown with every request."""
    signer: Signer | None = None
    """Proves the account over each request."""
    replaced: frozenset[bytes] = frozenset()
    """Names of headers that the provider's settings give; the caller's own are left out."""
    way: Way | None = None
    """How requests and answers are translated; None where the provider speaks the route's dialect."""
    charged: tuple[tuple[Period, ...], msgspec.Raw] = ((), msgspec.Raw(b"[]"))
    """The periods that its last call was charged to, and what records say of them."""
    opens_sockets: bool = True
    """False once the provider has answered the handshake of a WebSocket as something that it does not have."""
    records: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """What the records of calls to a model, as the caller names it, have alike; for ``proxy.pipeline.records``."""
    is_plain: bool = field(init=False)
    """A request goes on as it came, with nothing but the fixed head put before the caller's headers."""
    _destinations: dict[tuple[str, bool], Destination] = field(default_factory=dict)
    _faces: "dict[int, Lane | None]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        provider = self.provider
        self.is_plain = not (
            self.way is not None
            or self.token is not None
            or self.signer is not None
            or self.replaced
            or provider.edit is not None
            or provider.query is not None
            or provider.headers is not None
            or provider.default_headers
        )

    def serving(self, model: str) -> "Lane | None":
        """Return the lane that serves a model, itself as a rule; None where the provider can't or may not.

        Some providers speak another wire format with each family of models.
        """
        settings = self.binding.settings
        if settings.blocked_models and not settings.serves(model):
            return None
        face = self.provider.face
        if face is None:
            return self
        provider = face(self.binding, model)
        if id(provider) not in self._faces:
            self._faces[id(provider)] = lane_of(self.route, self.binding, provider)
        return self._faces[id(provider)]

    def destination(self, model: str, is_streamed: bool) -> Destination:
        """Return what a call of this lane wants of the provider, and where to ask for it."""
        destination = self._destinations.get((model, is_streamed))
        if destination is None:
            wanted = self._wanted(model, is_streamed)
            target = f"POST {self.provider.address(self.binding, wanted)}".encode("ascii", "ignore")
            destination = Destination(wanted, target)
            if len(self._destinations) < _MAX_TARGETS:
                self._destinations[model, is_streamed] = destination
        return destination

    def _wanted(self, model: str, is_streamed: bool) -> Wanted:
        errand: Route | Errand = self.route
        if self.way is not None:
            errand = self.way.streamed if is_streamed else self.way.whole
        deployments = self.binding.settings.deployments
        if deployments:
            model = deployments.get(model, model)
        return Wanted(errand.request_type, errand.upstream_path, model, is_streamed)

    def head(
        self, target: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body_bytes: int
    ) -> bytes:
        """Return the whole head of the request to the provider; ``target`` is this lane's for the model."""
        lines = [name + b": " + value for name, value in headers]
        lines.append(b"content-length: %d\r\n\r\n" % body_bytes)
        block = b"\r\n".join(lines)
        ends = len(lines) + 1
        if block.count(b"\n") != ends or block.count(b"\r") != ends or b"\0" in block:
            # The parser lets no such header in; a credential must not ride on its word alone.
            raise Refused(Fault.BAD_REQUEST, "A header holds a line break or a NUL.")
        if query:
            target = with_query(target, query)
        return b"".join((target, self.fixed_head, block))

    def headers(self, headers: Headers, named: Container[bytes]) -> Headers:
        """Return what the provider gets of a caller's headers, with those it takes for granted.

        ``named`` has at least the names of the caller's headers that are taken for granted else.
        """
        provider = self.provider
        if provider.headers is not None:
            headers = provider.headers(headers)
        if self.replaced:
            headers = [header for header in headers if header[0] not in self.replaced]
        for header in provider.default_headers:
            if header[0] not in named:
                headers = [*headers, header]
        return headers

    def signature(self, target: bytes, query: bytes, body: bytes, now_s: float) -> Headers:
        """Return what proves the account over a request of this lane; nothing where no signature is asked for."""
        if self.signer is None:
            return []
        method, _, path = (with_query(target, query) if query else target).partition(b" ")
        target_of = self.binding.target
        host = b"" if target_of is None else host_header(target_of)
        return self.signer(Outgoing(method, path, host, body, now_s))


class Choice(NamedTuple):
    """A lane with the model's name at its provider."""

    lane: Lane
    model: str


class Found(NamedTuple):
    """Where a model is served: the lanes to try, in order, and how the caller's word was understood."""

    chain: tuple[Choice, ...]
    source: Source
    alias: str = ""


class RouteLanes:
    """The lanes of one key on one route, in the order in which they are tried."""

    def __init__(self, route: Route, terms: RoutingTerms) -> None:
        self._terms = terms
        self._lanes: list[Lane] = []
        self._found: dict[str, Found] = {}
        mute = []
        for binding in terms.order:
            provider = PROVIDERS.get(binding.type)
            lane = None if provider is None else lane_of(route, binding, provider)
            if lane is None:
                mute.append(account_of(binding, binding.settings))
            else:
                self._lanes.append(lane)
        # Whoever speaks the route's dialect comes before those who have to be translated for.
        self._lanes.sort(key=lambda lane: lane.way is not None)
        self._order = [lane.binding for lane in self._lanes]
        accounts = [
            account_of(lane.binding, lane.binding.settings, is_native=lane.way is None)
            for lane in self._lanes
        ]
        self._directory = Directory(accounts, mute, terms.aliases, is_catalogued)
        self.opens_sockets = True
        """False once somebody asked by WebSocket for a model that is not reached by one."""
        self.turns = 0
        """How many calls have been spread over the lanes so far, where a policy has them take turns."""

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All lanes, in the order in which they are tried."""
        return tuple(self._lanes)

    def find(self, model: str) -> Found:
        """Return the chain for a model as the caller named it.

        Raises Refused: NO_PROVIDER_CONFIGURED, MODEL_PROVIDER_NOT_BOUND, MODEL_NOT_RECOGNIZED,
        MODEL_NOT_ALLOWED.
        """
        found = self._found.get(model)
        if found is None:
            found = self._resolved(model)
            if len(self._found) < _MAX_MODELS:
                self._found[model] = found
        return found

    def peek(self, model: str) -> Found | None:
        """Return what ``find`` does, or None where that refuses; nothing of it is remembered."""
        try:
            return self._resolved(model)
        except Refused:
            return None

    def claims(self, model: str) -> bool:
        """Say whether a provider is known to serve a model, and does not just get what nobody else takes."""
        return self._directory.claims(model)

    def _resolved(self, model: str) -> Found:
        try:
            resolution = resolve(self._directory, self._terms, self._order, model)
        except Unplaced as unplaced:
            raise self._refusal(unplaced, model) from None
        except NotAllowed as refused:
            place, name = refused.pick
            raise not_allowed(self._lanes[place].binding, name, refused.alias) from None
        served = ((self._lanes[place].serving(name), name) for place, name in resolution.picks)
        chain = [Choice(lane, name) for lane, name in served if lane is not None]
        if not chain:
            name = self._order[resolution.picks[0].place].name
            sentence = f'The provider "{name}" does not serve this model here.'
            raise Refused(Fault.MODEL_PROVIDER_NOT_BOUND, sentence, model=model, provider=name)
        return Found(tuple(chain), resolution.source, resolution.alias)

    def _refusal(self, unplaced: Unplaced, model: str) -> Refused:
        if unplaced.reason is Reason.NO_PROVIDER:
            policy = self._terms.policy_name
            sentence = f'The routing policy "{policy}" names no provider of this key.'
            return Refused(Fault.NO_PROVIDER_CONFIGURED, sentence if policy else _NO_PROVIDER)
        reachable = self._directory.reachable(_MAX_NAMED)
        advice = f" Reachable on this path: {', '.join(reachable)}." if reachable else ""
        if unplaced.reason is Reason.NOT_RECOGNIZED:
            fault = Fault.MODEL_NOT_RECOGNIZED
            sentence = f'No provider of this key is known to serve "{model}".'
        elif reachable:
            fault = Fault.MODEL_PROVIDER_NOT_BOUND
            word = unplaced.name or model
            sentence = f'No provider of this key serves "{word}" here.'
        else:
            fault = Fault.MODEL_PROVIDER_NOT_BOUND
            sentence = "No provider of this key speaks the API of this path."
        return Refused(fault, sentence + advice, model=model, reachable=reachable)


def not_allowed(
    binding: ProviderBinding, model: str, alias: str = "", param: str | None = None
) -> Refused:
    """Return the refusal of a model that the lists of the key or of its policy do not hold."""
    named = f' (by the alias "{alias}")' if alias else ""
    return Refused(
        Fault.MODEL_NOT_ALLOWED,
        f'The model "{model}"{named} is not among those that this key may use.',
        param=param,
        model=model,
        provider=binding.name,
    )


@dataclass(slots=True, eq=False)
class Plan:
    """A bundle with what is worked out of it once: its routing terms, its lanes by
    route, and what its calls are checked against."""

    bundle: Bundle
    terms: RoutingTerms
    checks: Checks = NO_CHECKS
    _lanes: dict[str, RouteLanes] = field(default_factory=dict)

    def on(self, route: Route) -> RouteLanes:
        """Return the lanes on a route, worked out when it is first used."""
        lanes = self._lanes.get(route.path)
        if lanes is None:
            lanes = self._lanes[route.path] = RouteLanes(route, self.terms)
        return lanes


class PlanBook:
    """The plans of the bundles in use. A bundle that was replaced is planned anew."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._others: dict[int, Plan] = {}
        """Of keys with two secrets, while one is rotated out, the plan of the other; by the bundle's identity."""

    def of(self, bundle: Bundle) -> Plan:
        """Return the plan of a bundle."""
        plan = self._plans.get(bundle.vk_id)
        if plan is None or plan.bundle is not bundle:
            other = self._others.get(id(bundle))
            if other is not None and other.bundle is bundle:
                return other
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            if plan is not None:
                self._set_aside(plan)
            plan = Plan(bundle, routing_terms(bundle), checks=checks_of(bundle))
            self._plans[bundle.vk_id] = plan
        return plan

    def _set_aside(self, plan: Plan) -> None:
        if len(self._others) >= _MAX_OTHERS:
            self._others.clear()
        self._others[id(plan.bundle)] = plan


def with_query(target: bytes, query: bytes) -> bytes:
    """Return a request target with a query behind what it may have already."""
    return b"%b%b%b" % (target, b"&" if b"?" in target else b"?", query)


def lane_of(route: Route, binding: ProviderBinding, provider: Provider) -> Lane | None:
    """Return the lane of one provider on a route, or None when it can't serve the route even translated."""
    dialect, way = route.dialect, None
    if dialect is None:
        return None
    if not provider.serves(dialect.name, route.request_type):
        way = way_to(provider, route)
        if way is None:
            return None
        dialect = way.wire
    settings = binding.settings
    extra = [(n.lower().encode(), v.encode("latin-1")) for n, v in settings.extra_headers.items()]
    headers = [*provider.credential_headers(binding), *extra, (b"accept-encoding", b"identity")]
    if binding.target is not None:
        headers.insert(0, (b"host", host_header(binding.target)))
    fixed_head = b" HTTP/1.1\r\n" + header_block(headers)
    return Lane(
        route,
        binding,
        provider,
        dialect,
        fixed_head,
        None if provider.token is None else provider.token(binding),
        None if provider.signer is None else provider.signer(binding),
        frozenset(name for name, _ in headers) if extra else frozenset(),
        way,
    )
