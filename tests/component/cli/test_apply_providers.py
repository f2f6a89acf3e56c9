"""Providers of every kind from one file: settings, and credentials that only the environment holds."""

import json
from pathlib import Path

from core.authoring.providers import credential_of
from core.models import Provider
from core.secrets import Secret
from tests.component.cli.test_apply import KEYS, applied, mistakes, verbs

ACME = "organization: {name: Acme, slug: acme}\n"
FILE = (
    ACME
    + """\
providers:
  - name: aws
    type: bedrock
    settings: {region: eu-central-1, blocked_models: ["*opus*"]}
    credential: {access_key_env: AWS_KEY, secret_key_env: AWS_SECRET}
  - name: azure
    type: azure
    base_url: https://acme.openai.azure.test
    settings: {api_version: "2024-10-21", deployments: {gpt-4o: prod-4o}}
    credential_env: ENTRA_JSON
  - {name: groq, type: groq, api_key_env: GROQ_KEY}
"""
)
ENTRA = {"tenant_id": "acme.test", "client_id": "app", "client_secret": "s3cret"}


def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "entra.json").write_text(json.dumps(ENTRA))
    return {
        "AWS_KEY": "AKIAEXAMPLE",
        "AWS_SECRET": "wJalr/XUtn",
        "ENTRA_JSON_FILE": str(tmp_path / "entra.json"),
        "GROQ_KEY": "gsk-1",
    }


def opened(name: str) -> Secret:
    found = credential_of(Provider.get(Provider.name == name), KEYS.sealer)
    assert found is not None
    return found


def test_each_form_of_a_credential_is_taken_and_a_second_run_changes_nothing(
    db: str, tmp_path: Path
) -> None:
    assert verbs(applied(FILE, environ(tmp_path))) == {"created"}
    assert json.loads(opened("aws").reveal()) == {
        "access_key": "AKIAEXAMPLE",
        "secret_key": "wJalr/XUtn",
    }
    assert json.loads(opened("azure").reveal()) == ENTRA
    assert opened("groq") == Secret("gsk-1")
    rows = {row.name: row for row in Provider.select()}
    assert rows["aws"].base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert rows["azure"].settings["deployments"] == {"gpt-4o": "prod-4o"}
    assert rows["groq"].base_url == "https://api.groq.com/openai/v1"
    assert verbs(applied(FILE, environ(tmp_path))) == {"unchanged"}
    moved = FILE.replace("eu-central-1", "us-east-1")
    assert ("changed", "provider aws") in [
        (verb, str(item)) for verb, item in applied(moved, environ(tmp_path)).steps
    ]


def test_mistakes_are_named_by_line_and_field(db: str, tmp_path: Path) -> None:
    text = FILE.replace("region: eu-central-1, ", "").replace("{access_key_env: AWS_KEY, ", "{")
    found = mistakes(text, environ(tmp_path))
    assert found == [
        (3, "provider aws: credential.access_key: Give the access key."),
        (3, "provider aws: settings.region: Give the region."),
    ]
    plain = ACME + "providers: [{name: x, type: bedrock, credential: {secret_key: abc}}]\n"
    assert "a secret does not belong in the file" in mistakes(plain)[0][1]
