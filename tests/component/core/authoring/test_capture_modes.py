"""Who may have what captured: a key's mode, the permission that raw needs, the organization's switch."""

import pytest

from core import changes
from core.authoring import capture, virtual_keys
from core.authoring.capture import RAW_PERMISSION, mode_of, permission_for
from core.authoring.virtual_keys import NewVirtualKey
from core.fault import Refused
from core.models import AuditRow
from rules.permissions import is_known
from tests.component.core.authoring.acme import NOW, PEPPER, acme

pytestmark = pytest.mark.usefixtures("db")


def test_a_mode_is_one_of_four_and_raw_needs_a_permission_of_its_own() -> None:
    assert is_known(RAW_PERMISSION)
    assert permission_for({"capture": "raw"}) == RAW_PERMISSION
    assert permission_for({"capture": "redacted"}) is permission_for(None) is None
    org = acme()

    def key(mode: object) -> NewVirtualKey:
        return NewVirtualKey(
            f"dev {mode}", org.project.id, provider_ids=(org.openai.id,), config={"capture": mode}
        )

    for mode in capture.MODES:
        virtual_keys.create(org.actor, key(mode), PEPPER, NOW)
    with pytest.raises(Refused) as caught:
        virtual_keys.create(org.actor, key("everything"), PEPPER, NOW)
    assert set(caught.value.facts["errors"]) == {"config.capture"}


def test_an_organization_can_forbid_all_of_it() -> None:
    org = acme()
    assert mode_of({"capture": "raw"}, is_allowed=True) == "raw"
    assert mode_of({}, is_allowed=True) == mode_of({"capture": "odd"}, is_allowed=True) == "none"
    revision = changes.current_revision()
    row = capture.set_allowed(org.actor, False, NOW)
    assert mode_of({"capture": "raw"}, row.is_capture_allowed) == "none"
    assert [e.kind for e in changes.since(revision)] == ["ORGANIZATION_UPDATED"]
    capture.set_allowed(org.actor, False, NOW)
    assert len(changes.since(revision)) == 1, "saying it twice changes nothing"
    capture.set_allowed(org.actor, True, NOW)
    actions = [a.action for a in AuditRow.select() if "capture" in a.action]
    assert actions == ["organization.capture.forbidden", "organization.capture.allowed"]
