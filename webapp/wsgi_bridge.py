"""Runs the Flask application in worker threads behind Hypercorn's Trio server.

Hypercorn has such a bridge of its own; it hands a body that was cut off to the application as if it were whole,
never sends the head of an answer without a body (204, 304, HEAD), prints errors to standard output, and lets long
polls take the threads that pages need. Hence this one. WebSockets are refused.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import trio

LOG = logging.getLogger(__name__)
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Any], Awaitable[None]]
Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

PAGE_THREADS = 32
BODY_SECONDS = 60
BUFFERED_BYTES = 512 * 1024 * 1024
# A body in single bytes costs more to take apart than it is worth; real clients need a few thousand.
BODY_PIECES = 50_000
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# One for each gateway worker that follows the change feed, with room for reconnects.
POLL_THREADS = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application said, whole: nothing of ours streams."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class BodyRefused(Exception):
    """A body that is not taken; ``status`` is the answer, 0 where nobody waits for one."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Bridge:
    """An ASGI application around a WSGI one. ``waits`` says which paths wait for something to happen."""

    def __init__(self, app: Wsgi, max_body_bytes: int, waits: Callable[[str], bool]) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._waits = waits
        self._pages = trio.CapacityLimiter(PAGE_THREADS)
        self._polls = trio.CapacityLimiter(POLL_THREADS)
        self._buffered_bytes = 0

    async def __call__(
        self, scope: Mapping[str, Any], receive: Receive, send: Send, *_: object
    ) -> None:
        """Answer one request. Hypercorn's two further arguments, its ways into threads, are not needed."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _http(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] not in METHODS:
            await _send(send, _bare(405), scope["method"])
            return
        body = bytearray()
        try:
            with trio.fail_after(BODY_SECONDS):
                await self._read(body, receive)
            await _send(send, await self._answer(scope, body), scope["method"])
        except trio.TooSlowError:
            await _send(send, _bare(408), scope["method"])
        except BodyRefused as refused:
            if refused.status:
                await _send(send, _bare(refused.status), scope["method"])
        finally:
            self._buffered_bytes -= len(body)

    async def _read(self, body: bytearray, receive: Receive) -> None:
        """Fill ``body``, which counts against what all requests may hold. Raises BodyRefused."""
        for _ in range(BODY_PIECES):
            message = await receive()
            if message["type"] != "http.request":
                raise BodyRefused(0)
            piece = message.get("body", b"")
            body += piece
            self._buffered_bytes += len(piece)
            if len(body) > self._max_body_bytes:
                raise BodyRefused(413)
            if self._buffered_bytes > BUFFERED_BYTES:
                raise BodyRefused(503)
            if not message.get("more_body"):
                return
        raise BodyRefused(413)

    async def _answer(self, scope: Mapping[str, Any], body: bytearray) -> Answer:
        limiter = self._polls if self._waits(scope["path"]) else self._pages
        environ = environ_of(scope, body)
        return await trio.to_thread.run_sync(answer_of, self._app, environ, limiter=limiter)


def _bare(status: int) -> Answer:
    """Return an answer from before the application; the rest of the body is not waited for."""
    return Answer(status, [(b"connection", b"close"), (b"content-length", b"0")], b"")


def environ_of(scope: Mapping[str, Any], body: bytes | bytearray) -> Environ:
    """Return the WSGI environment of an ASGI request (PEP 3333)."""
    server = scope.get("server") or ("localhost", 80)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("", 0))[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        _add_header(environ, raw_name.decode("latin-1"), raw_value.decode("latin-1"))
    return environ


def _add_header(environ: Environ, name: str, value: str) -> None:
    # A header with an underscore would pass for the one with a hyphen; servers drop it for that reason.
    if name == "content-length" or "_" in name:
        return
    key = "CONTENT_TYPE" if name == "content-type" else f"HTTP_{name.upper().replace('-', '_')}"
    environ[key] = f"{environ[key]},{value}" if key in environ else value


def answer_of(app: Wsgi, environ: Environ) -> Answer:
    """Run the application in this thread and return its whole answer; a crash becomes a bare 500."""
    said: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        said["status"] = int(status.partition(" ")[0])
        said["headers"] = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers]

    try:
        chunks = app(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
    except Exception:
        LOG.exception("request_crashed", extra={"path": environ["PATH_INFO"]})
        return Answer(500, [(b"content-type", b"text/plain")], b"Something broke on our side.\n")
    return Answer(said["status"], said["headers"], body)


async def _lifespan(receive: Receive, send: Send) -> None:
    """Agree to start and to stop. Hypercorn fails now and then at an application that just returns here."""
    for _ in range(2):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


async def _send(send: Send, answer: Answer, method: str) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    body = b"" if method == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body, "more_body": False})
