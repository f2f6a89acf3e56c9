"""A control plane for the link's tests: the internal API on a real socket, its state in memory, its faults on order."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

from core.secrets import Secret, lookup_hash, sealer_for, signature_matches
from proxy.leasing import Round
from tests.unit.proxy.link.bank import Bank

SECRET = Secret("an internal secret of thirty-two or more characters")
CLAIM_SECRET = Secret("a claim secret of thirty-two characters or even more")
BASE = "/api/internal/gateway"


class Peer:
    """The state of the control plane. ``faults[path]`` lists what goes wrong next: 500, "lost" or "hang"."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.bank = Bank({})
        self.keys: dict[str, dict[str, Any]] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.events: list[dict[str, Any]] = []
        self.ledger: dict[str, dict[str, Any]] = {}
        self.settled: dict[str, dict[str, Any]] = {}
        self.poison: str = ""
        self.released: list[str] = []
        self.calls: Counter[str] = Counter()
        self.faults: dict[str, list[Any]] = {}
        self.gates: dict[str, threading.Event] = {}
        self.claim_secret = CLAIM_SECRET
        self.lookup_key = b"l" * 32
        self.page_keys = 2
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    # What tests arrange
    def add_key(self, presented: str, vk_id: str = "vk_1", **changes: Any) -> dict[str, Any]:
        """Make a key known; its bundle can be changed in place."""
        sealer = sealer_for(SECRET, "bundle")
        provider = {
            "id": "prv_1",
            "name": "openai-main",
            "type": "openai",
            "base_url": "http://127.0.0.1:9/v1",
            "credential": sealer.seal("upstream credential", "provider:prv_1"),
            "allow_private": True,
        }
        bundle = {
            "vk_id": vk_id,
            "revision": 1,
            "status": "active",
            "name": "dev",
            "display_prefix": "lw_vk_live_01HZXA",
            "organization_id": "org_1",
            "project_id": "prj_1",
            "team_id": "team_1",
            "principal_id": None,
            "personal": False,
            "expires_at_ms": None,
            "tags": [],
            "providers": [provider],
            "budgets": [],
            "config": {},
        }
        self.keys[presented] = bundle | changes
        return self.keys[presented]

    def add_budget(self, budget_id: str, limit_nanousd: int, **changes: Any) -> dict[str, Any]:
        """Make a budget known to the bank; the answer goes into a bundle."""
        self.bank.limits[budget_id] = limit_nanousd
        return {
            "id": budget_id,
            "name": "coding",
            "scope": "project",
            "scope_id": "prj_1",
            "window": "total",
            "anchor_ms": None,
            "limit_nanousd": limit_nanousd,
            "on_breach": "block",
            "on_unpriced": "flat",
            "on_outage": "block",
            "period_start_ms": 0,
            "settled_nanousd": 0,
        } | changes

    def tell(self, kind: str, **subject: str) -> None:
        """Append a change to the feed."""
        with self.lock:
            event = {"revision": len(self.events) + 1, "kind": kind, "organization_id": "org_1"}
            self.events.append(event | subject)

    def fail(self, path: str, *faults: Any) -> None:
        """Let the next calls of a path go wrong, one fault each."""
        self.faults.setdefault(path, []).extend(faults)

    # Running
    def start(self) -> None:
        """Listen; on the port of before after a stop."""
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Go away; connections are reset."""
        if self._server is not None:
            self._server.stopping = True
            self._server.shutdown()
            self._server.server_close()
            self._server.drop_all()
            self._server = None

    @property
    def url(self) -> str:
        """The address for a gateway."""
        return f"http://127.0.0.1:{self.port}"

    # Answering
    def answer(self, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and JSON of one call."""
        if path == "/changes":
            return self._changes(query)
        with self.lock:
            if path == "/resolve-key":
                return self._resolve(body["key_presented"])
            if path == "/bootstrap":
                return 200, self._bootstrap(query.get("page_token", ""))
            if path == "/leases":
                return 200, self._lease(body)
            if path == "/leases/release":
                self.released.append(body["owner"])
                for account in self.bank.accounts.values():
                    account.leases.pop(body["owner"], None)
                return 200, {}
            if path == "/spend-commands":
                return self._book(body["commands"])
        return 404, {"error": {"code": "not_found"}}

    def _resolve(self, presented: str) -> tuple[int, Any]:
        if presented in self.refusals:
            status, code = self.refusals[presented]
            return status, {"error": {"code": code}}
        if presented not in self.keys:
            return 401, {"error": {"code": "invalid_api_key"}}
        bundle = self.keys[presented]
        names = ("vk_id", "project_id", "team_id", "organization_id", "principal_id", "personal")
        claims = {name: bundle[name] for name in (*names, "revision")}
        claims |= {"iss": "langwatch-control-plane", "aud": "langwatch-gateway"}
        claims["exp"] = int(time.time()) + 900
        token = jwt.encode(claims, self.claim_secret.reveal(), algorithm="HS256")
        return 200, {"jwt": token, "revision": 1, "key_id": bundle["vk_id"], "config": bundle}

    def _bootstrap(self, after: str) -> dict[str, Any]:
        usable = {b["vk_id"]: k for k, b in self.keys.items() if b["status"] == "active"}
        ids = [vk_id for vk_id in sorted(usable) if vk_id > after][: self.page_keys]
        keys = []
        for vk_id in ids:
            presented = usable[vk_id]
            told = self._resolve(presented)[1]
            entry = {"vk_id": vk_id, "organization_id": told["config"]["organization_id"]}
            entry |= {"lookup": lookup_hash(self.lookup_key, presented)}
            keys.append(entry | {"jwt": told["jwt"], "config": told["config"]})
        sealer = sealer_for(SECRET, "bundle")
        return {
            "lookup_key": sealer.seal(self.lookup_key.hex(), "virtual key lookup"),
            "keys": keys,
            "next_page_token": ids[-1] if len(ids) == self.page_keys else "",
        }

    def _changes(self, query: dict[str, str]) -> tuple[int, Any]:
        if "since" not in query:
            return 200, {"current_revision": len(self.events), "changes": []}
        since = int(query["since"])
        deadline = time.monotonic() + float(query["timeout_s"])
        while time.monotonic() < deadline and self._server is not None:
            with self.lock:
                found = self.events[since:]
            if found:
                return 200, {"current_revision": found[-1]["revision"], "changes": found}
            time.sleep(0.02)
        return 204, len(self.events)

    def _lease(self, body: dict[str, Any]) -> dict[str, Any]:
        plan = Round(
            tuple(_named(want) for want in body["want"]),
            tuple(_named(gift) for gift in body["give_back"]),
        )
        states = self.bank.lease(body["owner"], plan)
        names = ("granted", "remaining", "settled", "leased", "limit")
        return {
            "expires_at_ms": 0,
            "leases": [
                {"limit_id": s.limit_id, "period_start_ms": s.period_start_ms, "gone": s.gone}
                | {n: getattr(s, n) for n in names}
                for s in states
            ],
        }

    def _book(self, commands: list[dict[str, Any]]) -> tuple[int, Any]:
        if self.poison and any(c["payload"]["call_id"] == self.poison for c in commands):
            return 400, {"error": {"code": "bad_request"}}
        for command in commands:
            payload = command["payload"]
            call_id = payload["call_id"]
            if command["command"] == "admitSpend":
                self.ledger.setdefault(call_id, payload)
            elif call_id not in self.settled:
                self.settled[call_id] = payload
                for limit_id, start_ms in payload.get("charges", ()):
                    costs = {(limit_id, start_ms): payload["cost_nanousd"]}
                    self.bank.charge(payload["owner"], costs)
        return 200, {"accepted": len(commands), "rejected": []}


class _Named:
    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def _named(values: dict[str, Any]) -> Any:
    return _Named(values)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.stopping = False
        self._sockets: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._sockets.add(request)
        super().process_request(request, client_address)

    def drop_all(self) -> None:
        for connection in list(self._sockets):
            try:
                connection.shutdown(2)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


def _handler(peer: Peer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            full, _, text = self.path.partition("?")
            path = full.removeprefix(BASE)
            query = dict(part.split("=", 1) for part in text.split("&") if part)
            timestamp = self.headers.get("X-LangWatch-Gateway-Timestamp", "")
            signature = self.headers.get("X-LangWatch-Gateway-Signature", "")
            if not signature_matches((SECRET,), signature, self.command, full, timestamp, body):
                self._send(401, {"error": {"code": "invalid_signature"}})
                return
            peer.calls[path] += 1
            if (gate := peer.gates.get(path)) is not None:
                gate.wait(10)
            faults = peer.faults.get(path)
            fault = faults.pop(0) if faults else None
            if isinstance(fault, int):
                self._send(fault, {"error": {"code": "internal_error"}})
                return
            status, answer = peer.answer(path, query, json.loads(body or b"{}"))
            if fault == "lost" or (self.server.stopping and path != "/changes"):  # type: ignore[attr-defined]
                self.close_connection = True
                return
            self._send(status, answer)

        def _send(self, status: int, answer: Any) -> None:
            data = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            if status == 204:
                self.send_header("X-LangWatch-Revision", str(answer))
            else:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _serve

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def running_peer() -> Iterator[Peer]:
    """A control plane for the length of the block."""
    peer = Peer()
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()
