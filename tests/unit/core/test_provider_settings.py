"""Each mistake in a provider's settings, address or credential is explained at its field."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.authoring.provider_settings import (
    address_of,
    canonical_credential,
    canonical_settings,
    complain,
    complain_of_credential,
)
from core.authoring.validation import Complaints
from core.provider_settings import read_credential, read_settings
from core.secrets import Secret
from rules.provider_types import TYPES, default_url


def complaints(type_name: str, base_url: str = "", **settings: object) -> dict[str, str]:
    found = Complaints()
    complain(type_name, base_url, settings, found)
    return found.errors


def credential_complaints(type_name: str, credential: object) -> dict[str, str]:
    text = credential if isinstance(credential, str) else json.dumps(credential)
    found = Complaints()
    complain_of_credential(type_name, Secret(text), found)
    assert len(text) < 12 or text not in str(found.errors)
    return found.errors


@pytest.fixture(scope="module")
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("type_name", "settings"),
    [
        ("openai", {}),
        ("anthropic", {"extra_headers": {"x-team": "blue"}, "blocked_models": ["claude-opus-*"]}),
        ("bedrock", {"region": "us-gov-west-1", "deployments": {"sonnet": "us.anthropic.x-v1:0"}}),
        ("vertex", {"region": "europe-west4", "project": "acme-prod-1"}),
        ("vertex", {"region": "global", "project": "example.com:acme-prod"}),
        ("gemini", {"models": ["gemini-2.5-pro"]}),
        ("groq", {}),
        ("sandbox", {}),
    ],
)
def test_takes_what_a_type_needs_and_knows_its_address(type_name: str, settings: dict) -> None:
    assert complaints(type_name, **settings) == {}
    assert address_of(type_name, "", settings)


@pytest.mark.parametrize(
    ("type_name", "base_url", "settings", "field"),
    [
        ("azure", "", {}, "base_url"),
        ("custom", "", {}, "base_url"),
        ("azure", "https://a.test/openai/deployments/x", {}, "base_url"),
        ("openai", "https://a.test/v1/chat/completions", {}, "base_url"),
        ("openai", "https://a.test/v1?key=1", {}, "base_url"),
        ("sandbox", "https://a.test", {}, "base_url"),
        ("bedrock", "", {}, "settings.region"),
        ("bedrock", "", {"region": "europe-west4"}, "settings.region"),
        ("vertex", "", {"region": "us-east5"}, "settings.project"),
        ("vertex", "", {"region": "US East", "project": "acme-prod"}, "settings.region"),
        ("azure", "https://a.test", {"api_version": "v1"}, "settings.api_version"),
        ("azure", "https://a.test", {"deployments": {"gpt 4": "x"}}, "settings.deployments"),
        ("azure", "https://a.test", {"deployments": ["x"]}, "settings.deployments"),
        ("openai", "", {"region": "us-east-1"}, "settings.region"),
        ("openai", "", {"extra_headers": {"Authorization": "x"}}, "settings.extra_headers"),
        ("openai", "", {"extra_headers": {"Host": "x"}}, "settings.extra_headers"),
        ("openai", "", {"extra_headers": {"x-a": "1\r\nx-b: 2"}}, "settings.extra_headers"),
        ("openai", "", {"models": [""]}, "settings.models"),
        ("openai", "", {"blocked_models": "gpt-*"}, "settings.blocked_models"),
        ("openai", "", {"rate_limits": {"rpm": 1}}, "settings.rate_limits"),
        ("custom", "https://a.test", {"auth_mode": "basic"}, "settings.auth_mode"),
        ("custom", "https://a.test", {"auth_mode": "header"}, "settings.auth_header"),
        ("custom", "https://a.test", {"auth_header": "x-key"}, "settings.auth_header"),
        ("sandbox", "", {"models": ["x"]}, "settings.models"),
    ],
)
def test_says_what_is_wrong_at_the_field(
    type_name: str, base_url: str, settings: dict, field: str
) -> None:
    assert list(complaints(type_name, base_url, **settings)) == [field]


@pytest.mark.parametrize(
    ("type_name", "credential"),
    [
        ("openai", "sk-abc"),
        ("azure", "0123abc"),
        ("azure", {"tenant_id": "t", "client_id": "c", "client_secret": "s"}),
        ("bedrock", "bedrock-api-key-abc"),
        ("bedrock", {"access_key": "AKIA1", "secret_key": "s/+="}),
        (
            "bedrock",
            {"aws_access_key_id": "ASIA1", "aws_secret_access_key": "s", "session_token": "t"},
        ),
    ],
)
def test_takes_the_credentials_of_a_type(type_name: str, credential: object) -> None:
    assert credential_complaints(type_name, credential) == {}


@pytest.mark.parametrize(
    ("type_name", "credential", "field"),
    [
        ("openai", "", "credential"),
        ("openai", "sk abc", "credential"),
        ("openai", "sk-\u00e4", "credential"),
        ("openai", {"access_key": "a"}, "credential"),
        ("sandbox", "sk-abc", "credential"),
        ("bedrock", {"access_key": "AKIA1"}, "credential.secret_key"),
        ("bedrock", {"access_key": "ASIA1", "secret_key": "s"}, "credential.session_token"),
        ("bedrock", {"access_key": "AKIA1", "secret_key": "s s"}, "credential.secret_key"),
        ("azure", {"tenant_id": "t", "client_id": "c"}, "credential.client_secret"),
        ("vertex", "sk-abc", "credential"),
        ("vertex", {"type": "authorized_user", "refresh_token": "r"}, "credential"),
        (
            "vertex",
            {"type": "service_account", "client_email": "a@b", "private_key": "no key"},
            "credential",
        ),
        ("openai", "x" * 9000, "credential"),
    ],
)
def test_says_what_is_wrong_with_a_credential(
    type_name: str, credential: object, field: str
) -> None:
    assert list(credential_complaints(type_name, credential)) == [field]


def test_of_a_service_account_only_what_is_used_is_kept(pem: str) -> None:
    file = {
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "k1",
        "private_key": pem,
        "client_email": "gw@acme.iam.gserviceaccount.com",
        "token_uri": "https://attacker.test/token",
    }
    assert credential_complaints("vertex", file) == {}
    kept = canonical_credential("vertex", Secret(json.dumps(file, indent=2))).reveal()
    assert "attacker" not in kept
    proof = read_credential(Secret(kept))
    assert proof.part("client_email") == file["client_email"]
    assert proof.part("private_key") == pem
    assert not proof.key


def test_equal_credentials_are_equal_however_they_are_written() -> None:
    one = canonical_credential("bedrock", Secret('{"secret_key": "s", "access_key":"A"}'))
    other = canonical_credential(
        "bedrock", Secret(' {"aws_access_key_id":"A","aws_secret_access_key":"s"} ')
    )
    assert one == other
    assert canonical_credential("openai", Secret(" sk-a\n")) == Secret("sk-a")


def test_settings_that_say_nothing_are_left_out() -> None:
    given = {"region": " eu-central-1 ", "models": [], "extra_headers": {}, "auth_header": None}
    assert canonical_settings(given) == {"region": "eu-central-1"}


def test_blocked_models_are_patterns_and_deployments_rename() -> None:
    settings = read_settings(
        {"blocked_models": ["gpt-4*", "*-preview"], "deployments": {"gpt-5": "prod"}, "later": 1}
    )
    assert not settings.serves("gpt-4o")
    assert not settings.serves("o3-preview")
    assert not settings.serves("GPT-4o")
    assert settings.serves("gpt-5")
    assert (settings.name_of("gpt-5"), settings.name_of("gpt-5-mini")) == ("prod", "gpt-5-mini")


def test_a_credential_is_not_printed_in_parts() -> None:
    proof = read_credential(Secret('{"access_key": "AKIA1", "secret_key": "very secret"}'))
    assert "very secret" not in repr(proof)
    assert "AKIA1" not in repr(proof)


@pytest.mark.parametrize(
    ("type_name", "region", "address"),
    [
        ("vertex", "us-east5", "https://us-east5-aiplatform.googleapis.com"),
        ("vertex", "global", "https://aiplatform.googleapis.com"),
        ("vertex", "eu", "https://aiplatform.eu.rep.googleapis.com"),
        ("bedrock", "eu-central-1", "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        ("bedrock", "", ""),
        ("xai", "", "https://api.x.ai/v1"),
    ],
)
def test_addresses_follow_from_type_and_region(type_name: str, region: str, address: str) -> None:
    assert default_url(type_name, region) == address


def test_every_type_says_what_it_needs() -> None:
    for row in TYPES.values():
        assert set(row.needed_settings) <= set(row.settings)
        assert row.label
