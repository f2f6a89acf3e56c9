"""What a key is told that it can name is what its calls are routed by, in each API's list."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.provider_settings import read_settings
from proxy.bundle import ProviderBinding, RoutingPolicy
from tests.component.proxy.pipeline.site import KEY, Site, ask, binding, chat, message, site

pytestmark = pytest.mark.trio
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
Call = Callable[[str], tuple[str, dict[str, Any]]]
APIS: dict[str, tuple[str, dict[str, str], Call]] = {
    "openai": ("/v1/models", {}, lambda name: ("/v1/chat/completions", chat(name))),
    "anthropic": (
        "/v1/models?limit=1000",
        {"anthropic_version": "2023-06-01"},
        lambda name: ("/v1/messages", message(name)),
    ),
    "gemini": (
        "/v1beta/models?pageSize=1000",
        {},
        lambda name: (f"/v1beta/models/{name}:generateContent", CONTENTS),
    ),
}


def vendors(port: int) -> list[ProviderBinding]:
    own = binding("custom", port, "/v1", name="lab")
    declared = read_settings({"models": ["llama-local", "llama-secret"], "blocked_models": ["*t"]})
    return [
        binding("openai", port, "/v1"),
        binding("anthropic", port),
        binding("gemini", port, "/v1beta"),
        replace(own, settings=declared),
    ]


async def listed(here: Site, api: str) -> set[str]:
    path, headers, _ = APIS[api]
    got = await ask(here, "GET", path, authorization=f"Bearer {KEY}", **headers)
    rows = got.json.get("data") or got.json.get("models")
    return {row.get("id") or row["name"].removeprefix("models/") for row in rows}


async def owner_of(here: Site, name: str) -> str | None:
    got = await ask(here, "GET", f"/v1/models/{name}", authorization=f"Bearer {KEY}")
    return got.json["owned_by"] if got.status == 200 else None


def govern(here: Site) -> None:
    bundle = here.keyring.bundle
    order = ("prov_openai", "prov_lab", "prov_anthropic", "prov_gemini")
    bundle.routing_policy = RoutingPolicy(
        "rp_1",
        "all but one",
        provider_ids=order,
        models_allowed=("gpt-4o*", "claude-haiku-*", "*/gemini-2.5-*", "llama-*", "gone-*"),
        model_aliases={"cheap": "lab/llama-local", "dead": "bedrock/x"},
    )
    bundle.config = {
        "model_aliases": {"fast": "gemini/gemini-2.5-flash", "any": {"anthropic-main": "c"}},
        "models_allowed": ["gpt-4o*", "claude-haiku-4-5", "gemini-2*", "llama*", "gone-1"],
        "policy_rules": {"models": {"deny": ["^gemini-2.5-pro$"]}},
    }


@pytest.mark.parametrize("api", APIS)
async def test_every_listed_name_is_routed_and_nothing_that_is_refused_is_listed(api) -> None:
    call = APIS[api][2]
    async with site(providers=vendors) as here:
        govern(here)
        names = await listed(here, api)
        concrete = {name for name in names if "*" not in name}
        assert {"gpt-4o", "claude-haiku-4-5", "gemini-2.5-flash", "llama-local"} <= concrete
        assert {"fast", "cheap", "gone-1"} <= concrete
        for name in sorted(concrete):
            path, body = call(name)
            got = await (await here.post(path, body)).read()
            assert got.status == 200, (name, got.body)
            if api == "openai":
                assert got.headers["x-langwatch-provider"] == await owner_of(here, name), name
        globs = {
            "gpt-4o*",
            "gone-*",
            "claude-haiku-*",
            "*/gemini-2.5-*",
            "gemini-2*",
            "llama*",
            "llama-*",
        }
        families = {"openai/*", "anthropic/*", "gemini/*", "custom/*"}
        assert names - concrete == globs | families
        refused = ("dead", "any", "gpt-5.1", "llama-secret", "gemini-2.5-pro", "gone-2")
        assert not concrete & set(refused)
        for name in refused:
            path, body = call(name)
            got = await (await here.post(path, body)).read()
            assert got.status in (400, 403), name
            assert await owner_of(here, name) is None, name


async def test_a_name_that_is_on_no_list_is_told_when_it_would_be_routed() -> None:
    async with site(providers=vendors) as here:
        assert await owner_of(here, "gpt-99") == "openai", "by its look"
        assert await owner_of(here, "anthropic/claude-99") == "anthropic"
        assert await owner_of(here, "nobodys-model") is None

    def unknown(port: int) -> list[ProviderBinding]:
        return [binding("anthropic", port), binding("custom", port, "/v1", name="lab")]

    async with site(providers=unknown) as here:
        # What an endpoint of one's own serves is on no list, and is asked for all the same.
        assert await owner_of(here, "nobodys-model") == "custom"
        here.keyring.bundle.config = {"models_allowed": ["nobodys-*"]}
        here.gateway.plans.__init__()  # type: ignore[misc]
        assert {"nobodys-*", "custom/*"} == await listed(here, "openai")
        assert await owner_of(here, "another") is None


async def test_a_provider_that_an_api_does_not_reach_is_on_none_of_its_lists() -> None:
    async with site(providers=lambda port: [binding("sandbox", 0)]) as here:
        for api in APIS:
            assert await listed(here, api) == {"sandbox-small", "sandbox-large", "sandbox/*"}
        here.keyring.bundle.providers = ()
        here.gateway.plans.__init__()  # type: ignore[misc]
        got = await ask(here, "GET", "/v1/models", authorization=f"Bearer {KEY}")
        assert got.json == {"object": "list", "data": []}
