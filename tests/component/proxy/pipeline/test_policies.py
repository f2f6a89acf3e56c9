"""Policy rules through a socket: refused in the form of each dialect, booked, and never sent on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from typing import Any

import orjson
import pytest

from proxy.bundle import Bundle
from tests.component.proxy.pipeline.site import Site, chat, message, site

pytestmark = pytest.mark.trio

DIALECTS = {"openai": ("/v1/chat/completions", chat), "anthropic": ("/v1/messages", message)}
TOOLS: dict[str, Any] = {
    "openai": [{"type": "function", "function": {"name": "bash", "parameters": {}}}],
    "anthropic": [{"name": "bash", "input_schema": {"type": "object"}}],
}
PARAMS = {"openai": "tools[0].function.name", "anthropic": "tools[0].name"}
LISTED = {"mcp_servers": [{"type": "url", "name": "evil", "url": "https://mcp.evil.test"}]}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


@asynccontextmanager
async def governed(key: dict | None = None, sets: list[dict] | None = None) -> AsyncIterator[Site]:
    async with site() as here:
        bundle: Bundle = here.keyring.bundle
        bundle.config = {"policy_rules": key} if key else {}
        bundle.policies = tuple(
            {"id": f"policy_{n}", "name": f"set {n}", "rules": rules}
            for n, rules in enumerate(sets or [])
        )
        yield here


async def test_a_denied_tool_is_refused_and_nothing_is_sent(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with governed({"tools": {"deny": ["^bash$"]}}) as here:
        got = await (await here.post(path, ask(tools=TOOLS[dialect]))).read()
        error = got.json["error"]
        assert (got.status, error["code"]) == (403, "tool_not_allowed")
        assert error["param"] == PARAMS[dialect]
        assert error["meta"] == {"tool": "bash", "rule": "the virtual key", "pattern": "^bash$"}
        assert '"bash"' in error["message"]
        assert got.headers["x-should-retry"] == "false"
        assert here.fake.record.total == 0
        told = await here.the_settlement()
        assert (told["outcome"], told["code"], told["cost_nanousd"]) == (
            "refused",
            "tool_not_allowed",
            0,
        )
        fact = {"dimension": "tools", "pattern": "^bash$", "value": "bash", "rule": "vk_1"}
        assert told["facts"] == {"policy_blocked": [fact]}
        assert here.limit.current.held == 0


@pytest.mark.parametrize(
    ("rules", "members", "code", "meta"),
    [
        ({"mcp": {"deny": ["evil"]}}, LISTED, "tool_not_allowed", ("tool", "evil")),
        (
            {"urls": {"allow": [r"^https://docs\.test/"]}},
            {"metadata": {"user_id": "see https://evil.test/x"}},
            "url_not_allowed",
            ("url", "https://evil.test/x"),
        ),
        ({"models": {"deny": ["mini$", "haiku"]}}, {}, "model_not_allowed", ("model", None)),
        (
            {"models": {"deny": ["^openai/gpt", "^anthropic/"]}},
            {},
            "model_not_allowed",
            ("model", None),
        ),
    ],
)
async def test_each_dimension_has_its_refusal(dialect, rules, members, code, meta) -> None:
    path, ask = DIALECTS[dialect]
    async with governed(sets=[rules]) as here:
        got = await (await here.post(path, ask(**members))).read()
        assert (got.status, got.json["error"]["code"]) == (403, code)
        name, value = meta
        assert got.json["error"]["meta"][name] == (value or ask()["model"])
        assert got.json["error"]["meta"]["rule"] == "set 0"
        assert here.fake.record.total == 0


FALLBACKS = {
    "openai": ({"models": ["openai/gpt-5", "acme/big"]}, "models[1]"),
    "anthropic": ({"fallbacks": [{"model": "acme/big"}]}, "fallbacks[0].model"),
}


async def test_models_that_a_provider_may_fall_back_to_are_judged_like_the_one_asked_for(
    dialect,
) -> None:
    path, ask = DIALECTS[dialect]
    members, param = FALLBACKS[dialect]
    async with governed({"models": {"deny": ["^big$"]}}) as here:
        got = await (await here.post(path, ask(**members))).read()
        error = got.json["error"]
        assert (got.status, error["code"]) == (403, "model_not_allowed")
        assert (error["param"], error["meta"]["model"]) == (param, "acme/big")
    for allowed, status in ((["gpt*", "claude*"], 403), (["gpt*", "claude*", "big"], 200)):
        async with governed() as here:
            here.keyring.bundle.config = {"models_allowed": allowed}
            got = await (await here.post(path, ask(**members))).read()
            assert got.status == status
            assert here.fake.record.total == (status == 200)
            if status == 403:
                assert (got.json["error"]["code"], got.json["error"]["param"]) == (
                    "model_not_allowed",
                    param,
                )
            (name,) = members
            twice = b'{"%b":[],' % name.encode() + orjson.dumps(ask(**members))[1:]
            got = await (await here.post(path, twice)).read()
            assert (got.status, got.json["error"]["code"]) == (400, "bad_request")


async def test_what_no_rule_objects_to_passes_byte_for_byte(dialect) -> None:
    path, ask = DIALECTS[dialect]
    rules = {
        name: {"deny": ["never"], "allow": ["."]} for name in ("tools", "mcp", "urls", "models")
    }
    async with governed(rules, [rules]) as here:
        got = await (await here.post(path, ask(tools=TOOLS[dialect], **LISTED))).read()
        assert got.status == 200
        assert "facts" not in await here.the_settlement()


async def test_a_rule_in_shadow_mode_records_and_lets_pass(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with governed({"tools": {"deny": ["^bash$"], "shadow": True}}) as here:
        got = await (await here.post(path, ask(tools=TOOLS[dialect]))).read()
        assert got.status == 200
        told = await here.the_settlement()
        assert told["outcome"] == "completed"
        assert [f["value"] for f in told["facts"]["policy_shadow"]] == ["bash"]


async def test_a_pattern_that_is_none_lets_nothing_pass(dialect, caplog) -> None:
    path, ask = DIALECTS[dialect]
    async with governed({"urls": {"deny": ["("]}}) as here:
        got = await (await here.post(path, ask())).read()
        assert (got.status, got.json["error"]["code"]) == (503, "service_unavailable")
        assert here.fake.record.total == 0
    (told,) = [vars(one) for one in caplog.records if one.msg == "policy_rules_broken"]
    assert told["vk_id"] == "vk_1"
    assert told["reason"]


async def test_a_body_that_names_its_tools_twice_is_refused(dialect) -> None:
    path, ask = DIALECTS[dialect]
    body = b'{"model":"%b","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"tools":[],"tools":[]}'
    async with governed({"tools": {"deny": ["^bash$"]}}) as here:
        got = await (await here.post(path, body % ask()["model"].encode())).read()
        assert (got.status, got.json["error"]["code"]) == (400, "bad_request")


async def test_the_rules_of_a_new_bundle_count_from_the_next_call() -> None:
    path, ask = DIALECTS["openai"]
    async with governed() as here:
        assert (await (await here.post(path, ask(tools=TOOLS["openai"]))).read()).status == 200
        old = here.keyring.bundle
        new = copy(old)
        new.policies = ({"id": "p", "name": "p", "rules": {"tools": {"allow": []}}},)
        here.keyring.bundle = new
        assert (await (await here.post(path, ask(tools=TOOLS["openai"]))).read()).status == 403
