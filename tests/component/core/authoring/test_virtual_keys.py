"""Virtual keys: minted once, hashed, rotated, switched, revoked, and every change announced."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core import changes
from core.authoring import budgets, virtual_keys
from core.authoring.budgets import NewBudget
from core.authoring.virtual_keys import NewVirtualKey
from core.fault import Fault, Refused
from core.models import AuditRow, Budget, VirtualKey
from core.secrets import Secret
from rules.keys import is_virtual_key
from tests.component.core.authoring.acme import NOW, PEPPER, VIRTUAL_KEY, Acme, acme

pytestmark = pytest.mark.usefixtures("db")


def wanted(org: Acme) -> NewVirtualKey:
    return NewVirtualKey("dev-cli", org.project.id, (org.openai.id, org.anthropic.id), org.ada.id)


def errors_of(caught: pytest.ExceptionInfo[Refused]) -> dict[str, str]:
    assert caught.value.fault is Fault.VALIDATION_ERROR
    errors = caught.value.facts["errors"]
    assert isinstance(errors, dict)
    return errors


def kinds() -> list[str]:
    return [event.kind for event in changes.since(0) if event.virtual_key_id]


def test_a_new_key_is_shown_once_and_stored_only_as_a_hash() -> None:
    org = acme()
    row, secret = virtual_keys.create(org.actor, wanted(org), PEPPER, NOW)
    assert is_virtual_key(secret.reveal())
    assert row.display_prefix == secret.reveal()[:17]
    assert row.organization_id == org.organization.id
    stored = VirtualKey.get_by_id(row.id)
    assert secret.reveal() not in str(stored.__data__)
    assert stored.provider_ids == [org.openai.id, org.anthropic.id]
    assert kinds() == ["VK_CREATED"]
    assert secret.reveal() not in "".join(str(row.after) for row in AuditRow.select())


def test_finds_a_key_by_its_secret_and_nothing_else() -> None:
    org = acme()
    row, secret = virtual_keys.create(org.actor, wanted(org), PEPPER, NOW)
    found = virtual_keys.find_by_secret(PEPPER, secret.reveal(), NOW)
    assert found is not None
    assert found.id == row.id
    assert virtual_keys.find_by_secret(Secret("another pepper"), secret.reveal(), NOW) is None
    assert virtual_keys.find_by_secret(PEPPER, VIRTUAL_KEY, NOW) is None


def test_takes_a_secret_of_the_operators_own_when_it_has_the_right_form() -> None:
    org = acme()
    _, secret = virtual_keys.create(org.actor, wanted(org), PEPPER, NOW, Secret(VIRTUAL_KEY))
    assert secret.reveal() == VIRTUAL_KEY
    again = replace(wanted(org), name="other")
    with pytest.raises(Refused) as caught:
        virtual_keys.create(org.actor, again, PEPPER, NOW, Secret(VIRTUAL_KEY))
    assert "already" in errors_of(caught)["secret"]
    with pytest.raises(Refused) as caught:
        virtual_keys.create(org.actor, again, PEPPER, NOW, Secret("hunter2"))
    assert "lw_vk_live_" in errors_of(caught)["secret"]
    assert "hunter2" not in str(caught.value)


def test_names_every_wrong_field_at_once() -> None:
    org, other = acme(), acme("globex")
    wrong = NewVirtualKey(
        "", other.project.id, (other.openai.id,), other.ada.id, NOW - timedelta(seconds=1)
    )
    with pytest.raises(Refused) as caught:
        virtual_keys.create(org.actor, wrong, PEPPER, NOW)
    assert set(errors_of(caught)) == {"name", "project", "providers", "principal", "expires_at"}
    assert VirtualKey.select().count() == 0


def test_a_rotated_key_answers_to_both_secrets_for_a_day() -> None:
    org = acme()
    row, first = virtual_keys.create(org.actor, wanted(org), PEPPER, NOW)
    _, second = virtual_keys.rotate(org.actor, row.id, PEPPER, NOW)
    soon, late = NOW + timedelta(hours=23), NOW + timedelta(hours=25)
    assert virtual_keys.find_by_secret(PEPPER, first.reveal(), soon) is not None
    assert virtual_keys.find_by_secret(PEPPER, first.reveal(), late) is None
    assert virtual_keys.find_by_secret(PEPPER, second.reveal(), late) is not None
    _, third = virtual_keys.rotate(org.actor, row.id, PEPPER, NOW)
    assert virtual_keys.find_by_secret(PEPPER, first.reveal(), NOW) is None
    assert virtual_keys.find_by_secret(PEPPER, third.reveal(), NOW) is not None
    assert VirtualKey.get_by_id(row.id).revision == 3


def test_a_revoked_key_is_over_and_takes_its_budgets_along() -> None:
    org = acme()
    row, first = virtual_keys.create(org.actor, wanted(org), PEPPER, NOW)
    virtual_keys.rotate(org.actor, row.id, PEPPER, NOW)
    budget = budgets.create(org.actor, NewBudget("own", "virtual_key", row.id, "day", 10**9), NOW)
    virtual_keys.revoke(org.actor, row.id, NOW)
    virtual_keys.revoke(org.actor, row.id, NOW)
    assert kinds() == ["VK_CREATED", "VK_ROTATED", "VK_REVOKED"]
    assert Budget.get_by_id(budget.id).archived_at == NOW
    assert virtual_keys.find_by_secret(PEPPER, first.reveal(), NOW) is None
    with pytest.raises(Refused) as caught:
        virtual_keys.enable(org.actor, row.id, NOW)
    assert caught.value.fault is Fault.CONFLICT
    again, _ = virtual_keys.create(org.actor, wanted(org), PEPPER, NOW)
    assert again.id != row.id


def test_switching_a_key_twice_is_announced_once() -> None:
    org = acme()
    row, _ = virtual_keys.create(org.actor, wanted(org), PEPPER, NOW)
    virtual_keys.disable(org.actor, row.id, NOW)
    virtual_keys.disable(org.actor, row.id, NOW)
    assert virtual_keys.find(org.organization.id, row.id).status == "disabled"
    virtual_keys.enable(org.actor, row.id, NOW)
    assert kinds() == ["VK_CREATED", "VK_DISABLED", "VK_ENABLED"]


def test_an_update_to_the_same_writes_nothing() -> None:
    org = acme()
    row, _ = virtual_keys.create(org.actor, wanted(org), PEPPER, NOW)
    virtual_keys.update(org.actor, row.id, wanted(org), NOW)
    assert kinds() == ["VK_CREATED"]
    narrowed = replace(wanted(org), provider_ids=(org.openai.id,))
    assert virtual_keys.differences(row, narrowed) == ["provider_ids"]
    virtual_keys.update(org.actor, row.id, narrowed, NOW)
    assert kinds() == ["VK_CREATED", "VK_CONFIG_UPDATED"]
    assert VirtualKey.get_by_id(row.id).provider_ids == [org.openai.id]


def test_keeps_other_organizations_away() -> None:
    org, other = acme(), acme("globex")
    row, _ = virtual_keys.create(org.actor, wanted(org), PEPPER, NOW)
    with pytest.raises(Refused) as caught:
        virtual_keys.revoke(other.actor, row.id, NOW)
    assert caught.value.fault is Fault.NOT_FOUND
