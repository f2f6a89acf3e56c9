"""The Hypercorn + httpx peer: a plain streaming relay as an ASGI application.

As short and fast as these libraries allow without tricks; it checks nothing.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
HOP = {b"connection", b"host", b"transfer-encoding", b"keep-alive"}
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)


class Relay:
    """One pool for the life of the program."""

    def __init__(self) -> None:
        self.client: httpx.AsyncClient | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._relay(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        upstream = os.environ["BENCH_UPSTREAM"]
        async with httpx.AsyncClient(
            base_url=upstream, timeout=600, limits=LIMITS, trust_env=False
        ) as self.client:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _relay(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert self.client
        body = []
        while True:
            message = await receive()
            body.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        request = self.client.build_request(
            scope["method"],
            scope["raw_path"].decode(),
            headers=[pair for pair in scope["headers"] if pair[0] not in HOP],
            content=b"".join(body),
        )
        answer = await self.client.send(request, stream=True)
        try:
            headers = [(n.lower(), v) for n, v in answer.headers.raw if n.lower() not in HOP]
            status = answer.status_code
            await send({"type": "http.response.start", "status": status, "headers": headers})
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            await answer.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


app = Relay()
