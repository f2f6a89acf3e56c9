"""A Slack that listens on loopback and answers what the test lined up."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SlackPeer:
    """Keeps what was posted; answers the lined-up statuses in turn, then 200."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.silence = threading.Event()
        """While set, a post gets no answer until the peer is closed."""
        self.closing = threading.Event()
        self.url = ""

    def answer_with(self, *statuses: int, **headers: str) -> None:
        """Line up answers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers += [(status, named) for status in statuses]


@contextmanager
def slack_peer() -> Iterator[SlackPeer]:
    """Run a peer on a free port."""
    peer = SlackPeer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            peer.posts.append(json.loads(body))
            peer.headers.append({k.lower(): v for k, v in self.headers.items()})
            if peer.silence.is_set():
                peer.closing.wait(30)
                return
            status, headers = peer.answers.pop(0) if peer.answers else (200, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    peer.url = f"http://127.0.0.1:{server.server_address[1]}/services/T0/B0/secretsecret"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        peer.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
