"""The gateway's signed client for the control plane's internal API. Decides nothing and retries nothing."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import orjson
import trio

from core.secrets import Secret, sign_request
from proxy.bundle import BundleText

_BASE = "/api/internal/gateway"
_SIGNED = "X-LangWatch-Gateway"
_CONNECT_SECONDS = 2.0
RESOLVE_SECONDS = 5.0
LEASE_SECONDS = 5.0
SHIP_SECONDS = 10.0
BOOTSTRAP_SECONDS = 30.0
POLL_SECONDS = 10
_MAX_CONNECTIONS = 32


class ControlPlaneAway(Exception):
    """No usable answer: not reachable, too late, failing, or not sharing our secret."""


class ControlPlaneRefusal(Exception):
    """An answer that says no: ``status`` (4xx) and the public error ``code``."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


class ResolvedKey(msgspec.Struct):
    """What a virtual key resolves to."""

    jwt: str
    config: BundleText


class Change(msgspec.Struct):
    """One line of the change feed."""

    revision: int
    kind: str
    organization_id: str = ""
    virtual_key_id: str | None = None
    budget_id: str | None = None
    provider_id: str | None = None


class Changes(msgspec.Struct):
    """What happened since a revision; empty when a poll ran out."""

    current_revision: int
    changes: list[Change] = []


class StockedKey(msgspec.Struct, gc=False):
    """One key as the control plane lists it; ``config`` is not looked into before the key is used."""

    vk_id: str
    organization_id: str
    lookup: str
    jwt: str
    config: msgspec.Raw
    previous_lookup: str | None = None
    previous_valid_until_ms: int | None = None


class StockPage(msgspec.Struct):
    """A part of the list."""

    lookup_key: str
    keys: list[StockedKey]
    next_page_token: str = ""


class LeaseWant(msgspec.Struct):
    """An amount asked for; 0 only reads."""

    limit_id: str
    period_start_ms: int
    amount: int
    urgent: bool = False


class LeaseGift(msgspec.Struct):
    """An amount given back."""

    limit_id: str
    period_start_ms: int
    amount: int


class LeaseState(msgspec.Struct):
    """How one limit stands after an answer, in its unit; ``remaining`` is this worker's slice."""

    limit_id: str
    period_start_ms: int
    granted: int
    remaining: int
    settled: int
    leased: int
    limit: int
    gone: bool = False
    opens_at_ms: int | None = None
    """When the oldest used slot of a rolling window leaves it; None when none is used."""


class _Leases(msgspec.Struct):
    leases: list[LeaseState]


class Rejection(msgspec.Struct):
    """A record that the control plane cannot book."""

    index: int
    code: str


class Shipped(msgspec.Struct):
    """What became of a batch of records."""

    accepted: int
    rejected: list[Rejection] = []


class _ErrorBody(msgspec.Struct):
    code: str = ""


class _ErrorText(msgspec.Struct):
    error: _ErrorBody


class ControlPlane:
    """One worker's connection to the control plane; an async context manager."""

    def __init__(
        self, url: str, secret: Secret, node: str, now_s: Callable[[], float] = time.time
    ) -> None:
        self.node = node
        self.answered_s: float | None = None
        """When the last good answer came (monotonic seconds), for the health page."""
        self._url = url.rstrip("/")
        self._host = urlsplit(url).netloc
        self._path = urlsplit(url).path.rstrip("/") + _BASE
        self._secret = secret
        self._now_s = now_s
        self.told: Callable[[str, str, float], None] = lambda _endpoint, _status, _seconds: None
        """Hears of every call: its endpoint, its status or ``error``, and how long it took."""
        self._client = httpx.AsyncClient(
            trust_env=False,
            limits=httpx.Limits(
                max_connections=_MAX_CONNECTIONS, max_keepalive_connections=8, keepalive_expiry=20
            ),
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(kind, error, traceback)

    async def resolve_key(self, presented: str) -> ResolvedKey:
        """Return what a virtual key may use. Raises ControlPlaneAway, ControlPlaneRefusal (401, 403)."""
        body = {"key_presented": presented, "gateway_node_id": self.node}
        answer = await self._post("/resolve-key", orjson.dumps(body), RESOLVE_SECONDS)
        return _decode(answer.content, ResolvedKey)

    async def changes(self, since: int | None, wait_seconds: int = POLL_SECONDS) -> Changes:
        """Wait for changes after a revision; without one, return the current revision at once."""
        query = {} if since is None else {"since": str(since), "timeout_s": str(wait_seconds)}
        answer = await self._call("GET", "/changes", b"", wait_seconds + 5.0, query)
        if answer.status_code == httpx.codes.NO_CONTENT:
            return Changes(int(answer.headers.get("X-LangWatch-Revision") or since or 0))
        return _decode(answer.content, Changes)

    async def bootstrap(self, page_token: str) -> StockPage:
        """Return a page of all usable keys."""
        query = {"page_token": page_token} if page_token else {}
        answer = await self._call("GET", "/bootstrap", b"", BOOTSTRAP_SECONDS, query)
        return _decode(answer.content, StockPage)

    async def lease(
        self, owner: str, want: Sequence[LeaseWant], give_back: Sequence[LeaseGift]
    ) -> list[LeaseState]:
        """Give back, borrow and renew; return how each wanted limit stands."""
        body = msgspec.json.encode({"owner": owner, "want": want, "give_back": give_back})
        answer = await self._post("/leases", body, LEASE_SECONDS)
        return _decode(answer.content, _Leases).leases

    async def release(self, owner: str) -> None:
        """End all leases of an owner whose records have all been booked."""
        await self._post("/leases/release", orjson.dumps({"owner": owner}), LEASE_SECONDS)

    async def ship(self, worker: str, lines: bytes) -> Shipped:
        """Book spool lines, each with its line end; booking them again changes nothing."""
        commands = lines.rstrip(b"\n").replace(b"\n", b",")
        body = b'{"worker":%b,"commands":[%b]}' % (orjson.dumps(worker), commands)
        answer = await self._post("/spend-commands", body, SHIP_SECONDS)
        return _decode(answer.content, Shipped)

    async def _post(self, path: str, body: bytes, seconds: float) -> httpx.Response:
        return await self._call("POST", path, body, seconds)

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes,
        seconds: float,
        query: dict[str, str] | None = None,
    ) -> httpx.Response:
        began, status = time.monotonic(), "error"
        try:
            # The one deadline of a call; it covers connecting, too, and waiting for a free connection.
            with trio.fail_after(seconds):
                answer = await self._client.send(self._request(method, path, body, query))
            status = str(answer.status_code)
        except (httpx.HTTPError, trio.TooSlowError, OSError) as error:
            raise ControlPlaneAway(f"{path}: {type(error).__name__}") from None
        finally:
            self.told(path.strip("/"), status, time.monotonic() - began)
        return self._judge(path, answer)

    def _request(
        self, method: str, path: str, body: bytes, query: dict[str, str] | None
    ) -> httpx.Request:
        return httpx.Request(
            method,
            f"{self._url}{_BASE}{path}",
            params=query,
            headers=self._headers(method, path, body),
            stream=_Body(body),
            extensions={"timeout": {"connect": _CONNECT_SECONDS}},
        )

    def _headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._now_s()))
        signature = sign_request(self._secret, method, self._path + path, timestamp, body)
        return {
            f"{_SIGNED}-Signature": signature,
            f"{_SIGNED}-Timestamp": timestamp,
            f"{_SIGNED}-Node": self.node,
            "Host": self._host,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }

    def _judge(self, path: str, answer: httpx.Response) -> httpx.Response:
        status = answer.status_code
        if status in (httpx.codes.OK, httpx.codes.NO_CONTENT):
            self.answered_s = time.monotonic()
            return answer
        code = _error_code(answer.content)
        is_about_us = code in _SIGNATURE_CODES or status in _PASSING
        if is_about_us or not 400 <= status < 500:
            raise ControlPlaneAway(f"{path}: {status} {code}")
        self.answered_s = time.monotonic()
        raise ControlPlaneRefusal(status, code)


class _Body(httpx.AsyncByteStream):
    """A body in one piece.

    httpx would make an async generator of it, and one that is cancelled while its piece is being sent is
    only closed by the garbage collector, with a warning.
    """

    def __init__(self, body: bytes) -> None:
        self._pieces = [body] if body else []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


# Codes of a caller that could not prove itself: nothing is said about the key or record in question.
_SIGNATURE_CODES = frozenset(
    {
        "missing_signature",
        "invalid_signature",
        "invalid_timestamp",
        "timestamp_out_of_window",
    }
)
_PASSING = frozenset({408, 425, 429})


T = TypeVar("T")


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise ControlPlaneAway(f"unreadable answer: {error}") from None


def _error_code(content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=_ErrorText).error.code
    except msgspec.MsgspecError:
        return ""
