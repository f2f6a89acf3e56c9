"""Other APIs through the clouds: each model in the format the cloud has for it, whole and streamed, and booked."""

import json

import pytest

from proxy.bundle import ProviderBinding
from tests.component.proxy.pipeline.site import chat, message, site
from tests.component.proxy.pipeline.test_clouds import (
    AWS,
    CLAUDE,
    bedrock,
    cloud,
    seen,
    with_tokens,
    with_vertex,
)
from tests.component.proxy.transport.peers import until
from tests.provider.clouds import AWS_REGION, PROJECT, REGION, Clouds

pytestmark = pytest.mark.trio
NOVA = "amazon.nova-pro-v1:0"
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}


@pytest.mark.parametrize(
    ("model", "action"),
    [
        (CLAUDE, ("invoke", "invoke-with-response-stream")),
        (NOVA, ("converse", "converse-stream")),
    ],
)
async def test_chat_reaches_every_model_of_bedrock(model: str, action: tuple[str, str]) -> None:
    async with site(providers=bedrock()) as here:
        whole = await (await here.post("/v1/chat/completions", chat(model))).read()
        assert whole.status == 200, whole.body
        text = whole.json["choices"][0]["message"]["content"]
        assert seen(here)["target"].endswith(f"/{action[0]}")
        ask = chat(model, stream=True)
        streamed = await (await here.post("/v1/chat/completions", ask)).read()
        lines = [line[6:] for line in streamed.body.decode().split("\n") if line[:6] == "data: "]
        assert lines.pop() == "[DONE]"
        chunks = [json.loads(line) for line in lines]
        parts = [c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]]
        assert "".join(parts) == text
        assert seen(here)["target"].endswith(f"/{action[1]}")
        await until(lambda: len(here.settled) == 2)
        for told in here.settled:
            assert (told["outcome"], told["output_tokens"]) == ("completed", 8)
            assert told["cost_nanousd"] > 0


async def test_messages_reach_a_model_that_is_not_claudes_by_converse() -> None:
    async with site(providers=bedrock()) as here:
        got = await (await here.post("/v1/messages", message(NOVA, stream=True))).read()
        assert got.status == 200
        assert got.body.decode().count("event: message_stop") == 1
        assert seen(here)["target"] == "/model/amazon.nova-pro-v1%3A0/converse-stream"


async def test_an_exception_within_converse_ends_the_stream_in_the_clients_words() -> None:
    async with site(providers=bedrock()) as here:
        ask = chat(NOVA, stream=True)
        sent = await here.post("/v1/chat/completions", ask, x_fake_behaviour="error_after=3")
        broken = (await sent.read_broken()).decode()
        assert '"error"' in broken
        assert "[DONE]" not in broken
        told = await here.the_settlement()
        assert told["outcome"] in ("truncated", "failed")


async def test_gemini_on_vertex_is_googles_own_api_and_is_reached_by_chat() -> None:
    async with site(with_tokens) as here:
        await with_vertex(here)
        path = "/v1beta/models/gemini-2.5-flash"
        whole = await (await here.post(f"{path}:generateContent", CONTENTS)).read()
        assert whole.status == 200, whole.body
        assert "candidates" in whole.json
        wanted = "/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
        sent = await here.post(f"{path}:streamGenerateContent?alt=sse", CONTENTS)
        assert (await sent.read()).body.startswith(b"data: ")
        assert seen(here)["target"].endswith(wanted)
        counted = await (await here.post(f"{path}:countTokens", CONTENTS)).read()
        assert counted.json["totalTokens"] > 0
        ask = chat("gemini-2.5-flash", stream=True)
        streamed = await (await here.post("/v1/chat/completions", ask)).read()
        assert streamed.body.endswith(b"data: [DONE]\n\n")
        assert seen(here)["target"].endswith(wanted)
        assert here.fake.clouds.issued == 1


async def test_the_model_decides_what_a_vertex_account_is_asked_in() -> None:
    async with site(with_tokens) as here:
        await with_vertex(here)
        got = await (await here.post("/v1/chat/completions", chat("claude-haiku-4-5"))).read()
        assert got.status == 200, got.body
        assert seen(here)["target"].endswith("/anthropic/models/claude-haiku-4-5:rawPredict")
        got = await (await here.post("/v1/messages", message("gemini-2.5-flash"))).read()
        assert got.status == 200, got.body
        assert seen(here)["target"].endswith("/google/models/gemini-2.5-flash:generateContent")


async def test_an_account_without_a_token_is_fallen_back_from() -> None:
    stranger = Clouds().service_account().decode()

    def providers(port: int) -> list[ProviderBinding]:
        named = {"claude-x": "claude-x"}
        vertex = cloud("vertex", port, stranger, project=PROJECT, region=REGION, deployments=named)
        aws = cloud("bedrock", port, AWS, region=AWS_REGION, deployments={"claude-x": CLAUDE})
        return [vertex, aws]

    async with site(with_tokens, providers) as here:
        got = await (await here.post("/v1/messages", message("claude-x"))).read()
        assert got.status == 200, got.body
        assert got.headers["x-langwatch-provider"] == "bedrock"
        assert got.headers["x-langwatch-fallback-count"] == "1"
        told = await here.the_settlement()
        assert told["outcome"] == "completed"
