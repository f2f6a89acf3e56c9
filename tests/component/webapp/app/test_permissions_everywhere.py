"""Every route that asks a permission, asked by somebody who holds exactly that and by somebody who lacks exactly that.

Who holds it at the owner of the object passes, who holds it elsewhere does not. New routes are covered as they come.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from core.authoring import (
    api_keys,
    bindings,
    budgets,
    custom_roles,
    guardrails,
    increases,
    people,
    policy_rule_sets,
    privacy,
    projects,
    routing_policies,
    teams,
    virtual_keys,
)
from core.authoring.api_keys import NewApiKey
from core.authoring.bindings import NewBinding
from core.authoring.budgets import NewBudget
from core.authoring.custom_roles import NewRole
from core.authoring.guardrails import NewGuardrail
from core.authoring.increases import NewIncrease
from core.authoring.people import NewUser
from core.authoring.personal import archive_personal_project
from core.authoring.policy_rule_sets import NewPolicyRuleSet
from core.authoring.privacy import NewPrivacyRule
from core.authoring.routing_policies import NewRoutingPolicy
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.database import connection, database
from core.models import LedgerRow, User
from rules.permissions import ALL, BAGS, CATALOG, ORGANIZATION_ONLY, canonical, resource_of
from tests.component.webapp.app.site import Site, site
from tests.component.webapp.pages.desk import Desk
from tests.component.webapp.pages.test_two_administrators import FORMS
from webapp.access import Access, Kind, declared

pytestmark = pytest.mark.usefixtures("sqlite_db")
FORBIDDEN = (401, 403)
# What every member has, so that nobody who is signed in lacks it.
EVERYONE = BAGS["member"]
DIRECTORY_TOKEN = "/api/governance/directory-token"
# What lets in as anybody asks for every permission besides the one that the route declares.
NEED_EVERYTHING = (DIRECTORY_TOKEN, "/settings/sign-in/directory-token", "/settings/sign-in")


@dataclass(frozen=True, slots=True)
class Asked:
    """One route with one method, and what it declares."""

    method: str
    rule: Rule
    access: Access


def asked_routes(app: Flask) -> Iterator[Asked]:
    for rule in app.url_map.iter_rules():
        access = declared(app.view_functions[rule.endpoint])
        if access is not None and access.permission:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield Asked(method, rule, access)


class Cast:
    """People with exactly the permissions asked for, at the place asked for; made when first needed."""

    def __init__(self, made: Site) -> None:
        self._made = made
        self._count = 0
        self.settings = made.app.extensions["control_plane"].settings
        self._pepper = self.settings.pepper
        org = made.org
        self.sales = teams.create(org.actor, "Sales", "sales", utcnow())
        key = NewVirtualKey("nightly", org.project.id, (org.openai.id,))
        self.key, _ = virtual_keys.create(org.actor, key, self._pepper, utcnow())
        actor, now = org.actor, utcnow()
        budget = NewBudget("b", "project", org.project.id, "month", 10**9)
        self.budget = budgets.create(actor, budget, now)
        more = NewIncrease(self.budget.id, 2 * 10**9, None, "More.", "Ada")
        self.increase = increases.create(actor, more, now)
        rule = NewPrivacyRule("project", org.project.id, {"input": "drop"})
        self.privacy_rule = privacy.create(actor, rule, now)
        here = {"scope": "project", "scope_id": org.project.id}
        sealer = made.app.extensions["control_plane"].sealer
        guardrail = NewGuardrail("g", type="secrets", settings={}, directions=("request",), **here)
        rules = NewPolicyRuleSet("r", rules={"tools": {"deny": ["x"]}}, **here)
        policy = NewRoutingPolicy("p", provider_ids=(org.openai.id,), **here)
        self.rules = {
            "guardrail_id": guardrails.create(actor, guardrail, sealer, now).id,
            "set_id": policy_rule_sets.create(actor, rules, now).id,
            "policy_id": routing_policies.create(actor, policy, now).id,
        }
        self.rules["policy_rule_set_id"] = self.rules["set_id"]
        self.rules["routing_policy_id"] = self.rules["policy_id"]
        LedgerRow.create(
            call_id="req_1",
            organization_id=actor.organization_id,
            project_id=org.project.id,
            team_id=org.team.id,
            virtual_key_id=self.key.id,
            request_type="chat",
            outcome="completed",
            admitted_at=now,
        )
        self.crm = projects.create(org.actor, "CRM", "crm", self.sales.id, utcnow())

    def person(self, permissions: frozenset[str], scope: str, scope_id: str) -> User:
        """Return a member who holds these permissions at a scope and nothing else there."""
        self._count += 1
        actor, now = self._made.org.actor, utcnow()
        user = people.create(actor, NewUser(f"p{self._count}@acme.test", "P", "member"), now)
        # In a workspace of their own they may do nearly anything.
        archive_personal_project(actor, user.id, now)
        role = custom_roles.create(actor, NewRole(f"r{self._count}", tuple(permissions)), now)
        bindings.create(actor, NewBinding("user", user.id, "custom", scope, scope_id, role.id), now)
        return user

    def browser(self, user: User) -> FlaskClient:
        """Return a browser in which a person is signed in."""
        client = self._made.app.test_client()
        with client.session_transaction() as session:
            session["_user_id"] = f"{user.id}:0"
            session["csrf"] = "a token"
        return client

    def bearer(self, user: User, mode: str = "all", scopes: tuple[str, ...] = ()) -> str:
        """Return an API key of a person."""
        new = NewApiKey("k", "user", user.id, mode, scopes)
        _, secret = api_keys.create(self._made.org.actor, new, self._pepper, utcnow())
        return secret.reveal()

    def path(self, rule: Rule) -> str:
        """Return a route's address with ids of things that belong to Engineering, where they matter."""
        org = self._made.org
        ids = {"team_id": org.team.id, "project_id": org.project.id, "key_id": self.key.id}
        ids["call_id"] = "req_1"
        ids |= {"budget_id": self.budget.id, "increase_id": self.increase.id}
        if "/retention" not in rule.rule:
            ids |= self.rules
        ids["privacy_rule_id"] = self.privacy_rule.id
        if "/privacy/" in rule.rule:
            ids["rule_id"] = self.privacy_rule.id
        text = re.sub(r"<any\((\w+)[^>]*>", r"\1", rule.rule)
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids.get(found[1], "none"), text)


def status(
    client: FlaskClient, asked: Asked, path: str, headers: dict[str, str] | None = None
) -> int:
    """Ask, and undo whatever that changed."""
    with connection(), database.atomic() as attempt:
        options: dict[str, Any] = {"headers": headers or {}}
        if asked.method != "GET":
            options["headers"] = {"X-CSRF-Token": "a token", **options["headers"]}
        answer = client.open(path, method=asked.method, **options)
        attempt.rollback()
    return answer.status_code


@pytest.fixture
def cast(tmp_path: Path) -> tuple[Site, Cast]:
    made = site(tmp_path)
    return made, Cast(made)


def test_a_permission_at_the_organization_opens_its_routes_and_all_others_do_not(
    cast: tuple[Site, Cast],
) -> None:
    made, people_of = cast
    wrong: list[str] = []
    browsers: dict[str, tuple[FlaskClient, FlaskClient]] = {}
    for asked in asked_routes(made.app):
        permission = canonical(asked.access.permission)
        if permission not in browsers:
            browsers[permission] = _pair(people_of, permission, made.org.organization.id)
        holder, lacker = browsers[permission]
        path = people_of.path(asked.rule)
        got = status(holder, asked, path), status(lacker, asked, path)
        is_refused = got[1] == 403
        if asked.rule.rule in NEED_EVERYTHING and asked.method == "POST":
            wrong += [path] if got != (403, 403) else []
        elif got[0] in FORBIDDEN or is_refused is (permission in EVERYONE):
            wrong.append(f"{asked.method} {path}: {permission} {got}")
    assert wrong == []


def _pair(cast: Cast, permission: str, organization_id: str) -> tuple[FlaskClient, FlaskClient]:
    implying = {permission, f"{resource_of(permission)}:manage"}
    holder = cast.person(frozenset({permission}), "organization", organization_id)
    lacker = cast.person(ALL - implying, "organization", organization_id)
    return cast.browser(holder), cast.browser(lacker)


def test_an_objects_own_team_opens_its_routes_and_another_team_does_not(
    cast: tuple[Site, Cast],
) -> None:
    made, people_of = cast
    wrong: list[str] = []
    for asked in asked_routes(made.app):
        permission = canonical(asked.access.permission)
        if asked.access.at is None:
            continue
        assert resource_of(permission) not in ORGANIZATION_ONLY, asked.rule.rule
        path = people_of.path(asked.rule)
        wanted = frozenset({permission})
        owner = people_of.browser(people_of.person(wanted, "team", made.org.team.id))
        other = people_of.browser(people_of.person(wanted, "team", people_of.sales.id))
        got = status(owner, asked, path), status(other, asked, path)
        if got[0] in FORBIDDEN or got[1] != 403:
            wrong.append(f"{asked.method} {path}: {permission} {got}")
    assert wrong == []


_TAG = re.compile(r"<\w+ [^>]*>")
_ADDRESS = re.compile(r'(action|hx-post|hx-get)="(/[^"?#]+)')


def controls_of(app: Flask, page: str) -> Iterator[tuple[str, str]]:
    """Yield the route of each form that changes something and of each drawer, and the permission it asks for."""
    addresses = app.url_map.bind("localhost")
    for tag in _TAG.findall(page):
        for attribute, path in _ADDRESS.findall(tag):
            method = "GET" if attribute == "hx-get" else "POST"
            is_search = attribute == "action" and 'method="post"' not in tag
            if not is_search and addresses.test(path, method):
                access = declared(app.view_functions[addresses.match(path, method)[0]])
                if access is not None and access.permission:
                    yield f"{method} {path}", canonical(access.permission)


def test_no_page_shows_its_readers_a_change_that_they_would_be_refused(
    cast: tuple[Site, Cast],
) -> None:
    made, people_of = cast
    desk = Desk(made.app, made.app.test_client(), people_of.settings, made.org.actor)
    for path, form in FORMS.items():
        # The team and the project are there, and their names with them.
        if "<team_id>" not in path and "<project_id>" not in path:
            form.make(desk)
    wrong: set[str] = set()
    offered: set[str] = set()
    administrator = people_of.browser(made.org.ada)
    for asked in asked_routes(made.app):
        permission = canonical(asked.access.permission)
        is_page = asked.access.kind is Kind.PERMITTED and asked.method == "GET"
        if not is_page or not permission.endswith(":view"):
            continue
        path = people_of.path(asked.rule)
        only = frozenset({permission})
        reader = people_of.person(only, "organization", made.org.organization.id)
        page = people_of.browser(reader).get(path)
        if page.status_code == 200 and page.mimetype == "text/html":
            shown = set(controls_of(made.app, page.text))
            wrong |= {f"{path}: {n}: {p}" for n, p in shown if p not in only | EVERYONE}
            all_of_it = controls_of(made.app, administrator.get(path).text)
            offered |= {name for name, _ in all_of_it} - {name for name, _ in shown}
    assert wrong == set()
    # Whoever may write is shown how, so that readers' pages are not bare for another reason.
    assert len(offered) > 50


def test_an_api_key_opens_what_its_owner_may_and_its_mode_lets_through(
    cast: tuple[Site, Cast],
) -> None:
    made, people_of = cast
    stranger = made.app.test_client()
    wrong: list[str] = []
    for asked in asked_routes(made.app):
        if asked.access.kind is not Kind.API:
            continue
        permission = canonical(asked.access.permission)
        path, ada = people_of.path(asked.rule), made.org.ada
        other = next(p for p in sorted(ALL) if resource_of(p) != resource_of(permission))
        tokens = {
            "all": people_of.bearer(ada),
            "named": people_of.bearer(ada, "restricted", (permission,)),
            "other": people_of.bearer(ada, "restricted", (other,)),
            "readonly": people_of.bearer(ada, "readonly"),
        }
        got = {
            name: status(stranger, asked, path, {"Authorization": f"Bearer {token}"})
            for name, token in tokens.items()
        }
        opened = {name for name, code in got.items() if code not in FORBIDDEN}
        if asked.rule.rule == DIRECTORY_TOKEN and asked.method == "POST":
            opened |= {"named"}
        expected = {"all", "named"} | ({"readonly"} if permission.endswith(":view") else set())
        if opened != expected or status(stranger, asked, path) != 401:
            wrong.append(f"{asked.method} {path}: {got}")
    assert wrong == []
    assert set(CATALOG) > ORGANIZATION_ONLY
