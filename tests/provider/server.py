"""The fake provider's server: which answer a request gets, and the control addresses of tests.

`/_control/...` is for tests: calls, state, behaviour, reset. Everything else is provider API.
"""

from collections import deque
from pathlib import Path

import httptools
import orjson
import trio

from tests.provider import answers, other_answers, sockets
from tests.provider.answers import Answer
from tests.provider.behaviour import NORMAL, Behaviour, parse
from tests.provider.clouds import Clouds
from tests.provider.delivery import Delivery
from tests.provider.dialects import (
    ANTHROPIC,
    COMPACT,
    COMPLETIONS,
    GEMINI,
    OPENAI,
    RESPONSES,
    dialect_of,
)
from tests.provider.record import Record
from tests.provider.request import Request
from tests.provider.wire import ClientLeftError, Connection

BACKLOG = 4096
_KEY_HEADERS = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")
_GENERATES = {
    "/v1/chat/completions": OPENAI,
    "/v1/messages": ANTHROPIC,
    "/v1/responses": RESPONSES,
    "/v1/completions": COMPLETIONS,
}
_OTHERS = {
    "/v1/embeddings": other_answers.embedding,
    "/v1/moderations": other_answers.moderation,
    "/v1/images/generations": other_answers.image,
    "/v1/images/edits": other_answers.image,
    "/v1/images/variations": other_answers.image,
    "/v1/audio/speech": other_answers.speech,
    "/v1/audio/transcriptions": other_answers.transcription,
    "/v1/audio/translations": other_answers.transcription,
}
_NO_SOCKET = b"HTTP/1.1 426 Upgrade Required\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_NO_CONTENT = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Provider:
    """State of one running fake: its record and the scripts that wait for requests."""

    def __init__(self, journal: Path | None = None) -> None:
        self.record = Record(journal)
        self._scripts: deque[tuple[str, int | None]] = deque()
        self._connections = 0
        self._steps = trio.Semaphore(0)
        self.clouds = Clouds()

    async def serve(self, listener: trio.SocketListener) -> None:
        """Serve until cancelled."""
        await trio.serve_listeners(self._connected, [listener])

    async def _connected(self, stream: trio.SocketStream) -> None:
        self._connections += 1
        self.record.open_connections += 1
        connection = Connection(stream.socket, self._connections)
        try:
            while await self._exchange(connection):
                pass
        except (ClientLeftError, trio.BrokenResourceError):
            pass
        except httptools.HttpParserError:
            with trio.move_on_after(1):
                await stream.send_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        finally:
            stream.socket.close()
            self.record.open_connections -= 1

    async def _exchange(self, connection: Connection) -> bool:
        request = await connection.next_request()
        if request.path.startswith("/_control/"):
            await connection.send(self._control(request))
            return connection.keep_alive
        if connection.upgraded is not None:
            if sockets.is_asked(request) and request.path in sockets.PATHS:
                talk = sockets.Socket(connection, self.record, self._behaviour, self._answer)
                await talk.serve(request)
            else:
                await connection.send(_NO_SOCKET)
            return False
        if request.method == "HEAD":
            await connection.send(_NO_CONTENT)
            return connection.keep_alive
        try:
            script, behaviour = self._behaviour(request)
        except ValueError as error:
            await connection.send(_refused(str(error)))
            return connection.keep_alive
        call = self.record.accept(request, connection.number, script)
        answer = self._answer(request, behaviour)
        self.record.answering(call, answer)
        outcome, usable = "client_closed", False
        try:
            gzip_too = b"gzip" in request.headers.get(b"accept-encoding", b"")
            delivery = Delivery(connection, answer, behaviour, call, gzip_too, self._steps)
            outcome, usable = await delivery.run()
        except ClientLeftError:
            pass
        finally:
            self.record.ended(call, answer, outcome)
        if behaviour.stale and usable:
            return await self._go_stale(connection, behaviour.stale)
        return usable and connection.keep_alive

    async def _go_stale(self, connection: Connection, how: str) -> bool:
        if how != "idle":
            await connection.read()
            if how == "reset":
                connection.reset()
        return False

    def _behaviour(self, request: Request) -> tuple[str, Behaviour]:
        script = request.headers.get(b"x-fake-behaviour", b"").decode("latin-1")
        script = script or request.model.partition("#")[2]
        if not script and self._scripts:
            script, left = self._scripts[0]
            if left is not None:
                self._scripts.popleft()
                if left > 1:
                    self._scripts.appendleft((script, left - 1))
        return script, parse(script) if script else NORMAL

    def _answer(self, request: Request, behaviour: Behaviour) -> Answer:
        cloud = self.clouds.unwrapped(request, behaviour)
        if cloud is not None:
            return cloud.made or cloud.wrap(self._answer(cloud.inner, behaviour))
        dialect = dialect_of(request)
        if not any(request.headers.get(name) for name in _KEY_HEADERS):
            return answers.error(dialect, Behaviour(status=401))
        if request.method == "POST" and request.action:
            return _gemini(request, behaviour)
        if request.method == "POST" and request.path in _GENERATES:
            return answers.answer(_GENERATES[request.path], request, behaviour)
        if request.method == "POST" and request.path in _OTHERS:
            return _OTHERS[request.path](request, behaviour)
        match request.method, request.path:
            case ("POST", "/v1/messages/count_tokens"):
                return answers.count_tokens(ANTHROPIC, "count_tokens", request, behaviour)
            case ("POST", "/v1/responses/input_tokens"):
                return answers.count_tokens(RESPONSES, "response_tokens", request, behaviour)
            case ("POST", "/v1/responses/compact"):
                return answers.answer(COMPACT, request, behaviour)
            case ("GET", "/v1/models" | "/v1beta/models"):
                return answers.models(dialect, behaviour)
        return answers.error(dialect, Behaviour(status=404))

    # For tests.
    def _control(self, request: Request) -> bytes:
        match request.method, request.path:
            case ("GET", "/_control/calls"):
                return _ok(self.record.as_json())
            case ("GET", "/_control/service-account"):
                return _ok(self.clouds.service_account())
            case ("GET", "/_control/state"):
                return _ok(orjson.dumps(self.record.state()))
            case ("POST", "/_control/behaviour"):
                return self._script(request.json or {})
            case ("POST", "/_control/step"):
                self._steps.release()
                return _ok(b"{}")
            case ("POST", "/_control/reset"):
                self._scripts.clear()
                self._steps = trio.Semaphore(0)
                self.record.forget()
                return _ok(b"{}")
        return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"

    def _script(self, asked: dict[str, object]) -> bytes:
        script, times = str(asked["behaviour"]), asked.get("times")
        try:
            parse(script)
        except ValueError as error:
            return _refused(str(error))
        if times is None:
            self._scripts.clear()
        self._scripts.append((script, int(str(times)) if times is not None else None))
        return _ok(b"{}")


def _gemini(request: Request, behaviour: Behaviour) -> Answer:
    match request.action:
        case "generateContent" | "streamGenerateContent":
            return answers.answer(GEMINI, request, behaviour)
        case "countTokens":
            return answers.count_tokens(GEMINI, "count", request, behaviour)
        case "embedContent" | "batchEmbedContents":
            return other_answers.gemini_embedding(request, behaviour)
    return answers.error(GEMINI, Behaviour(status=404))


def _ok(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def _refused(message: str) -> bytes:
    body = message.encode()
    return b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def run(host: str, port: int, journal: Path | None) -> None:
    """Serve on `host:port` (0 picks one) and print `{"port": N}` once connections are taken."""
    listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    print(orjson.dumps({"port": listeners[0].socket.getsockname()[1]}).decode(), flush=True)
    await Provider(journal).serve(listeners[0])
