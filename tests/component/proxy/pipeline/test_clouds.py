"""Azure, Bedrock and Vertex behind the gateway: proven accounts, dialects unchanged, failures in its words."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anthropic
import pytest
import trio

from core.provider_settings import read_settings
from core.secrets import Secret
from core.settings import Settings
from proxy.bundle import ProviderBinding
from proxy.transport.dial import Target
from tests.component.proxy.pipeline.site import KEY, Site, ask, chat, message, settings_for, site
from tests.component.proxy.transport.peers import until
from tests.provider.clouds import (
    AWS_KEYS,
    AWS_REGION,
    AZURE_KEY,
    BEDROCK_API_KEY,
    ENTRA,
    PROJECT,
    REGION,
    Clouds,
)

pytestmark = pytest.mark.trio
CLASSIC, VERSION = "/openai/deployments", "/chat/completions?api-version=2024-10-21"
CLAUDE = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
AWS = {"access_key": "AKIAFAKE", "secret_key": AWS_KEYS["AKIAFAKE"][0]}
TEMPORARY = {"access_key": "ASIAFAKE", "secret_key": "fake-secret", "session_token": "fake-session"}


def cloud(
    type_: str, port: int, credential: object, path: str = "", **settings: Any
) -> ProviderBinding:
    text = credential if isinstance(credential, str) else json.dumps(credential)
    target = Target("http", "127.0.0.1", port, True)
    given = read_settings(settings)
    return ProviderBinding(
        f"prov_{type_}", f"{type_}-main", type_, "", Secret(text), True, target, path, given
    )


def bedrock(credential: object = AWS, **settings: Any) -> Callable[[int], list[ProviderBinding]]:
    return lambda port: [cloud("bedrock", port, credential, region=AWS_REGION, **settings)]


def azure(
    credential: object = AZURE_KEY, **settings: Any
) -> Callable[[int], list[ProviderBinding]]:
    return lambda port: [cloud("azure", port, credential, **settings)]


def with_tokens(port: int) -> Settings:
    return settings_for(
        LANGWATCH_GOOGLE_TOKEN_URL=f"http://127.0.0.1:{port}/google/token",
        LANGWATCH_ENTRA_URL=f"http://127.0.0.1:{port}",
    )


async def with_vertex(here: Site, account: str = "", **settings: Any) -> None:
    """Bind Vertex with the account that the running fake knows."""
    port = here.keyring.bundle.providers[0].target.port  # type: ignore[union-attr]
    given = {"project": PROJECT, "region": REGION} | settings
    text = account or here.fake.clouds.service_account().decode()
    here.keyring.bundle.providers = (cloud("vertex", port, text, **given),)


def seen(here: Site, place: int = -1) -> dict[str, Any]:
    call = here.fake.record.calls[place]
    headers = {name.lower(): value for name, value in call.headers}
    return {"target": call.target, "headers": headers, "body": json.loads(call.body or "null")}


async def by_sdk(here: Site, work: Callable[[anthropic.Anthropic], Any]) -> Any:
    """Run some work with Anthropic's own client against the gateway."""

    def run() -> Any:
        url = f"http://127.0.0.1:{here.front.port}"
        with anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0, timeout=10) as client:
            return work(client)

    return await trio.to_thread.run_sync(run)


# Bedrock


@pytest.mark.parametrize("credential", [AWS, TEMPORARY, BEDROCK_API_KEY])
async def test_claude_on_bedrock_is_anthropics_own_api(credential: object) -> None:
    async with site(providers=bedrock(credential)) as here:

        def ask(client: anthropic.Anthropic) -> tuple[Any, str]:
            fields = {"model": CLAUDE, "max_tokens": 50, "messages": message()["messages"]}
            whole = client.messages.create(**fields)
            with client.messages.stream(**fields) as stream:
                return whole, "".join(stream.text_stream)

        whole, streamed = await by_sdk(here, ask)
        assert whole.content[0].text == streamed
        assert "invoke-with-response-stream" in seen(here)["target"]
        assert KEY not in str(here.fake.record.calls)
        await until(lambda: len(here.settled) == 2)
        for told in here.settled:
            assert told["outcome"] == "completed"
            assert told["output_tokens"] == 8
            assert told["cost_nanousd"] > 0
            assert told["price_source"].startswith("genai-prices")


async def test_a_stream_of_bedrock_is_turned_event_by_event_at_any_cut() -> None:
    async with site(providers=bedrock()) as here:
        ask = message(CLAUDE, stream=True)
        bodies = set()
        for script in (
            "chunks=9",
            "chunks=9,split_every=7",
            "chunks=9,merge=4",
            "chunks=9,split=3+40",
        ):
            got = await (await here.post("/v1/messages", ask, x_fake_behaviour=script)).read()
            assert got.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert got.headers["x-langwatch-provider"] == "bedrock"
            text = got.body.decode()
            assert text.startswith("event: message_start\ndata: {")
            assert text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')
            unique = json.loads(text.split("\n")[1][6:])["message"]["id"]
            bodies.add(text.replace(unique, "id"))
        assert len(bodies) == 1


async def test_betas_go_into_the_body_and_anthropics_headers_stay_behind() -> None:
    async with site(
        providers=bedrock(deployments={"sonnet": CLAUDE, "claude-x": "arn:aws:x/y"})
    ) as here:
        headers = {
            "anthropic_version": "2023-06-01",
            "anthropic_beta": "claude-code-20250219,context-1m-2025-08-07",
        }
        sent = await here.post("/v1/messages?beta=true", message("sonnet"), **headers)
        assert (await sent.read()).status == 200
        told = seen(here)
        assert told["body"]["anthropic_beta"] == ["context-1m-2025-08-07"]
        assert told["body"]["anthropic_version"] == "bedrock-2023-05-31"
        assert "model" not in told["body"]
        assert not [name for name in told["headers"] if name.startswith("anthropic")]
        assert told["target"] == "/model/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke"
        await (await here.post("/v1/messages", message("claude-x"))).read()
        assert seen(here)["target"] == "/model/arn%3Aaws%3Ax%2Fy/invoke"


async def test_tokens_are_counted_by_bedrocks_own_call() -> None:
    async with site(providers=bedrock()) as here:
        body = {"model": CLAUDE, "messages": message()["messages"]}
        got = await (await here.post("/v1/messages/count_tokens", body)).read()
        assert set(got.json) == {"input_tokens"}
        assert got.json["input_tokens"] > 0


@pytest.mark.parametrize(
    ("credential", "model", "status", "kind", "words"),
    [
        (AWS | {"secret_key": "wrong"}, CLAUDE, 403, "permission_error", "signature we calculated"),
        (AWS, "missing-claude", 404, "not_found_error", ""),
        (AWS, CLAUDE, 429, "rate_limit_error", "rate limit"),
    ],
)
async def test_awss_refusals_are_worded_as_anthropics(
    credential: object, model: str, status: int, kind: str, words: str
) -> None:
    async with site(providers=bedrock(credential)) as here:
        script = f"status={status}" if status != 403 else ""
        got = await (
            await here.post("/v1/messages", message(model), x_fake_behaviour=script)
        ).read()
        assert got.status == status
        assert got.json["type"] == "error"
        assert got.json["error"]["type"] == kind
        assert words in got.json["error"]["message"]
        assert (await here.the_settlement())["code"] == str(status)


async def test_an_exception_within_a_stream_is_an_error_event_and_a_cut_is_found_out() -> None:
    async with site(providers=bedrock()) as here:
        ask = message(CLAUDE, stream=True)
        sent = await here.post("/v1/messages", ask, x_fake_behaviour="error_after=4")
        broken = (await sent.read_broken()).decode()
        assert '"type":"rate_limit_error"' in broken
        assert "Too many tokens" in broken
        sent = await here.post("/v1/messages", ask, x_fake_behaviour="end_after=4")
        assert "upstream_mid_stream_failure" in (await sent.read_broken()).decode()
        sent = await here.post("/v1/messages", ask, x_fake_behaviour="bad_json_at=3")
        assert "malformed_stream" in (await sent.read_broken()).decode()
        await until(lambda: len(here.settled) == 3)
        assert {told["outcome"] for told in here.settled} <= {"truncated", "failed"}
        await here.at_rest()


async def test_a_blocked_model_of_bedrock_is_refused_whatever_its_prefix() -> None:
    async with site(providers=bedrock(blocked_models=["*opus*"])) as here:
        got = await (await here.post("/v1/messages", message("us.anthropic.claude-opus-4"))).read()
        assert got.status == 400
        assert not here.fake.record.calls


# Vertex


async def test_claude_on_vertex_is_anthropics_own_api_and_one_token_serves_all() -> None:
    async with site(with_tokens) as here:
        await with_vertex(here)

        def ask(client: anthropic.Anthropic) -> list[Any]:
            fields = {"max_tokens": 50, "messages": message()["messages"]}
            whole = client.messages.create(model="claude-haiku-4-5-20251001", **fields)
            with client.messages.stream(model="claude-haiku-4-5@20251001", **fields) as stream:
                text = "".join(stream.text_stream)
            counted = client.messages.count_tokens(
                model="claude-haiku-4-5", messages=fields["messages"]
            )
            return [whole, text, counted]

        whole, text, counted = await by_sdk(here, ask)
        assert whole.content[0].text == text
        assert counted.input_tokens > 0
        targets = [call.target.rpartition("/")[2] for call in here.fake.record.calls]
        assert targets == [
            "token",
            "claude-haiku-4-5@20251001:rawPredict",
            "claude-haiku-4-5@20251001:streamRawPredict",
            "count-tokens:rawPredict",
        ]
        assert here.fake.clouds.issued == 1
        paid = [told for told in here.settled if told["cost_nanousd"]]
        assert len(paid) == 2


async def test_many_first_calls_fetch_one_token() -> None:
    async with site(with_tokens) as here:
        await with_vertex(here)
        async with trio.open_nursery() as nursery:

            async def one() -> None:
                got = await (await here.post("/v1/messages", message("claude-x"))).read()
                assert got.status == 200

            for _ in range(8):
                nursery.start_soon(one)
        assert here.fake.clouds.issued == 1


async def test_a_token_is_renewed_beside_the_calls_before_it_ends() -> None:
    async with site(with_tokens) as here:
        await with_vertex(here)
        # The token is good for so short that it is due at once, and still shown.
        here.fake._scripts.append(("token_seconds=3600", 1))
        await (await here.post("/v1/messages", message("claude-x"))).read()
        (kept,) = here.gateway.tokens._kept.values()
        kept.renew_s = 0
        first = kept.header
        await here.gateway.tokens.renew()
        assert here.fake.clouds.issued == 2
        await (await here.post("/v1/messages", message("claude-x"))).read()
        assert here.fake.clouds.issued == 2
        assert next(iter(here.gateway.tokens._kept.values())).header != first
        # Nobody asked since, so nothing is renewed for nobody.
        (kept,) = here.gateway.tokens._kept.values()
        kept.renew_s, kept.used_s = 0, 0
        await here.gateway.tokens.renew()
        assert here.fake.clouds.issued == 2


async def test_an_account_without_a_token_fails_the_call_in_words() -> None:
    async with site(with_tokens) as here:
        await with_vertex(here, Clouds().service_account().decode())
        got = await (await here.post("/v1/messages", message("claude-x"))).read()
        assert got.status == 502
        assert "gets no access token: invalid_grant" in got.json["error"]["message"]
        assert "BEGIN" not in got.body.decode()
        asked = len(here.fake.record.calls)
        await (await here.post("/v1/messages", message("claude-x"))).read()
        assert len(here.fake.record.calls) == asked


async def test_googles_refusals_are_worded_as_anthropics_for_claude() -> None:
    async with site(with_tokens) as here:
        await with_vertex(here, project="another-project")
        for stream in (False, True):
            got = await (await here.post("/v1/messages", message("claude-x", stream=stream))).read()
            assert got.status == 403
            assert got.json["error"]["type"] == "permission_error"
            assert "another-project" in got.json["error"]["message"]


# Azure


@pytest.mark.parametrize(
    ("settings", "target", "model"),
    [
        ({"api_version": "2024-10-21"}, f"{CLASSIC}/gpt-4o{VERSION}", "gpt-4o"),
        ({"api_version": "2024-10-21", "deployments": {"gpt-4o": "prod 1"}}, f"{CLASSIC}/prod%201{VERSION}", "prod 1"),
        ({"deployments": {"gpt-4o": "prod"}}, "/openai/v1/chat/completions", "prod"),
    ],
)  # fmt: skip
async def test_azure_is_reached_by_deployment_or_in_the_v1_form(
    settings: dict[str, Any], target: str, model: str
) -> None:
    async with site(providers=azure(**settings)) as here:
        others = "api-version=1999-01-01&API-Version=1999-01-01&api%2dversion=1999-01-01"
        sent = await here.post(f"/v1/chat/completions?{others}", chat("gpt-4o"))
        assert (await sent.read()).status == 200
        told = seen(here)
        assert told["target"] == target
        assert told["headers"]["api-key"] == AZURE_KEY
        assert "authorization" not in told["headers"]
        assert told["body"]["model"] == model
        settled = await here.the_settlement()
        assert settled["model"] == "gpt-4o"
        assert settled["price_source"].startswith("genai-prices")


async def test_an_entra_application_shows_a_token() -> None:
    async with site(with_tokens, azure(ENTRA)) as here:
        for _ in range(2):
            assert (
                await (await here.post("/v1/chat/completions", chat("gpt-4o"))).read()
            ).status == 200
        assert here.fake.clouds.issued == 1
        assert seen(here)["headers"]["authorization"] == "Bearer fake-token-1"
        assert "api-key" not in seen(here)["headers"]


# What every type has


async def test_extra_headers_are_added_and_take_the_place_of_the_callers() -> None:
    def providers(port: int) -> list[ProviderBinding]:
        given = {"extra_headers": {"X-Team": "blue"}, "auth_mode": "header", "auth_header": "X-Key"}
        return [cloud("custom", port, "sk-own", "/v1", **given)]

    async with site(providers=providers) as here:
        await (await here.post("/v1/chat/completions", chat(), x_team="red")).read()
        headers = [(n.lower(), v) for n, v in here.fake.record.calls[-1].headers]
        assert [v for n, v in headers if n == "x-team"] == ["blue"]
        assert ("x-key", "sk-own") in headers


async def test_a_blocked_model_is_refused_before_anything_is_sent() -> None:
    async with site(providers=azure(blocked_models=["gpt-4*"])) as here:
        got = await (await here.post("/v1/chat/completions", chat("gpt-4o"))).read()
        assert got.status == 400
        assert got.json["error"]["code"] == "model_provider_not_bound"
        assert not here.fake.record.calls


async def test_the_list_of_models_has_what_is_declared_and_nothing_that_is_blocked() -> None:
    def providers(port: int) -> list[ProviderBinding]:
        own = cloud("custom", port, "sk", "/v1", models=["llama-local", "llama-secret"])
        named = cloud("bedrock", port, AWS, region=AWS_REGION, deployments={"sonnet": CLAUDE})
        blocked = read_settings(
            {"models": ["llama-local", "llama-secret"], "blocked_models": ["*secret"]}
        )
        return [replace(own, settings=blocked), named]

    async with site(providers=providers) as here:
        got = await ask(here, "GET", "/v1/models", authorization=f"Bearer {KEY}")
        names = {row["id"] for row in got.json["data"]}
        assert {"llama-local", "sonnet"} <= names
        assert "llama-secret" not in names
        assert not [name for name in names if name.startswith("regional.")]
