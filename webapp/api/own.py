"""``/me``: what everybody does about themselves: account, keys, requests for more of their own budgets.

A session serves, and an API key that may do all its owner may. A password is typed by its person, so it has no route.
"""

from __future__ import annotations

import msgspec

from core.authoring import api_keys, increases, landing, people, personal_keys, virtual_keys
from core.authoring.people import Person
from core.authoring.validation import invalid, not_found
from core.authoring.versions import version_of
from core.fault import Fault, Refused
from core.grants import USER
from core.models import ApiKey, BudgetIncrease, User, VirtualKey
from rules.persona import choices_of
from webapp import sessions
from webapp.api.budgets import IncreaseOut, increase_out
from webapp.api.endpoint import Body, Call, ListQuery, Page, Routes
from webapp.api.identities import API_KEY_OUT, API_KEY_RESOURCE, refuse_outliving
from webapp.api.paging import page_of
from webapp.api.person_data import PersonData, data_of
from webapp.api.resource import AwareMoment, told
from webapp.api.shared import GATEWAY, GOVERNANCE, OWN, Unset
from webapp.api.virtual_keys import MintedKey, VirtualKeyOut, key_out
from webapp.asked_increases import own_budget, requester_of, tell_approvers
from webapp.callers import load_viewer
from webapp.own_keys import own_key, refuse_creation, refuse_rotation
from webapp.queries.persona import standing_of


class Account(msgspec.Struct, kw_only=True):
    """Whoever asks; ``landing`` is where the start address leads them."""

    id: str
    email: str
    name: str
    role: str
    department_id: str | None
    landing: str
    version: str


class AccountChange(Body, kw_only=True):
    """What shall be different; the address and the role are an administrator's to change."""

    name: str | Unset = msgspec.UNSET
    landing: str | Unset = msgspec.UNSET


ACCOUNT = Routes("Your own", f"{GOVERNANCE}/me")


@ACCOUNT.get("", OWN)
def get_me(call: Call) -> Account:
    """Read one's own account."""
    return _account(call)


@ACCOUNT.patch("", OWN)
def update_me(call: Call, body: AccountChange) -> Account:
    """Change one's own name, or where one lands."""
    who = call.viewer
    _, member = people.find(who.organization_id, who.user_id)
    if not isinstance(body.landing, Unset):
        standing = standing_of(who, call.plane.settings, call.plane.lake, call.now)
        if body.landing not in choices_of(standing):
            raise invalid({"landing": f"Choose one of {', '.join(choices_of(standing))}."})
    if not isinstance(body.name, Unset):
        wanted = Person(
            body.name, member.role, member.department_id, external_id=member.external_id
        )
        people.change_person(call.actor, who.user_id, wanted, call.now, call.expected)
    if not isinstance(body.landing, Unset):
        landing.choose(call.actor, body.landing, call.now)
    return _account(call)


@ACCOUNT.post("/end-sessions", OWN)
def end_own_sessions(call: Call) -> None:
    """Sign out every browser but the one that asks; keys keep working."""
    people.end_sessions(call.actor, call.viewer.user_id, call.now)
    if not call.viewer.api_key_id:
        person = load_viewer(call.viewer.user_id)
        if person is None:
            raise Refused(Fault.UNAUTHENTICATED)
        sessions.begin(person)


@ACCOUNT.get("/data", OWN)
def export_own_data(call: Call) -> PersonData:
    """Export everything that is stored about oneself."""
    user, _ = people.find(call.organization_id, call.viewer.user_id)
    return data_of(call, user, by_name=False)


def _account(call: Call) -> Account:
    user, member = people.find(call.organization_id, call.viewer.user_id)
    return Account(
        id=user.id,
        email=user.email,
        name=user.name,
        role=member.role,
        department_id=member.department_id,
        landing=user.landing,
        version=version_of(member),
    )


class OwnApiKey(Body, kw_only=True):
    """An API key of one's own to be."""

    name: str
    permission_mode: str = "all"
    scopes: list[str] = msgspec.field(default_factory=list)
    expires_at: AwareMoment | None = None


class MintedOwnApiKey(msgspec.Struct, kw_only=True):
    """An API key with its secret, which is told this once."""

    api_key: API_KEY_OUT  # type: ignore[valid-type]
    secret: str


OWN_API_KEYS = Routes("Your own", f"{GOVERNANCE}/me/api-keys")


@OWN_API_KEYS.get("", OWN, answer=Page[API_KEY_OUT])  # type: ignore[valid-type]
def list_own_api_keys(call: Call, query: ListQuery) -> object:
    """List one's own API keys that are not revoked."""
    rows = ApiKey.select().where(
        ApiKey.organization_id == call.organization_id,
        ApiKey.owner_kind == USER,
        ApiKey.owner_id == call.viewer.user_id,
        ApiKey.revoked_at.is_null(),
    )
    return page_of(
        query,
        rows,
        ApiKey.id,
        lambda f: told(API_KEY_RESOURCE, API_KEY_OUT, call, f),
        "me-api-keys",
    )


@OWN_API_KEYS.create("", OWN)
def create_own_api_key(call: Call, body: OwnApiKey) -> MintedOwnApiKey:
    """Make an API key of one's own and tell its secret, once. A key makes none that outlives it."""
    refuse_outliving(call, call.viewer.user_id, body.expires_at)
    new = api_keys.NewApiKey(
        body.name,
        USER,
        call.viewer.user_id,
        body.permission_mode,
        tuple(body.scopes),
        body.expires_at,
    )
    row, secret = api_keys.create(call.actor, new, call.plane.settings.pepper, call.now)
    (shown,) = told(API_KEY_RESOURCE, API_KEY_OUT, call, [row])
    return MintedOwnApiKey(api_key=shown, secret=secret.reveal())


@OWN_API_KEYS.post("/<api_key_id>/revoke", OWN)
def revoke_own_api_key(call: Call, api_key_id: str) -> None:
    """End an API key of one's own; another's is not there."""
    row = api_keys.find(call.organization_id, api_key_id)
    if (row.owner_kind, row.owner_id) != (USER, call.viewer.user_id):
        raise not_found("API key")
    api_keys.revoke(call.actor, row.id, call.now)


class OwnKey(Body, kw_only=True):
    """A virtual key of one's own to be: through every provider, with one's own budgets on its calls."""

    name: str


OWN_KEYS = Routes("Your own", f"{GATEWAY}/me/virtual-keys")


@OWN_KEYS.get("", OWN)
def list_own_virtual_keys(call: Call, query: ListQuery) -> Page[VirtualKeyOut]:
    """List one's own virtual keys, revoked ones too."""
    rows = VirtualKey.select().where(
        VirtualKey.organization_id == call.organization_id,
        VirtualKey.principal_user_id == call.viewer.user_id,
    )
    return page_of(query, rows, VirtualKey.id, lambda f: [*map(key_out, f)], "me-virtual-keys")


@OWN_KEYS.create("", OWN)
def create_own_virtual_key(call: Call, body: OwnKey) -> MintedKey:
    """Make a virtual key of one's own and tell its secret, once."""
    refuse_creation(call.viewer)
    user = User.get_by_id(call.viewer.user_id)
    pepper = call.plane.settings.pepper
    row, secret = personal_keys.new_personal_key(call.actor, user, body.name, pepper, call.now)
    return MintedKey(virtual_key=key_out(row), secret=secret.reveal())


@OWN_KEYS.post("/first", OWN)
def make_first_virtual_key(call: Call) -> MintedKey:
    """Make one's personal virtual key, or give it a new secret where it is there."""
    refuse_creation(call.viewer)
    user, _ = people.find(call.organization_id, call.viewer.user_id)
    pepper = call.plane.settings.pepper
    row, secret = personal_keys.fresh_personal_key(call.actor, user, pepper, call.now)
    return MintedKey(virtual_key=key_out(row), secret=secret.reveal())


@OWN_KEYS.post("/<key_id>/rotate", OWN)
def rotate_own_virtual_key(call: Call, key_id: str) -> MintedKey:
    """Give a virtual key of one's own a new secret; the old one works for 24 hours more."""
    found = own_key(call.viewer, key_id)
    refuse_rotation(call.viewer, found)
    row, secret = virtual_keys.rotate(call.actor, found.id, call.plane.settings.pepper, call.now)
    return MintedKey(virtual_key=key_out(row), secret=secret.reveal())


@OWN_KEYS.post("/<key_id>/revoke", OWN)
def revoke_own_virtual_key(call: Call, key_id: str) -> VirtualKeyOut:
    """End a virtual key of one's own for good; whoever lost it may always do that."""
    found = own_key(call.viewer, key_id)
    return key_out(virtual_keys.revoke(call.actor, found.id, call.now))


class OwnIncrease(Body, kw_only=True):
    """What is asked for: the limit as it shall be, until when (null: for good), and why."""

    budget_id: str
    limit_nanousd: int
    reason: str
    until: AwareMoment | None = None


OWN_INCREASES = Routes("Your own", f"{GATEWAY}/me/budget-increases")


@OWN_INCREASES.get("", OWN)
def list_own_budget_increases(call: Call, query: ListQuery) -> Page[IncreaseOut]:
    """List what one has asked for, and what became of it."""
    rows = BudgetIncrease.select().where(
        BudgetIncrease.organization_id == call.organization_id,
        BudgetIncrease.requester_user_id == call.viewer.user_id,
    )
    return page_of(
        query, rows, BudgetIncrease.id, lambda f: [*map(increase_out, f)], "me-increases"
    )


@OWN_INCREASES.create("", OWN)
def create_own_budget_increase(call: Call, body: OwnIncrease) -> IncreaseOut:
    """Ask for more of a budget of one's own; whoever may decide it is told."""
    who = call.viewer
    budget = own_budget(who, body.budget_id)
    new = increases.NewIncrease(
        budget.id, body.limit_nanousd, body.until, body.reason, requester_of(who), who.user_id
    )
    row = increases.create(call.actor, new, call.now)
    tell_approvers(row)
    return increase_out(row)
