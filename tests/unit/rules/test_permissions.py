"""The catalog of permissions, its bags, and the judgement of grants at places."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.permissions import (
    ALL,
    BAGS,
    CATALOG,
    EVERYWHERE,
    ORGANIZATION_ONLY,
    ROLES,
    TEAM_ROLES,
    Grant,
    Place,
    allows,
    bound_grant,
    canonical,
    expanded,
    holds,
    holds_somewhere,
    is_known,
    mask_of,
    masked,
    misplaced,
    narrowed,
    organization_grant,
    reach,
    resource_of,
)

TEAM = Place("eng")
PROJECT = Place("eng", "coding")
PLACES = (EVERYWHERE, TEAM, PROJECT, Place("eng", "other"), Place("sales"), Place("sales", "crm"))


def test_administrators_may_do_everything_and_others_only_look_at_the_organization() -> None:
    assert all(allows("admin", permission) for permission in ALL)
    for role in ("member", "external"):
        assert {p for p in ALL if allows(role, p)} == {"organization:view", "aiTools:view"}


@pytest.mark.parametrize("permission", ["governance:fly", "tea:view", "governance", "", "a:b:c"])
def test_what_is_not_in_the_catalog_is_refused_to_everyone(permission: str) -> None:
    assert not is_known(permission)
    assert not any(allows(role, permission) for role in ROLES)


def test_an_unknown_role_may_do_nothing() -> None:
    assert not any(allows("root", permission) for permission in ALL)
    assert bound_grant("root", ["organization:manage"], EVERYWHERE).permissions == frozenset()


def test_manage_covers_every_verb_of_its_own_resource_alone() -> None:
    for resource, verbs in CATALOG.items():
        covered = expanded([f"{resource}:manage"])
        has_manage = "manage" in verbs
        assert covered == ({f"{resource}:{verb}" for verb in verbs} if has_manage else set())


def test_every_role_has_a_bag_of_known_permissions() -> None:
    assert set(BAGS) == set(ROLES)
    assert all(bag <= ALL for bag in BAGS.values())
    assert canonical("gatewayProviders:manage") == "modelProviders:manage"
    assert is_known("gatewayProviders:view")


def test_a_role_in_a_team_reaches_its_projects_and_nothing_else() -> None:
    grants = (organization_grant("member"), bound_grant("admin", (), TEAM))
    covered = [place for place in PLACES if holds(grants, "virtualKeys:delete", place)]
    assert covered == [TEAM, PROJECT, Place("eng", "other")]
    assert not holds(grants, "virtualKeys:delete")
    assert holds_somewhere(grants, "virtualKeys:delete")


def test_a_binding_at_a_project_stays_in_that_project() -> None:
    grants = (bound_grant("viewer", (), PROJECT),)
    assert [p for p in PLACES if holds(grants, "virtualKeys:view", p)] == [PROJECT]
    assert not holds(grants, "virtualKeys:create", PROJECT)


def test_what_belongs_to_the_organization_is_granted_there_alone() -> None:
    everything = list(ALL)
    for role, place in itertools.product(TEAM_ROLES, (TEAM, PROJECT)):
        below = bound_grant(role, everything, place)
        assert not {p for p in below.permissions if resource_of(p) in ORGANIZATION_ONLY}
    assert holds((bound_grant("custom", ["governance:view"], EVERYWHERE),), "governance:view")
    assert misplaced(["virtualKeys:view", "governance:view"]) == ["governance:view"]


def test_team_roles_hold_what_they_are_known_for() -> None:
    can = {
        role: {p for p in ALL if resource_of(p) == "virtualKeys"}
        & bound_grant(role, (), TEAM).permissions
        for role in TEAM_ROLES
    }
    view = {"virtualKeys:view"}
    work = view | {f"virtualKeys:{verb}" for verb in ("create", "update", "rotate")}
    everything = {f"virtualKeys:{verb}" for verb in CATALOG["virtualKeys"]}
    # A custom role without a list is a viewer.
    assert can == {"admin": everything, "member": work, "viewer": view, "custom": view}


def test_a_list_is_narrowed_to_where_a_permission_is_held() -> None:
    grants = (bound_grant("member", (), TEAM), bound_grant("viewer", (), Place("sales", "crm")))
    seen = reach(grants, "virtualKeys:view")
    assert (seen.is_everywhere, seen.team_ids, seen.project_ids) == (False, {"eng"}, {"crm"})
    assert not reach(grants, "governance:view")
    assert reach((organization_grant("admin"),), "governance:view").is_everywhere


def test_an_api_keys_mode_limits_what_its_owner_holds() -> None:
    grants = (organization_grant("admin"),)
    assert holds(masked(grants, mask_of("all", ())), "organization:delete")
    reading = masked(grants, mask_of("readonly", ()))
    assert holds(reading, "virtualKeys:view")
    assert not holds(reading, "virtualKeys:create")
    assert not holds(reading, "virtualKeys:viewOtherPersonal")
    restricted = masked(grants, mask_of("restricted", ["gatewayBudgets:manage", "tea:view"]))
    assert holds(restricted, "gatewayBudgets:delete")
    assert not holds(restricted, "virtualKeys:view")
    assert masked(grants, mask_of("nonsense", ["virtualKeys:view"])) == ()


_permission = st.sampled_from(sorted(ALL))
_grants = st.lists(
    st.builds(Grant, st.frozensets(_permission, max_size=4), st.sampled_from(PLACES)), max_size=4
).map(tuple)


@given(_grants, _grants, _permission, st.sampled_from(PLACES))
def test_narrowing_holds_exactly_what_both_hold(
    owner: tuple[Grant, ...], own: tuple[Grant, ...], permission: str, place: Place
) -> None:
    both = holds(owner, permission, place) and holds(own, permission, place)
    assert holds(narrowed(owner, own), permission, place) is both


@given(_grants, _permission, st.sampled_from(PLACES))
def test_a_place_is_held_exactly_when_it_is_within_reach(
    grants: tuple[Grant, ...], permission: str, place: Place
) -> None:
    seen = reach(grants, permission)
    within = (
        seen.is_everywhere or place.team_id in seen.team_ids or place.project_id in seen.project_ids
    )
    assert holds(grants, permission, place) is within
