"""Every refusal of the gateway is provoked through a socket, and the vendors' SDKs read it in each API's own form.

A new fault in the gateway needs a row here: how it comes about. A row returns what the client got.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as genai_errors

from core.fault import Fault, Refused
from proxy.transport.limits import ServerLimits
from tests.component.proxy.pipeline.chains import accounts
from tests.component.proxy.pipeline.site import KEY, Exchange, Site, binding, settings_for, site
from tests.component.proxy.pipeline.test_guardrails import equip, row
from tests.component.proxy.pipeline.test_rate_limits import add, rate
from tests.unit.proxy.guarding.streams import SECRET

pytestmark = pytest.mark.trio

PROXY = Path(__file__).resolve().parents[4] / "proxy"
NOT_TO_CLIENTS = {
    # Whoever scrapes the metrics is told so, and no SDK is.
    *(Fault.UNAUTHENTICATED, Fault.PERMISSION_DENIED),
    # Said by the control plane when a key's budget is made, never by the gateway.
    Fault.GATEWAY_BUDGET_SCOPE_UNREACHABLE,
}
SAID = {"role": "user", "content": "hello"}


@dataclass(frozen=True)
class Api:
    """One API: where a call goes, what it says, and what of it can be filled in."""

    path: str
    body: dict[str, Any]
    tool: dict[str, Any]
    secret: dict[str, Any]
    home: str
    """The type of provider that speaks it."""
    unnamed: dict[str, Any] = field(default_factory=dict)
    """What a body without a model has instead; Gemini's has none at all."""


def calls(name: str) -> Any:
    return {"name": name, "description": "x"}


APIS = {
    "chat": Api(
        "/v1/chat/completions",
        {"model": "gpt-4o-mini", "messages": [SAID]},
        {"tools": [{"type": "function", "function": calls("bash")}]},
        {"messages": [{"role": "user", "content": SECRET}]},
        "openai",
        {"model": ""},
    ),
    "responses": Api(
        "/v1/responses",
        {"model": "gpt-5.1", "input": "hello"},
        {"tools": [{"type": "function", **calls("bash")}]},
        {"input": SECRET},
        "openai",
        {"model": ""},
    ),
    "messages": Api(
        "/v1/messages",
        {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [SAID]},
        {"tools": [{"name": "bash", "input_schema": {"type": "object"}}]},
        {"messages": [{"role": "user", "content": SECRET}]},
        "anthropic",
        {"model": ""},
    ),
    "gemini": Api(
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
        {"tools": [{"functionDeclarations": [calls("bash")]}]},
        {"contents": [{"role": "user", "parts": [{"text": SECRET}]}]},
        "gemini",
    ),
}
Provoke = Callable[[Api], Awaitable[Exchange]]


def three(port: int) -> list[Any]:
    return [binding("openai", port, "/v1"), binding("anthropic", port), binding("gemini", port)]


def here_with(**options: Any) -> AbstractAsyncContextManager[Site]:
    return site(**({"providers": three} | options))


async def post(here: Site, api: Api, body: Any = None, **headers: str) -> Exchange:
    given = api.body if body is None else api.body | body if isinstance(body, dict) else body
    return await (await here.post(api.path, given, **headers)).read()


def asked(body: Any = None, **headers: str) -> Provoke:
    """A request that is wrong by itself."""

    async def provoke(api: Api) -> Exchange:
        async with here_with() as here:
            return await post(here, api, body, **headers)

    return provoke


def set_up(prepare: Callable[[Site, Api], Any], **options: Any) -> Provoke:
    """A good request at a gateway that was prepared; what is returned is laid over the body."""

    async def provoke(api: Api) -> Exchange:
        async with here_with(**options) as here:
            more = prepare(here, api)
            return await post(here, api, more if isinstance(more, dict) else None)

    return provoke


def of_the_key(fault: Fault) -> Provoke:
    """What the control plane says of a key, or that it says nothing."""

    async def provoke(api: Api) -> Exchange:
        async with here_with() as here:
            here.keyring.is_cold = True

            async def resolve(_: str) -> None:
                raise Refused(fault)

            here.keyring.resolve = resolve  # type: ignore[method-assign,assignment]
            return await post(here, api)

    return provoke


async def without_a_model(api: Api) -> Exchange:
    async with here_with() as here:
        path = api.path.replace("gemini-2.5-flash", "")
        return await (await here.post(path, api.body | api.unnamed)).read()


async def with_a_model(api: Api, model: str, **options: Any) -> Exchange:
    async with here_with(**options) as here:
        path = api.path.replace("gemini-2.5-flash", model)
        body = api.body | ({"model": model} if "model" in api.body else {})
        return await (await here.post(path, body)).read()


async def unbound(api: Api) -> Exchange:
    return await with_a_model(api, "bedrock/x")


async def unrecognized(api: Api) -> Exchange:
    return await with_a_model(
        api, "gpt-4o", providers=lambda port: [binding("sandbox", port), *three(port)[1:2]]
    )


async def unsupported(api: Api) -> Exchange:
    """A parameter that has no counterpart, and that may not be dropped, at the provider's API."""
    more = {"logprobs": True, "top_logprobs": 2}
    async with here_with() as here:
        body = api.body | more | {"model": "anthropic/claude-haiku-4-5"}
        return await (await here.post(api.path, body)).read()


async def elsewhere(api: Api) -> Exchange:
    async with here_with() as here:
        root = "/v1beta" if "v1beta" in api.path else "/v1"
        headers = {"x-api-key": KEY} if api.home == "anthropic" else {}
        return await (await here.post(f"{root}/nowhere", api.body, **headers)).read()


async def by_get(api: Api) -> Exchange:
    async with here_with() as here:
        client = await here.front.connect()
        path = "/v1/messages" if api.path == "/v1/responses" else api.path
        await client.send(f"DELETE {path} HTTP/1.1\r\nhost: g\r\n\r\n".encode())
        return await Exchange(client).read()


async def by_upgrade(_: Api) -> Exchange:
    async with here_with() as here:
        client = await here.front.connect()
        await client.send(
            b"GET /v1/responses HTTP/1.1\r\nhost: g\r\nauthorization: Bearer %b\r\n\r\n"
            % KEY.encode()
        )
        return await Exchange(client).read()


async def broken_circuit(api: Api) -> Exchange:
    patient = settings_for(LW_GATEWAY_CIRCUIT_THRESHOLD=2, LW_GATEWAY_CIRCUIT_COOLDOWN_S=60)
    async with site(patient, accounts(api.home, "first")) as here:
        for _ in range(3):
            here.fake._script({"behaviour": "status=500", "times": 1})
            got = await post(here, api)
        return got


async def behaving(api: Api, script: str) -> Exchange:
    impatient = settings_for(LANGWATCH_UPSTREAM_FIRST_BYTE_SECONDS=0.2)
    async with here_with(settings=impatient) as here:
        return await post(here, api, x_fake_behaviour=script)


async def fails(api: Api) -> Exchange:
    return await behaving(api, "reset_head")


async def hangs(api: Api) -> Exchange:
    return await behaving(api, "hang_head")


def away(here: Site, _: Api) -> None:
    here.gateway.holds.trusted_until_s = 0.0
    here.gateway.holds.away_since_s = 0.0


def exploding(here: Site, _: Api) -> None:
    async def explode(*_: object) -> None:
        raise ZeroDivisionError

    here.gateway.pool.send = explode  # type: ignore[method-assign]


def ruled(**rules: Any) -> Callable[[Site, Api], None]:
    def prepare(here: Site, _: Api) -> None:
        here.keyring.bundle.config = {"policy_rules": rules}

    return prepare


def tool(here: Site, api: Api) -> dict[str, Any]:
    here.keyring.bundle.config = {"policy_rules": {"tools": {"deny": ["^bash$"]}}}
    return api.tool


def secret(here: Site, api: Api) -> dict[str, Any]:
    equip(here.keyring.bundle, [row()], None)
    return api.secret


def address(here: Site, api: Api) -> dict[str, Any]:
    here.keyring.bundle.config = {"policy_rules": {"urls": {"deny": ["evil"]}}}
    said = "see https://evil.test/x"
    if "contents" in api.body:
        return {"contents": [{"role": "user", "parts": [{"text": said}]}]}
    return {"input": said} if "input" in api.body else {"messages": [SAID | {"content": said}]}


def judge(here: Site, _: Api) -> None:
    equip(here.keyring.bundle, [row("regex", settings={"patterns": ["("]})], None)


def allowed(here: Site, _: Api) -> None:
    here.keyring.bundle.config = {"models_allowed": ["another"]}


def spent(here: Site, _: Api) -> None:
    here.limit.current.settled = 10**9


def full(here: Site, _: Api) -> None:
    here.gateway.spool._max_bytes = 0


def own_rate(here: Site, _: Api) -> None:
    add(here, rate("rpm", 60, used=60))


def provider_rate(here: Site, api: Api) -> None:
    bundle = here.keyring.bundle
    own = next(b for b in bundle.providers if b.type == api.home)
    bound = binding(own.type, own.target.port, own.base_path)  # type: ignore[union-attr]
    object.__setattr__(bound, "limits", (rate("rpm", 60, used=60, provider_id=own.id),))
    bundle.providers = (bound,)


async def unpriced_model(api: Api) -> Exchange:
    return await with_a_model(api, f"{api.home}/no-such-model-anywhere", on_unpriced="refuse")


ROWS: dict[Fault, Provoke] = {
    Fault.BAD_REQUEST: asked(b"nonsense"),
    Fault.MISSING_MODEL: without_a_model,
    Fault.UNSUPPORTED_PARAMETER: unsupported,
    Fault.MODEL_PROVIDER_NOT_BOUND: unbound,
    Fault.MODEL_NOT_RECOGNIZED: unrecognized,
    Fault.NO_PROVIDER_CONFIGURED: set_up(lambda *_: None, providers=lambda _: []),
    Fault.CACHE_OVERRIDE_INVALID: asked(x_langwatch_cache="nonsense"),
    Fault.CACHE_OVERRIDE_NOT_IMPLEMENTED: asked(x_langwatch_cache="ttl=5"),
    Fault.NOT_FOUND: elsewhere,
    Fault.METHOD_NOT_ALLOWED: by_get,
    Fault.PAYLOAD_TOO_LARGE: set_up(
        lambda *_: {"padding": "x" * 2000},
        limits=ServerLimits(max_body_bytes=1000),
    ),
    Fault.UPGRADE_REQUIRED: by_upgrade,
    Fault.MISSING_API_KEY: asked(authorization=""),
    Fault.INVALID_API_KEY: asked(authorization="Bearer nonsense"),
    **{
        fault: of_the_key(fault)
        for fault in (
            Fault.VIRTUAL_KEY_REVOKED,
            Fault.VIRTUAL_KEY_DISABLED,
            Fault.VIRTUAL_KEY_EXPIRED,
            Fault.AUTH_UPSTREAM_UNAVAILABLE,
        )
    },
    Fault.TOOL_NOT_ALLOWED: set_up(tool),
    Fault.URL_NOT_ALLOWED: set_up(address),
    Fault.MODEL_NOT_ALLOWED: set_up(allowed),
    Fault.GUARDRAIL_BLOCKED: set_up(secret),
    Fault.GUARDRAIL_UPSTREAM_UNAVAILABLE: set_up(judge),
    Fault.BUDGET_EXCEEDED: set_up(spent, limit_nanousd=10**9, leased_nanousd=0),
    Fault.MODEL_UNPRICED: unpriced_model,
    Fault.BUDGET_UNAVAILABLE: set_up(away, leased_nanousd=0),
    Fault.RATE_LIMIT_EXCEEDED: set_up(provider_rate),
    Fault.VK_RATE_LIMIT_EXCEEDED: set_up(own_rate),
    Fault.LEDGER_FULL: set_up(full),
    Fault.PROVIDER_ERROR: fails,
    Fault.UPSTREAM_TIMEOUT: hangs,
    Fault.CIRCUIT_OPEN: broken_circuit,
    Fault.SERVICE_UNAVAILABLE: set_up(ruled(models={"deny": ["("]})),
    Fault.INTERNAL_ERROR: set_up(exploding),
}
ONLY = {
    # Only chat has parameters that no other API has and that must not be dropped.
    Fault.UNSUPPORTED_PARAMETER: ("chat",),
    # One address takes WebSockets.
    Fault.UPGRADE_REQUIRED: ("responses",),
}
CASES = [(fault, name) for fault in ROWS for name in ONLY.get(fault, tuple(APIS))]


PUBLISHED = """
    bad_request missing_model unsupported_parameter end_user_required cache_override_invalid
    cache_override_not_implemented model_provider_not_bound model_not_recognized no_provider_configured
    virtual_key_environment_mismatch invalid_api_key missing_api_key codex_session_expired budget_exceeded
    virtual_key_revoked virtual_key_disabled virtual_key_expired model_not_allowed permission_denied guardrail_blocked
    tool_not_allowed url_not_allowed not_found payload_too_large rate_limit_exceeded vk_rate_limit_exceeded
    realtime_session_limit internal_error service_unavailable provider_error circuit_open
    guardrail_upstream_unavailable auth_upstream_unavailable realtime_registry_unavailable upstream_timeout
"""
"""The codes that clients of such gateways know."""
NEVER_SAID = {
    "end_user_required": "no budget counts each end user by themselves",
    "virtual_key_environment_mismatch": "a gateway has no environment: keys of tests are told by their project",
    "codex_session_expired": "no provider is reached with somebody's subscription",
    "permission_denied": "a key may use every address of the gateway",
    "realtime_session_limit": "no voice session is minted",
    "realtime_registry_unavailable": "no voice session is minted",
}


async def test_every_published_code_is_said_or_it_is_known_why_not() -> None:
    said = {fault.code for fault in ROWS}
    published = set(PUBLISHED.split())
    assert published - said == set(NEVER_SAID)
    assert not said & set(NEVER_SAID)


async def test_every_fault_of_the_gateway_has_a_row() -> None:
    named: set[str] = set()
    for path in PROXY.rglob("*.py"):
        if path.name != "responses.py":
            named |= set(re.findall(r"\bFault\.([A-Z_]+)\b", path.read_text()))
    raised = {Fault[name] for name in named} - NOT_TO_CLIENTS
    assert raised - set(ROWS) == set(), "say in ROWS how these come about"


@pytest.mark.parametrize(("fault", "name"), CASES, ids=lambda value: getattr(value, "code", value))
async def test_a_refusal_is_read_by_the_sdk_of_its_api(fault: Fault, name: str) -> None:
    got = await ROWS[fault](APIS[name])
    assert got.status == fault.status
    assert got.headers["x-langwatch-handled-error"] == fault.code
    assert (got.headers.get("x-should-retry") == "false") is not fault.is_retryable
    assert re.fullmatch(r"req_[0-9a-f]{30}", got.headers["x-langwatch-request-id"])
    READERS[name](got, fault)


def response_of(got: Exchange) -> httpx2.Response:
    request = httpx2.Request("POST", "http://gateway/v1/x")
    headers = {n: v for n, v in got.headers.items() if n != "content-length"}
    return httpx2.Response(got.status, headers=headers, content=got.body, request=request)


def by_openai(got: Exchange, fault: Fault) -> None:
    with openai.OpenAI(api_key="k", base_url="http://gateway/v1") as client:
        error = client._make_status_error_from_response(response_of(got))
    assert isinstance(error, openai.APIStatusError)
    assert error.code == fault.code
    assert error.type
    assert isinstance(error.body, dict)
    assert error.body["message"]


def by_anthropic(got: Exchange, fault: Fault) -> None:
    with anthropic.Anthropic(api_key="k", base_url="http://gateway") as client:
        error = client._make_status_error_from_response(response_of(got))
    assert isinstance(error, anthropic.APIStatusError)
    assert isinstance(error.body, dict)
    assert error.body["type"] == "error"
    assert error.body["error"]["code"] == fault.code
    assert error.body["error"]["message"]


def by_google(got: Exchange, fault: Fault) -> None:
    with pytest.raises(genai_errors.APIError) as caught:
        genai_errors.APIError.raise_for_response(response_of(got))
    error = caught.value
    assert error.code == fault.status
    assert error.status
    assert error.message
    assert error.details["error"]["details"][0]["reason"] == fault.code.upper()


READERS = {
    "chat": by_openai,
    "responses": by_openai,
    "messages": by_anthropic,
    "gemini": by_google,
}
