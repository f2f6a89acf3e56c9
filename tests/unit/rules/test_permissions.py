"""The catalog of permissions, its bags, and that manage implies the rest."""

import pytest

from rules.permissions import ALL, BAGS, CATALOG, ROLES, allows, is_granted, is_known


def test_administrators_may_do_everything_and_others_only_look_at_the_organisation() -> None:
    assert all(allows("admin", permission) for permission in ALL)
    for role in ("member", "external"):
        assert {p for p in ALL if allows(role, p)} == {"organization:view", "aiTools:view"}


@pytest.mark.parametrize("permission", ["governance:fly", "tea:view", "governance", "", "a:b:c"])
def test_what_is_not_in_the_catalog_is_refused_to_everyone(permission: str) -> None:
    assert not is_known(permission)
    assert not any(allows(role, permission) for role in ROLES)


def test_an_unknown_role_may_do_nothing() -> None:
    assert not any(allows("root", permission) for permission in ALL)


def test_manage_covers_every_verb_of_its_own_resource_alone() -> None:
    for resource, verbs in CATALOG.items():
        granted = frozenset({f"{resource}:manage"}) & ALL
        covered = {p for p in ALL if is_granted(p, granted)}
        assert covered == ({f"{resource}:{verb}" for verb in verbs} if granted else set())


def test_every_role_has_a_bag_of_known_permissions() -> None:
    assert set(BAGS) == set(ROLES)
    assert all(bag <= ALL for bag in BAGS.values())
