"""Guardrails on requests, and rules about tools, hold on every route that takes a text or tools: nothing is sent."""

import pytest

from proxy.bundle import GuardrailBinding
from tests.component.proxy.pipeline.site import binding, chat, message, site
from tests.component.proxy.pipeline.test_guardrails import row as guardrail
from tests.unit.proxy.guarding.streams import SECRET

pytestmark = pytest.mark.trio

SAID = f"use {SECRET}"
GEMINI = "/v1beta/models/gemini-2.5-flash:"
CONTENTS = [{"role": "user", "parts": [{"text": SAID}]}]
TEXTS = {
    "/v1/chat/completions": chat(messages=[{"role": "user", "content": SAID}]),
    "/v1/messages": message(messages=[{"role": "user", "content": SAID}]),
    "/v1/messages/count_tokens": message(messages=[{"role": "user", "content": SAID}]),
    "/v1/responses": {"model": "gpt-4o-mini", "input": SAID},
    "/v1/completions": {"model": "gpt-3.5-turbo-instruct", "prompt": SAID},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": [SAID]},
    "/v1/moderations": {"model": "omni-moderation-latest", "input": SAID},
    "/v1/images/generations": {"model": "gpt-image-1", "prompt": SAID},
    "/v1/audio/speech": {"model": "tts-1", "input": SAID, "voice": "alloy"},
    f"{GEMINI}generateContent": {"contents": CONTENTS},
    f"{GEMINI}streamGenerateContent?alt=sse": {"contents": CONTENTS},
    f"{GEMINI}countTokens": {"contents": CONTENTS},
    "/v1beta/models/gemini-embedding-001:embedContent": {"content": CONTENTS[0]},
}
TOOL = {"name": "bash", "parameters": {"type": "object"}}
MCP = {"type": "mcp", "server_label": "bash", "server_url": "https://mcp.example"}
TOOLS = [
    ("/v1/chat/completions", chat(tools=[{"type": "function", "function": TOOL}])),
    ("/v1/messages", message(tools=[{"name": "bash", "input_schema": {"type": "object"}}])),
    (
        "/v1/responses",
        {"model": "gpt-4o-mini", "input": "hi", "tools": [{"type": "function"} | TOOL]},
    ),
    ("/v1/responses", {"model": "gpt-4o-mini", "input": "hi", "tools": [MCP]}),
    (
        f"{GEMINI}generateContent",
        {
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "tools": [{"functionDeclarations": [TOOL]}],
        },
    ),
]


def all_three(port: int) -> list:
    return [binding("openai", port, "/v1"), binding("anthropic", port), binding("gemini", port)]


async def test_a_secret_is_found_wherever_a_request_holds_text() -> None:
    row = guardrail("secrets", "block", "request")
    found = {}
    async with site(providers=all_three) as here:
        here.keyring.bundle.guardrails = (GuardrailBinding(row, None),)
        for path, body in TEXTS.items():
            got = await (await here.post(path, body)).read()
            assert SECRET not in got.body.decode()
            found[path] = (got.status, got.headers.get("x-langwatch-handled-error"))
        assert found == dict.fromkeys(TEXTS, (403, "guardrail_blocked"))
        assert here.fake.record.total == 0
        await here.at_rest()


async def test_a_denied_tool_is_found_wherever_an_api_names_tools() -> None:
    async with site(providers=all_three) as here:
        here.keyring.bundle.config = {
            "policy_rules": {"tools": {"deny": ["^bash$"]}, "mcp": {"deny": ["^bash$"]}}
        }
        for path, body in TOOLS:
            got = await (await here.post(path, body)).read()
            assert got.status == 403, path
            assert got.headers["x-langwatch-handled-error"] == "tool_not_allowed"
        assert here.fake.record.total == 0
        await here.at_rest()
