"""A provider's WebSocket for tests, by another implementation than ours: answers as OpenAI's responses API does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


@dataclass(slots=True)
class SocketPeer:
    """What it saw, and how it behaves next: ``script`` names what goes wrong in the coming turns."""

    port: int = 0
    handshakes: list[dict[str, str]] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)
    script: list[str] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def serve(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        headers = dict(request.headers.raw_items())
        self.handshakes.append({"path": request.path} | {k.lower(): v for k, v in headers.items()})
        try:
            for message in connection:
                assert isinstance(message, str)
                self.texts.append(message)
                self._turn(connection, json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            self.closed.set()

    def _turn(self, connection: ServerConnection, asked: dict[str, Any]) -> None:
        self.turns.append(asked)
        wrong = self.script.pop(0) if self.script else ""
        number = len(self.turns)
        usage = {
            "input_tokens": 30,
            "input_tokens_details": {"cached_tokens": 10},
            "output_tokens": 7,
            "total_tokens": 37,
        }
        answer = {"id": f"resp_{number}", "object": "response", "model": asked.get("model")}
        answer |= {"status": "in_progress", "output": []}
        if wrong == "error-first":
            self._say(connection, {"type": "error", "error": {"code": "odd"}})
            self._say(connection, {"type": "rate_limits.updated"})
        self._say(
            connection, {"type": "response.created", "sequence_number": 0, "response": answer}
        )
        if wrong == "hold":
            self.held.wait(10)
        if wrong == "close":
            connection.close(1011, "broken")
            return
        if wrong == "cancel":
            # A client's word about another answer: refused, and the one under way goes on.
            connection.recv(timeout=5)
            self._say(connection, {"type": "error", "error": {"code": "no_such_response"}})
        if wrong == "error":
            error = {"code": "previous_response_not_found", "message": "gone", "param": "x"}
            self._say(connection, {"type": "error", "status": 400, "error": error})
            return
        delta = {"type": "response.output_text.delta", "delta": "hé ", "item_id": "m"}
        self._say(
            connection,
            delta | {"sequence_number": 1, "output_index": 0, "content_index": 0, "logprobs": []},
        )
        content = [{"type": "output_text", "text": "hé", "annotations": []}]
        item = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
        done = answer | {
            "status": "completed",
            "usage": usage,
            "output": [item | {"content": content}],
        }
        self._say(
            connection, {"type": "response.completed", "sequence_number": 2, "response": done}
        )

    @staticmethod
    def _say(connection: ServerConnection, event: dict[str, Any]) -> None:
        connection.send(json.dumps(event, ensure_ascii=False))


@contextmanager
def socket_peer() -> Iterator[SocketPeer]:
    """Run a provider on a free port."""
    peer = SocketPeer()
    with serve(peer.serve, "127.0.0.1", 0, compression=None) as server:
        peer.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield peer
        finally:
            peer.held.set()
            server.shutdown()
            thread.join(5)
