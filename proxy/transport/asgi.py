"""The ASGI types as far as the transport speaks them, and the scope of a request."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from proxy.transport.request import Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Address = tuple[str, int]

CHUNKS_EXTENSION = "langwatch.chunks"
"""Named in ``scope["extensions"]`` where a body message may carry ``chunks`` instead of ``body``, and a
start message ``lines`` beside ``headers``: headers that are encoded already, none of which frames the body.
A start message that carries ``chunks`` is the first body message as well."""

_EXTENSIONS: dict[str, dict[str, Any]] = {CHUNKS_EXTENSION: {}}
_VERSION = {"version": "3.0", "spec_version": "2.4"}


def http_scope(
    request: Request, state: dict[str, Any], client: Address | None, server: Address | None
) -> dict[str, Any]:
    """Return the ``http`` scope. ``state`` is shared by all requests of a connection."""
    raw_path, _, query = request.target.partition(b"?")
    path = unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path
    return {
        "type": "http",
        "asgi": _VERSION,
        "http_version": "1.0" if request.http_1_0 else "1.1",
        "method": request.method.decode("ascii"),
        "scheme": "http",
        "path": path.decode("utf-8", "replace"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": request.headers,
        "client": client,
        "server": server,
        "state": state,
        "extensions": _EXTENSIONS,
    }
