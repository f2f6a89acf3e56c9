"""Providers of every type: settings kept, credentials sealed and rotated, none archived while a key uses it."""

import json
from dataclasses import replace

import pytest

from core.authoring import providers, virtual_keys
from core.authoring.providers import NewProvider
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import AuditRow, Provider
from core.secrets import Secret
from tests.component.core.authoring.acme import NOW, SEALER, acme

pytestmark = pytest.mark.usefixtures("db")
AWS = {"access_key": "AKIAEXAMPLE", "secret_key": "wJalrXUtnFEMI"}
BEDROCK = NewProvider(
    "aws",
    "bedrock",
    credential=Secret(json.dumps(AWS)),
    settings={"region": "eu-central-1", "models": []},
)


def audit_rows() -> list[AuditRow]:
    return list(AuditRow.select().order_by(AuditRow.id))


def test_the_address_follows_the_region_until_one_is_given() -> None:
    org = acme()
    row = providers.create(org.actor, BEDROCK, SEALER, NOW)
    assert row.base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert row.settings == {"region": "eu-central-1"}
    moved = replace(BEDROCK, settings={"region": "us-east-1"}, credential=None)
    row = providers.update(org.actor, row.id, moved, SEALER, NOW)
    assert row.base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    own = replace(moved, base_url="https://vpce-1.bedrock.test/")
    with pytest.raises(Refused) as caught:
        providers.update(org.actor, row.id, own, SEALER, NOW)
    assert list(caught.value.facts["errors"]) == ["credential"]
    own = replace(own, credential=BEDROCK.credential)
    row = providers.update(org.actor, row.id, own, SEALER, NOW)
    assert row.base_url == "https://vpce-1.bedrock.test"
    assert Provider.get_by_id(row.id).settings == {"region": "us-east-1"}


def test_a_rotated_credential_is_sealed_dated_and_in_no_audit_row() -> None:
    org, later = acme(), utcnow()
    row = providers.create(org.actor, BEDROCK, SEALER, NOW)
    new = Secret(json.dumps(AWS | {"secret_key": "anotherSecret"}))
    row = providers.rotate(org.actor, row.id, new, SEALER, later)
    opened = providers.credential_of(row, SEALER)
    assert opened is not None
    assert json.loads(opened.reveal())["secret_key"] == "anotherSecret"
    stored = Provider.get_by_id(row.id)
    assert (stored.credential_set_at, stored.updated_at) == (later, later)
    last = audit_rows()[-1]
    assert last.action == "gateway.provider.credential_rotated"
    shown = " ".join(str(entry.__data__) for entry in audit_rows())
    assert "anotherSecret" not in shown
    assert AWS["secret_key"] not in shown
    with pytest.raises(Refused) as caught:
        providers.rotate(org.actor, row.id, Secret('{"access_key": "A"}'), SEALER, later)
    assert caught.value.facts["errors"] == {"credential.secret_key": "Give the secret key."}


def test_a_vendor_needs_a_credential_and_a_server_of_ones_own_does_not() -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        providers.create(org.actor, NewProvider("x", "groq"), SEALER, NOW)
    assert caught.value.facts["errors"] == {"credential": "Give the credential."}
    own = NewProvider("vllm", "openai", "http://vllm.test:8000/v1")
    assert providers.create(org.actor, own, SEALER, NOW).sealed_credential is None


def test_a_provider_is_archived_only_when_no_key_uses_it() -> None:
    org = acme()
    pepper = Secret("pepper")
    new = NewVirtualKey("dev-cli", org.project.id, (org.openai.id, org.anthropic.id))
    key, _ = virtual_keys.create(org.actor, new, pepper, NOW)
    with pytest.raises(Refused) as caught:
        providers.archive(org.actor, org.openai.id, NOW)
    assert caught.value.fault is Fault.CONFLICT
    assert "dev-cli" in caught.value.message
    virtual_keys.revoke(org.actor, key.id, NOW)
    assert providers.archive(org.actor, org.openai.id, NOW).archived_at == NOW
    with pytest.raises(Refused):
        providers.find(org.actor.organization_id, org.openai.id)
