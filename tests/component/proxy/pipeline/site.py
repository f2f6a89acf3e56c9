"""A gateway over real sockets, with real holds, spool and pool, in front of the fake provider.

Only the keyring is scripted: it hands out one bundle, or waits, or refuses, as a test says.
"""

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import trio

from core.fault import Fault, Refused
from core.secrets import Secret
from core.settings import Settings, load
from proxy.app import create_app
from proxy.bundle import Bundle, ProviderBinding
from proxy.gateway import Gateway
from proxy.holds import Holds, HoldTiming, LimitState, Terms
from proxy.providers.sandbox import Pace
from proxy.rate_terms import counting_terms
from proxy.readiness import Readiness
from proxy.spool import Spool
from proxy.transport.dial import Target
from proxy.transport.limits import ServerLimits
from proxy.transport.upstream import UpstreamPool
from rules.estimates import OutputHistory
from rules.windows import Window
from tests.component.proxy.transport.peers import Client, Front, front_door, until
from tests.provider.server import Provider

KEY = "lw_vk_live_01ARZ3NDEKTSV4RRFFQ69G5FAV"
OPENAI_KEY = "sk-provider-openai"
ANTHROPIC_KEY = "sk-ant-provider"
GEMINI_KEY = "AIza-provider"
PLENTY = 10**15
STANDING = {
    "x-langwatch-request-id",
    "x-langwatch-gateway-request-id",
    "x-request-id",
    "x-langwatch-gateway-version",
}
TRACE = {"x-langwatch-trace-id", "x-langwatch-span-id", "traceparent"}


class ScriptedKeyring:
    """Knows one key; ``resolve`` waits for ``opened`` first when a test set one."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.is_cold = False
        self.opened: trio.Event | None = None
        self.hits = self.misses = 0

    def __len__(self) -> int:
        return 1

    def known(self, presented: str) -> Bundle | None:
        return self.bundle if presented == KEY and not self.is_cold else None

    async def resolve(self, presented: str) -> Bundle:
        if self.opened is not None:
            await self.opened.wait()
        if presented != KEY:
            raise Refused(Fault.INVALID_API_KEY)
        return self.bundle


@dataclass(slots=True)
class Site:
    """The gateway under test, its door, its provider, and what it wrote."""

    gateway: Gateway
    front: Front
    fake: Provider
    keyring: ScriptedKeyring
    spool_dir: Path
    limit: LimitState

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line of the spool, in order."""
        found = []
        for path in sorted(self.spool_dir.glob("*.jsonl")):
            found += [orjson.loads(line) for line in path.read_bytes().splitlines()]
        return found

    @property
    def settled(self) -> list[dict[str, Any]]:
        """The payloads of the settlements."""
        ends = ("confirmSpend", "failSpend")
        return [n["payload"] for n in self.lines if n["command"] in ends]

    async def the_settlement(self) -> dict[str, Any]:
        """The one settlement, once it is written; there must not be a second."""
        await until(lambda: bool(self.settled))
        assert len(self.settled) == 1
        return self.settled[0]

    async def at_rest(self) -> None:
        """Wait until nothing is held and no upstream connection is in use."""
        await until(lambda: self.limit.current.held == 0)
        pool = self.gateway.pool
        await until(lambda: pool.open_count == pool.idle_count)

    async def post(self, path: str, body: Any, **headers: str) -> "Exchange":
        """Send a request with the key; the answer is still to be read."""
        client = await self.front.connect()
        await client.send(request(path, body, **headers))
        return Exchange(client)


@dataclass(slots=True)
class Exchange:
    """A sent request and its answer."""

    client: Client
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def read(self) -> "Exchange":
        """Read the whole answer; raises AssertionError when it ends broken."""
        status, headers, self.body = await self.client.answer()
        self.status = status
        self.headers = {name.decode(): value.decode() for name, value in headers.items()}
        return self

    async def read_broken(self) -> bytes:
        """Read to the end of a connection that must not end cleanly; return what came."""
        data = b""
        try:
            with trio.fail_after(5):
                while await self.client.more():
                    pass
        except trio.BrokenResourceError:
            pass
        data, self.client.buffer = self.client.buffer, b""
        assert not data.endswith(b"0\r\n\r\n")
        return data

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def ask(here: Site, method: str, target: str, **headers: str) -> Exchange:
    client = await here.front.connect()
    lines = "".join(f"{n.replace('_', '-')}: {v}\r\n" for n, v in headers.items())
    await client.send(f"{method} {target} HTTP/1.1\r\nhost: g\r\n{lines}\r\n".encode())
    if method == "HEAD":
        sent = Exchange(client)
        head = await client.until(b"\r\n\r\n")
        sent.status = int(head.split(b" ")[1])
        pairs = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2]]
        sent.headers = {name.decode(): value.decode() for name, value in pairs}
        return sent
    return await Exchange(client).read()


def request(path: str, body: Any, **headers: str) -> bytes:
    """The bytes of a POST with the key, unless the headers say otherwise."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    given = {"authorization": f"Bearer {KEY}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    head = f"POST {path} HTTP/1.1\r\nhost: gateway\r\n{lines}content-length: {len(data)}\r\n\r\n"
    return head.encode() + data


def chat(model: str = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}


def message(model: str = "claude-haiku-4-5", **more: Any) -> dict[str, Any]:
    said = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
    return said | more


def binding(type_: str, port: int, path: str = "", name: str = "") -> ProviderBinding:
    keys = {
        "openai": OPENAI_KEY,
        "anthropic": ANTHROPIC_KEY,
        "gemini": GEMINI_KEY,
        "custom": "sk-custom",
    }
    is_sandbox = type_ == "sandbox"
    return ProviderBinding(
        id=f"prov_{name or type_}",
        name=name or f"{type_}-main",
        type=type_,
        base_url="",
        credential=Secret(keys[type_]) if type_ in keys else None,
        allow_private=True,
        target=None if is_sandbox else Target("http", "127.0.0.1", port, True),
        base_path=path,
    )


def a_limit(holds: Holds, limit_nanousd: int, leased_nanousd: int, **terms: Any) -> LimitState:
    """A limit of which this worker has borrowed an amount."""
    given = {
        "id": "bud_1",
        "name": "coding",
        "scope": "project",
        "scope_id": "prj_1",
        "window": Window.MONTH,
        "anchor_ms": None,
        "amount": limit_nanousd,
        "on_breach": "block",
        "on_unpriced": "flat",
        "on_outage": "block",
    }
    holds.heard(time.time())
    return lent(LimitState(Terms(**(given | terms))), leased_nanousd)


def lent(limit: LimitState, amount: int) -> LimitState:
    """A limit of which this worker has borrowed an amount."""
    limit.turn(time.time())
    limit.current.available = amount
    limit.current.told_s = time.time()
    return limit


def a_bundle(providers: list[ProviderBinding], limits: list[LimitState]) -> Bundle:
    return Bundle(
        vk_id="vk_1",
        revision=1,
        status="active",
        name="dev-cli",
        display_prefix="lw_vk_live_01ARZ3",
        organization_id="org_1",
        project_id="prj_1",
        team_id="team_1",
        principal_id="user_1",
        personal=False,
        expires_at_ms=None,
        tags=(),
        providers=tuple(providers),
        limits=tuple(limits),
        config={},
        budgets=tuple(limit for limit in limits if not limit.is_rate),
        counting=lent(LimitState(counting_terms("vk_1")), 1000),
    )


def settings_for(**more: Any) -> Settings:
    names = {"LANGWATCH_UPSTREAM_CONNECT_SECONDS": "2"} | {k: str(v) for k, v in more.items()}
    return load(names)


@contextlib.asynccontextmanager
async def site(
    settings: Settings | Callable[[int], Settings] | None = None,
    providers: Callable[[int], list[ProviderBinding]] | None = None,
    limits: ServerLimits | None = None,
    leased_nanousd: int = PLENTY,
    send_buffer_bytes: int | None = None,
    **terms: Any,
) -> AsyncIterator[Site]:
    """A running gateway with one key, one budget and, by default, OpenAI and Anthropic behind it."""
    fake = Provider()
    door = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = door.socket.getsockname()[1]
    holds = Holds("epoch-1", HoldTiming(queue_seconds=0.3))
    limit = a_limit(holds, terms.pop("limit_nanousd", PLENTY), leased_nanousd, **terms)
    both = [binding("openai", port, "/v1"), binding("anthropic", port)]
    bundle = a_bundle(both if providers is None else providers(port), [limit])
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(Path(directory), "epoch-1", 10**9)
        keyring = ScriptedKeyring(bundle)
        readiness = Readiness(answered_s=time.monotonic, started=True)
        gateway = Gateway(
            settings(port) if callable(settings) else settings or settings_for(),
            keyring,  # type: ignore[arg-type]
            holds,
            spool,
            UpstreamPool(),
            readiness,
            OutputHistory(),
            sandbox_pace=Pace(0.001, 0.001),
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fake.serve, door)
                serving = front_door(
                    create_app(gateway), limits or ServerLimits(), send_buffer_bytes
                )
                async with serving as front:
                    yield Site(gateway, front, fake, keyring, Path(directory), limit)
                nursery.cancel_scope.cancel()
        finally:
            gateway.pool.close()
            spool.close()
