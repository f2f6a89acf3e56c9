"""Opens a WebSocket where it can be governed, and sends everybody else to plain HTTP with 426. Runs no turn."""

from core.fault import Fault, Refused
from proxy.gateway import Gateway
from proxy.pipeline.identity import Identity
from proxy.pipeline.incoming import Incoming
from proxy.pipeline.outgoing_headers import standing_headers, trace_headers
from proxy.pipeline.socket_turns import Turns, lanes_for_sockets
from proxy.routes import Serves, find
from proxy.transport.asgi import Scope
from proxy.transport.connection import ClientConnection
from proxy.transport.websocket import WebSocket, switching, wants_websocket
from rules.guardrails.types import RESPONSE, STREAM_CHUNK


async def serve_socket(
    gateway: Gateway, scope: Scope, incoming: Incoming, identity: Identity
) -> None:
    """Serve a client's WebSocket to its end. Raises Refused: UPGRADE_REQUIRED, and those of authentication.

    Refused before the switch means that nothing was sent. A key whose answers must be judged or may be given
    again is served by plain HTTP only, where that can be done.
    """
    key = wants_websocket(scope["headers"])
    connection = scope["state"].get("connection")
    route = find(scope["path"], "POST")
    if key is None or not isinstance(connection, ClientConnection):
        raise Refused(Fault.UPGRADE_REQUIRED, "This is no WebSocket handshake; use plain HTTP.")
    if route is None or route.serves is not Serves.EXCHANGE:
        raise Refused(Fault.UPGRADE_REQUIRED, "WebSockets are not served here; use plain HTTP.")
    presented = incoming.presented_key
    if not presented:
        raise Refused(Fault.MISSING_API_KEY)
    bundle = gateway.keyring.known(presented) or await gateway.keyring.resolve(presented)
    plan = gateway.plans.of(bundle)
    guards = plan.checks.guards or {}
    is_judged = bool(guards.get(RESPONSE) or guards.get(STREAM_CHUNK))
    is_ready = gateway.readiness.is_ready and not connection.last
    can_serve = lanes_for_sockets(plan.on(route).lanes) and not plan.checks.response_ttl_seconds
    if is_judged or not can_serve or not is_ready:
        raise Refused(
            Fault.UPGRADE_REQUIRED, "This key's calls are not served by WebSocket; use plain HTTP."
        )
    headers = standing_headers(gateway.version_bytes, identity)
    headers += trace_headers(identity, incoming.get(b"tracestate"))
    duplex = connection.take_over()
    settings = gateway.settings
    client = WebSocket(duplex, True, settings.max_body_bytes, settings.client_write_seconds)
    await duplex.send(switching(key, headers), settings.client_write_seconds)
    await Turns(gateway, scope, route, incoming, client).run()
