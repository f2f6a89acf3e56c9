"""The gateway as one ASGI application: finds the route, reads the body, hands calls to the pipeline.

The edge where ASGI ends: below it nobody sees a message, above it nobody sees a refusal.
"""

from core.fault import Fault, Refused
from proxy.bundle import Bundle
from proxy.dialects.error_forms import ErrorForm
from proxy.gateway import Gateway
from proxy.metrics_view import metrics_answer
from proxy.model_forms import FORMS
from proxy.pipeline.call import new_call
from proxy.pipeline.caller import api_of, without_key
from proxy.pipeline.incoming import KEY_HEADERS, Incoming, read_headers
from proxy.pipeline.observe import record_own_answer
from proxy.pipeline.outgoing_headers import standing_headers, trace_headers
from proxy.pipeline.stages import carry
from proxy.probes import probe
from proxy.responses import Answer, json_answer, refusal
from proxy.routes import Route, Serves, find
from proxy.socket_door import serve_socket
from proxy.transport.asgi import App, Receive, Scope, Send
from proxy.transport.faults import RequestRefused

_TRACED = frozenset(
    {
        Fault.MISSING_API_KEY,
        Fault.INVALID_API_KEY,
        Fault.VIRTUAL_KEY_REVOKED,
        Fault.VIRTUAL_KEY_DISABLED,
        Fault.VIRTUAL_KEY_EXPIRED,
        Fault.AUTH_UPSTREAM_UNAVAILABLE,
    }
)
_BODY_FAULTS = {408: Fault.BAD_REQUEST, 413: Fault.PAYLOAD_TOO_LARGE}


def create_app(gateway: Gateway) -> App:
    """Return the application that serves one worker's requests."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        incoming = read_headers(scope["headers"])
        if b"=" in scope["query_string"]:
            _take_key(scope, incoming)
        identity = gateway.identities.mint(incoming.trace)
        route = find(scope["path"], scope["method"])
        try:
            if route is not None and route.serves is Serves.EXCHANGE and scope["method"] == "POST":
                call = new_call(scope, send, route, identity)
                call.incoming = incoming
                call.body = await _read_body(gateway, incoming, receive)
                call.coding = incoming.get(b"content-encoding")
                answer = None
            elif route is not None and route.serves is Serves.UPGRADE:
                await serve_socket(gateway, scope, incoming, identity)
                return
            else:
                answer = await _own_answer(gateway, scope, route, incoming)
        except (Refused, RequestRefused) as error:
            refused = error if isinstance(error, Refused) else _from_transport(error)
            answer = refusal(refused, identity, _error_form(scope["path"], route, incoming))
            if refused.fault in _TRACED:
                answer.headers.extend(trace_headers(identity, incoming.get(b"tracestate")))
        if answer is None:
            await carry(gateway, call)
            return
        headers = standing_headers(gateway.version_bytes, identity) + answer.headers
        if route is not None and route.serves is Serves.MODELS and answer.status != 401:
            headers += trace_headers(identity, incoming.get(b"tracestate"))
        record_own_answer(gateway, scope["method"], route, answer.status, identity)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    return app


async def _read_body(gateway: Gateway, incoming: Incoming, receive: Receive) -> bytes:
    """Return the body. A long one is taken from somebody with a key only. Raises Refused, RequestRefused."""
    message = await receive()
    if not message["more_body"]:
        body: bytes = message["body"]
        return body
    pieces = [message["body"]]
    await _bundle(gateway, incoming)
    while message["more_body"]:
        message = await receive()
        pieces.append(message["body"])
    return b"".join(pieces)


def _from_transport(error: RequestRefused) -> Refused:
    return Refused(_BODY_FAULTS.get(error.status, Fault.BAD_REQUEST), error.message)


async def _own_answer(
    gateway: Gateway, scope: Scope, route: Route | None, incoming: Incoming
) -> Answer:
    """Return the answer to what the gateway serves itself. Raises Refused."""
    if route is None:
        raise Refused(Fault.NOT_FOUND, "The gateway serves nothing at this address.")
    if scope["method"] not in route.methods:
        allowed = ", ".join(sorted(route.methods))
        raise Refused(
            Fault.METHOD_NOT_ALLOWED, f"This address takes {allowed} only.", allowed_methods=allowed
        )
    if route.serves is Serves.GREETING:
        return json_answer(200, {"status": "ok", "service": "langwatch-gateway"})
    if route.serves is Serves.METRICS:
        return metrics_answer(gateway, scope, incoming)
    if route.serves is Serves.MODELS:
        return await _models(gateway, scope, incoming)
    return probe(route.serves, gateway.readiness, gateway.version)


def _take_key(scope: Scope, incoming: Incoming) -> None:
    """Move a key out of the query, where Gemini's clients may put it, so that nothing forwards or logs it."""
    key, scope["query_string"] = without_key(scope["query_string"])
    if key:
        # The last of the headers that are looked at for a key.
        incoming.consumed.setdefault(KEY_HEADERS[-1], key)


def _error_form(path: str, route: Route | None, incoming: Incoming) -> ErrorForm:
    if route is not None and route.dialect is not None:
        return route.dialect.errors
    return FORMS[api_of(path, incoming)].errors


async def _bundle(gateway: Gateway, incoming: Incoming) -> Bundle:
    presented = incoming.presented_key
    if not presented:
        raise Refused(Fault.MISSING_API_KEY)
    return gateway.keyring.known(presented) or await gateway.keyring.resolve(presented)


async def _models(gateway: Gateway, scope: Scope, incoming: Incoming) -> Answer:
    bundle = await _bundle(gateway, incoming)
    path = scope["path"]
    api = api_of(path, incoming)
    plan, name = gateway.plans.of(bundle), path.partition("/models/")[2]
    if name:
        return gateway.model_lists.one(plan, api, FORMS[api], name)
    return gateway.model_lists.answer(plan, api, FORMS[api], scope["query_string"])
