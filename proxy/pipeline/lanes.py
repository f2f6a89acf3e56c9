"""Which providers a key can reach on which route, worked out once per bundle. Routes without policy:
the provider named before the slash of a model, else the key's first that speaks the route's dialect.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from typing import NamedTuple

from core.fault import Fault, Refused
from proxy.bundle import Bundle, ProviderBinding
from proxy.checks import NO_CHECKS, Checks, checks_of
from proxy.dialects.dialect import Dialect
from proxy.providers import sandbox
from proxy.providers.provider import Headers, Outgoing, Provider, Signer, TokenNeed, Wanted
from proxy.providers.registry import FAMILIES, PROVIDERS
from proxy.routes import Route
from proxy.transport.answer import header_block
from proxy.transport.upstream import host_header

_MAX_PLANS = 20_000
_MAX_TARGETS = 256
"""Past this a caller is inventing model names; their request lines are made all the same."""
_MAX_NAMED = 10


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
    _targets: dict[tuple[str, bool], bytes] = field(default_factory=dict)
    _faces: "dict[int, Lane | None]" = field(default_factory=dict)

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

    def wanted(self, model: str, is_streamed: bool) -> Wanted:
        """Return what a call of this lane wants of the provider, in the provider's own words."""
        route, deployments = self.route, self.binding.settings.deployments
        if deployments:
            model = deployments.get(model, model)
        return Wanted(route.request_type, route.upstream_path, model, is_streamed)

    def target(self, model: str, is_streamed: bool) -> bytes:
        """Return method and path for a model, up to where the caller's query goes."""
        target = self._targets.get((model, is_streamed))
        if target is None:
            path = self.provider.address(self.binding, self.wanted(model, is_streamed))
            target = f"POST {path}".encode("ascii", "ignore")
            if len(self._targets) < _MAX_TARGETS:
                self._targets[model, is_streamed] = target
        return target

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


@dataclass(slots=True)
class RouteLanes:
    """The lanes of one key on one route."""

    default: Lane | None = None
    by_prefix: dict[str, Lane] = field(default_factory=dict)
    """By provider name and by family; a name wins over a family."""
    by_model: dict[str, Lane] = field(default_factory=dict)
    mute: frozenset[str] = frozenset()
    """Names of providers of this key that don't speak the route's dialect."""

    def find(self, model: str) -> tuple[Choice, ...]:
        """Return the chain for a model as the caller named it: the lanes to try, in order.

        Raises Refused: NO_PROVIDER_CONFIGURED or MODEL_PROVIDER_NOT_BOUND.
        """
        prefix, slash, rest = model.partition("/")
        if slash and rest:
            lane = self.by_prefix.get(prefix)
            if lane is not None:
                return (self._choice(lane, rest),)
            if prefix in self.mute or prefix in FAMILIES:
                raise self._unreachable(f'No provider of this key serves "{prefix}/…" here.', model)
        lane = self.by_model.get(model, self.default)
        if lane is None:
            if not self.mute:
                raise Refused(Fault.NO_PROVIDER_CONFIGURED, "This key has no provider.")
            raise self._unreachable("No provider of this key speaks the API of this path.", model)
        return (self._choice(lane, model),)

    def _choice(self, lane: Lane, model: str) -> Choice:
        serving = lane.serving(model)
        if serving is None:
            name = lane.binding.name
            raise self._unreachable(f'The provider "{name}" does not serve this model here.', model)
        return Choice(serving, model)

    def _unreachable(self, sentence: str, model: str) -> Refused:
        reachable = [f"{prefix}/" for prefix in self.by_prefix][:_MAX_NAMED]
        advice = f" Reachable on this path: {', '.join(reachable)}." if reachable else ""
        return Refused(
            Fault.MODEL_PROVIDER_NOT_BOUND, sentence + advice, model=model, reachable=reachable
        )


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A bundle with what its calls are checked against, and its lanes, worked out when a route is first called."""

    bundle: Bundle
    checks: Checks = NO_CHECKS
    _lanes: dict[str, RouteLanes] = field(default_factory=dict)

    def lanes(self, route: Route) -> RouteLanes:
        """Return the lanes of the bundle's providers on a route."""
        lanes = self._lanes.get(route.path)
        if lanes is None:
            lanes = self._lanes[route.path] = route_lanes(route, self.bundle)
        return lanes


class PlanBook:
    """The plans of the bundles in use. A bundle that was replaced is planned anew."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}

    def of(self, bundle: Bundle) -> Plan:
        """Return the plan of a bundle."""
        plan = self._plans.get(bundle.vk_id)
        if plan is None or plan.bundle is not bundle:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            plan = Plan(bundle, checks_of(bundle))
            self._plans[bundle.vk_id] = plan
        return plan


def route_lanes(route: Route, bundle: Bundle) -> RouteLanes:
    """Return the lanes of a bundle's providers on a route, in the key's order."""
    lanes = RouteLanes()
    mute, families = set(), dict[str, Lane]()
    for binding in bundle.providers:
        provider = PROVIDERS.get(binding.type)
        lane = None if provider is None else lane_of(route, binding, provider)
        if lane is None:
            mute |= {binding.name, binding.type}
            continue
        lanes.default = lanes.default or lane
        lanes.by_prefix.setdefault(binding.name, lane)
        families.setdefault(binding.type, lane)
        if binding.type == sandbox.SANDBOX.type:
            lanes.by_model |= dict.fromkeys(sandbox.MODELS, lane)
    lanes.by_prefix = families | lanes.by_prefix
    lanes.mute = frozenset(mute)
    return lanes


def with_query(target: bytes, query: bytes) -> bytes:
    """Return a request target with a query behind what it may have already."""
    return b"%b%b%b" % (target, b"&" if b"?" in target else b"?", query)


def lane_of(route: Route, binding: ProviderBinding, provider: Provider) -> Lane | None:
    """Return the lane of one provider on a route, or None when it can't serve the route."""
    dialect = route.dialect
    if dialect is None or not provider.serves(dialect.name, route.request_type):
        return None
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
    )
