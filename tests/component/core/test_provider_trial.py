"""Trying a provider over real sockets: each type against a fake that knows its account, and every way to fail."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from core.clock import utcnow
from core.provider_trial import Entered, Tried, try_provider
from core.secrets import Secret
from core.settings import Settings, load
from tests.provider.clouds import AWS_KEYS, AWS_REGION, AZURE_KEY, ENTRA, PROJECT, REGION
from tests.provider.handle import FakeProvider

AWS = {"access_key": "AKIAFAKE", "secret_key": AWS_KEYS["AKIAFAKE"][0]}
CLASSIC = {"api_version": "2024-10-21", "deployments": {"gpt-4o": "prod"}}


def entered(
    provider: FakeProvider, type_: str, credential: object, path: str = "", **settings: object
) -> Entered:
    text = credential if isinstance(credential, str) else json.dumps(credential)
    return Entered(type_, provider.url + path, settings, Secret(text) if text else None, True)


def settings_of(provider: FakeProvider) -> Settings:
    return load(
        {
            "LANGWATCH_GOOGLE_TOKEN_URL": f"{provider.url}/google/token",
            "LANGWATCH_ENTRA_URL": provider.url,
        }
    )


def tried(provider: FakeProvider, what: Entered, seconds: float = 5) -> Tried:
    return try_provider(what, settings_of(provider), utcnow, seconds)


def test_every_type_is_tried_without_generating_anything(provider: FakeProvider) -> None:
    account = provider.service_account()
    right = [
        entered(provider, "openai", "sk-a", "/v1"),
        entered(provider, "custom", "sk-a"),
        entered(provider, "groq", "sk-a", "/v1"),
        entered(provider, "voyage", "sk-a", "/v1"),
        entered(provider, "anthropic", "sk-a"),
        entered(provider, "gemini", "key"),
        entered(provider, "azure", AZURE_KEY),
        entered(provider, "azure", AZURE_KEY, "", **CLASSIC),
        entered(provider, "azure", ENTRA, "", deployments={"gpt-4o": "prod"}),
        entered(provider, "vertex", account, "", project=PROJECT, region=REGION),
        entered(
            provider, "vertex", account, "", project=PROJECT, region=REGION, models=["claude-x"]
        ),
        entered(provider, "bedrock", AWS, "", region=AWS_REGION),
    ]
    for what in right:
        result = tried(provider, what)
        assert result.is_ok, (what.type, result)
        assert result.milliseconds >= 0
    generated = [c for c in provider.calls() if c["generation"] and c["status"] == 200]
    assert [c["target"] for c in generated if "embeddings" not in c["target"]] == []
    assert tried(provider, right[0]).models
    sandbox = Entered("sandbox", "sandbox://", {}, None, False)
    assert tried(provider, sandbox).is_ok


@pytest.mark.parametrize(
    ("type_", "credential", "path", "settings", "code"),
    [
        ("openai", "", "/v1", {}, "no_credential"),
        ("custom", "sk-a", "/wrong/v1", {}, "wrong_path"),
        ("azure", "wrong", "", {}, "bad_credential"),
        ("azure", AZURE_KEY, "", CLASSIC | {"deployments": {"x": "missing"}}, "no_deployment"),
        ("azure", ENTRA | {"client_secret": "old"}, "", {}, "no_token"),
        ("vertex", "account", "", {"project": "other", "region": REGION}, "no_access"),
        ("vertex", "account", "", {"project": PROJECT, "region": REGION, "models": ["missing"]}, "no_model"),
        ("bedrock", AWS | {"secret_key": "wrong"}, "", {"region": AWS_REGION}, "bad_credential"),
        ("bedrock", AWS | {"access_key": "AKIANONE"}, "", {"region": AWS_REGION}, "bad_credential"),
        ("bedrock", AWS, "", {"region": AWS_REGION, "models": ["missing"]}, "no_model"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    provider: FakeProvider, type_: str, credential: object, path: str, settings: dict, code: str
) -> None:
    given = provider.service_account() if credential == "account" else credential
    result = tried(provider, entered(provider, type_, given, path, **settings))
    assert result.code == code, result
    assert not result.is_ok
    assert result.sentence
    secrets = given.values() if isinstance(given, dict) else [given]
    assert not [s for s in secrets if s and len(s) > 6 and s in str(result)]


def test_a_clock_that_is_wrong_is_found_out_before_the_signature_is_blamed(
    provider: FakeProvider,
) -> None:
    what = entered(provider, "bedrock", AWS, "", region=AWS_REGION)
    late = try_provider(what, settings_of(provider), lambda: utcnow() - timedelta(minutes=9), 5)
    assert late.code == "clock_skew"


def test_declared_models_that_are_not_listed_are_noted(provider: FakeProvider) -> None:
    listed = tried(provider, entered(provider, "openai", "sk-a", "/v1")).models[0]
    what = entered(provider, "openai", "sk-a", "/v1", models=[listed, "gpt-9"])
    assert tried(provider, what).notes == ("Declared, but not in the provider's list: gpt-9.",)


@contextmanager
def mute() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def test_a_silent_a_closed_and_a_refused_address_are_told_apart(provider: FakeProvider) -> None:
    what = entered(provider, "openai", "sk-a", "/v1")
    with mute() as port:
        silent = replace(what, base_url=f"http://127.0.0.1:{port}/v1")
        assert tried(provider, silent, seconds=0.2).code == "timeout"
        closed = port
    result = tried(provider, replace(what, base_url=f"http://127.0.0.1:{closed}/v1"))
    assert result.code == "refused_connection"
    assert tried(provider, replace(what, is_operator_address=False)).code == "address_refused"
    metadata = replace(what, base_url="http://169.254.169.254/v1")
    assert tried(provider, metadata).code == "address_refused"
    assert tried(provider, replace(what, base_url="http://no..name/v1")).code == "dns"
    over_tls = what.base_url.replace("http://", "https://")
    assert tried(provider, replace(what, base_url=over_tls)).code in ("tls", "broken")
