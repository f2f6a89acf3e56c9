"""The fake provider's WebSocket of the responses API: each question is answered by the events of its stream."""

import base64
import hashlib
from collections.abc import Callable

import orjson
import trio
from wsproto import ConnectionType
from wsproto.connection import Connection as Frames
from wsproto.events import CloseConnection, Event, Ping, TextMessage

from tests.provider.answers import Answer
from tests.provider.behaviour import Behaviour
from tests.provider.record import Call, Record
from tests.provider.request import Request
from tests.provider.wire import READ_BYTES, ClientLeftError, Connection

PATHS = ("/v1/responses", "/openai/v1/responses")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Scripted = Callable[[Request], tuple[str, Behaviour]]
Answered = Callable[[Request, Behaviour], Answer]


def is_asked(request: Request) -> bool:
    """Whether a request is the handshake of a WebSocket."""
    return request.headers.get(b"upgrade", b"").lower() == b"websocket"


class Socket:
    """One client's connection, from its handshake on."""

    def __init__(
        self, connection: Connection, record: Record, scripted: Scripted, answered: Answered
    ) -> None:
        self._connection = connection
        self._record = record
        self._scripted = scripted
        self._answered = answered
        self._frames = Frames(ConnectionType.SERVER)

    async def serve(self, handshake: Request) -> None:
        """Agree, and answer questions until the client leaves. Raises ClientLeftError."""
        key = handshake.headers.get(b"sec-websocket-key", b"")
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        await self._connection.send(head + b"sec-websocket-accept: %b\r\n\r\n" % accept)
        data, text = self._connection.upgraded or b"", ""
        while True:
            if data:
                self._frames.receive_data(data)
            for event in self._frames.events():
                if isinstance(event, TextMessage):
                    text += event.data
                    if event.message_finished:
                        await self._turn(handshake, text.encode())
                        text = ""
                elif isinstance(event, Ping | CloseConnection):
                    await self._write(event.response())
                    if isinstance(event, CloseConnection):
                        return
            data = await self._read()

    async def _read(self) -> bytes:
        try:
            data = await self._connection.sock.recv(READ_BYTES)
        except (OSError, trio.ClosedResourceError) as error:
            raise ClientLeftError from error
        if not data:
            raise ClientLeftError
        return bytes(data)

    async def _write(self, event: Event) -> None:
        await self._connection.send(self._frames.send(event))

    async def _turn(self, handshake: Request, message: bytes) -> None:
        asked = orjson.loads(message)
        question = Request("POST", "/v1/responses", handshake.raw_headers, message)
        question.headers, question.json = handshake.headers, {**asked, "stream": True}
        script, behaviour = self._scripted(question)
        call = self._record.accept(question, self._connection.number, script)
        answer = self._answered(question, behaviour)
        self._record.answering(call, answer)
        outcome = "client_closed"
        try:
            outcome = await self._say(answer, behaviour, call)
        finally:
            self._record.ended(call, answer, outcome)
        if outcome != "completed":
            self._connection.reset()
            raise ClientLeftError

    async def _say(self, answer: Answer, behaviour: Behaviour, call: Call) -> str:
        if answer.events is None:
            told = orjson.loads(answer.body)["error"]
            event = {"type": "error", "status": answer.status, "error": told}
            await self._write(TextMessage(orjson.dumps(event).decode()))
            return "completed"
        for event in answer.events:
            if 0 <= behaviour.reset_after <= call.events_sent:
                return "reset"
            if behaviour.delay_ms:
                await trio.sleep(behaviour.delay_ms / 1000)
            lines = event.decode().splitlines()
            data = "\n".join(line[6:] for line in lines if line.startswith("data: "))
            await self._write(TextMessage(data))
            call.events_sent += 1
        return "completed"
