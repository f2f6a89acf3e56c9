"""Opens a WebSocket where it can be governed, and sends everybody else to plain HTTP with 426. Runs no turn."""

from core.fault import Fault, Refused
from proxy.gateway import Gateway
from proxy.pipeline.identity import Identity
from proxy.pipeline.incoming import Incoming
from proxy.pipeline.outgoing_headers import standing_headers, trace_headers
from proxy.pipeline.socket_turns import Turns
from proxy.pipeline.socket_upstream import speaks
from proxy.routes import Serves, find
from proxy.transport.asgi import Scope
from proxy.transport.connection import ClientConnection
from proxy.transport.websocket import WebSocket, switching, wants_websocket


async def serve_socket(
    gateway: Gateway, scope: Scope, incoming: Incoming, identity: Identity
) -> None:
    """Serve a client's WebSocket to its end. Raises Refused: UPGRADE_REQUIRED, and those of authentication.

    Refused before the switch means that nothing was sent. It is opened for a key with a provider that opens
    WebSockets; which of them serves a question, and whether one does, its model says. A key that has asked for
    a model which none of them serves is sent to plain HTTP from then on. Answers are judged on
    their way like those of a stream; none is kept to be given again.
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
    lanes = plan.on(route)
    if not (lanes.opens_sockets and any(map(speaks, lanes.lanes))):
        raise Refused(
            Fault.UPGRADE_REQUIRED,
            "This key's models are not reached by WebSocket; use plain HTTP.",
        )
    if not gateway.readiness.is_ready or connection.last:
        raise Refused(Fault.UPGRADE_REQUIRED, "The gateway is stopping; use plain HTTP.")
    headers = standing_headers(gateway.version_bytes, identity)
    headers += trace_headers(identity, incoming.get(b"tracestate"))
    duplex = connection.take_over()
    settings = gateway.settings
    client = WebSocket(duplex, True, settings.max_body_bytes, settings.client_write_seconds)
    await duplex.send(switching(key, headers), settings.client_write_seconds)
    await Turns(gateway, scope, route, incoming, client).run()
