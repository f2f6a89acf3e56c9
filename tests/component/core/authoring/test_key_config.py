"""The sections of a virtual key's configuration: what is right is stored, what is wrong is explained."""

from dataclasses import replace
from typing import Any

import pytest

from core.authoring import virtual_keys
from core.authoring.virtual_keys import NewVirtualKey
from core.fault import Refused
from core.models import AuditRow, VirtualKey
from tests.component.core.authoring.acme import NOW, PEPPER, Acme, acme

pytestmark = pytest.mark.usefixtures("db")


def wanted(org: Acme, config: dict[str, Any] | None) -> NewVirtualKey:
    return NewVirtualKey("dev-cli", org.project.id, (org.openai.id,), config=config)


def test_a_section_that_says_nothing_is_not_stored() -> None:
    org = acme()
    config = {"rate_limits": {"rpm": 60, "tpm": None}}
    row, _ = virtual_keys.create(org.actor, wanted(org, config), PEPPER, NOW)
    assert VirtualKey.get_by_id(row.id).config == {"rate_limits": {"rpm": 60}}
    nothing = virtual_keys.update(
        org.actor, row.id, wanted(org, {"rate_limits": {"rpm": None}}), NOW
    )
    assert nothing.config == {}


def test_a_change_that_does_not_speak_of_the_configuration_keeps_it() -> None:
    org = acme()
    row, _ = virtual_keys.create(org.actor, wanted(org, {"rate_limits": {"rpd": 5}}), PEPPER, NOW)
    before = AuditRow.select().count()
    virtual_keys.update(org.actor, row.id, wanted(org, None), NOW)
    assert AuditRow.select().count() == before
    renamed = replace(wanted(org, None), name="other")
    assert virtual_keys.update(org.actor, row.id, renamed, NOW).config == {
        "rate_limits": {"rpd": 5}
    }


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ({"speed": {"rpm": 1}}, "config.speed", "no such section"),
        ({"rate_limits": {"rps": 1}}, "config.rate_limits", "no limit rps"),
        ({"rate_limits": {"rpm": 0}}, "config.rate_limits", "rpm is a whole number"),
        ({"rate_limits": {"rpm": True}}, "config.rate_limits", "rpm is a whole number"),
        ({"rate_limits": {"tpm": "60"}}, "config.rate_limits", "tpm is a whole number"),
        ({"rate_limits": [60]}, "config.rate_limits", "Give an object"),
    ],
)
def test_what_is_wrong_in_a_section_is_said_under_its_name(
    config: dict[str, Any], field: str, words: str
) -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        virtual_keys.create(org.actor, wanted(org, config), PEPPER, NOW)
    errors = caught.value.facts["errors"]
    assert isinstance(errors, dict)
    assert words in errors[field]
