"""Lists in parts, there and back again, and searches that follow whatever becomes of keys and people."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from core.authoring import erasure, people, service_accounts, virtual_keys
from core.authoring.people import NewUser, Person
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.database import transaction
from core.models import ServiceAccount, VirtualKey
from tests.component.webapp.pages.desk import Desk, desk
from tests.component.webapp.pages.test_virtual_keys import a_key, a_project
from webapp.queries.keyset import cursor_of

KEYS, ACCOUNTS = "/settings/virtual-keys", "/settings/service-accounts"
pytestmark = pytest.mark.usefixtures("db")


def names(page: str) -> list[str]:
    """Return the names of a table's rows, in order."""
    return re.findall(r'<tr id="row-[^>]*>\s*<td><span class="strong">([^<]+)', page)


def beside(page: str, label: str) -> str:
    """Return the address behind a button of the pager, or an empty string."""
    found = re.search(rf'href="([^"]+)">{label}</a>', page)
    return html.unescape(found[1]) if found else ""


def test_a_list_is_walked_to_its_end_and_back_while_rows_go_and_come(tmp_path: Path) -> None:
    at = desk(tmp_path)
    with transaction():
        for number in range(120):
            # Names in both cases stand in one order, and alike ones beside each other.
            name = f"{'Bot' if number % 2 else 'bot'} {number // 3:03d}"
            new = service_accounts.NewServiceAccount(f"{name} {number}")
            service_accounts.create(at.actor, new, utcnow())
    first = at.client.get(ACCOUNTS).text
    second = at.client.get(beside(first, "Next")).text
    third = at.client.get(beside(second, "Next")).text
    seen = names(first) + names(second) + names(third)
    assert (len(names(first)), len(seen), len(set(seen))) == (50, 120, 120)
    assert seen == sorted(seen, key=str.lower)
    assert not beside(third, "Next") and not beside(first, "Previous")
    # The row that a cursor stands beside may be gone.
    ServiceAccount.delete().where(ServiceAccount.name == names(third)[0]).execute()
    back = at.client.get(beside(third, "Previous")).text
    assert names(back) == names(second)
    again = at.client.get(beside(back, "Previous")).text
    assert names(again) == names(first) and not beside(again, "Previous")
    behind = at.client.get(f"{ACCOUNTS}?after={cursor_of(['zzz', ''])}").text
    assert names(behind) == [] and beside(behind, "Previous") == ACCOUNTS
    for nonsense in ("x", "W10", "WzEsMl0", cursor_of(["only one"]), cursor_of(["a\0", "b"])):
        assert names(at.client.get(f"{ACCOUNTS}?after={nonsense}").text) == names(first)


def found(at: Desk, text: str, status: str = "in-use") -> set[str]:
    page = at.client.get(KEYS, query_string={"q": text, "status": status}).text
    return set(re.findall(rf'href="{KEYS}/vk_[^"]*">([^<]+)</a>', page))


def test_a_search_follows_what_becomes_of_keys_and_people(tmp_path: Path) -> None:
    at = desk(tmp_path)
    user = people.create(at.actor, NewUser("elodie@acme.test", "Élodie Durand", "member"), utcnow())
    project = a_project(at)
    a_key(at, project, "nightly-batch", tags=("Größe",))
    row = a_key(at, project, "laptop", principal_user_id=user.id)
    for text in ("ÉLODIE", "elodie dur", "elodie@acme.test", "lap", row.display_prefix):
        assert "laptop" in found(at, text), text
    for text in ("batch", "night bat", "grosse", "nightly-batch"):
        assert found(at, text) == {"nightly-batch"}, text
    # Words are found by how they begin, and signs are no wildcards.
    for text in ("aptop", "lodie", "night lap", "%", "*"):
        assert found(at, text) == set(), text
    people.change_person(
        at.actor, user.id, Person("Ella Durand", "member", email="ella@acme.test"), utcnow()
    )
    assert (found(at, "ella"), found(at, "élodie durand")) == ({"laptop"}, set())
    fresh, secret = virtual_keys.rotate(at.actor, row.id, at.settings.pepper, utcnow())
    assert "laptop" in found(at, fresh.display_prefix)
    # A whole secret finds its key, and no more of it than may be shown is looked for.
    assert "laptop" in found(at, secret.reveal())
    wanted = NewVirtualKey("desk", row.project_id, tuple(row.provider_ids), user.id, tags=("mobile",))  # fmt: skip
    virtual_keys.update(at.actor, row.id, wanted, utcnow())
    assert (found(at, "laptop"), found(at, "mobile")) == (set(), {"desk"})
    erasure.erase(at.actor, user.id, "asked to", at.settings.pepper, utcnow())
    for text in ("desk", "ella", "durand", "elodie"):
        assert found(at, text, "all") == set(), text
    assert VirtualKey.get_by_id(row.id).name in found(at, "erased", "all")
