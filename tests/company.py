"""The company of ``fixtures/company.yaml`` by way of the management API, and any company as comparable values.

For tests; asserts only that each call is answered as it should be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from flask.testing import FlaskClient

from core.authoring.destinations import opened
from core.database import Model
from core.models import (
    AnomalyRule,
    Budget,
    CacheRule,
    CustomRole,
    Department,
    Group,
    GroupMember,
    Guardrail,
    IngestionSource,
    Member,
    Organization,
    PolicyRuleSet,
    Project,
    Provider,
    RoleBinding,
    RoutingPolicy,
    ServiceAccount,
    SignInConnection,
    Team,
    TeamMember,
    User,
    VirtualKey,
)
from core.sealing import SEALED
from core.secrets import Sealer
from rules.guardrails.types import DIRECTIONS
from rules.pricing import NANOUSD_PER_USD

FILE = Path(__file__).parents[1] / "fixtures" / "company.yaml"
ENVIRON: Mapping[str, str] = {
    "COMPANY_OPENAI_KEY": "sk-openai-of-acme",
    "COMPANY_ANTHROPIC_KEY": "sk-ant-of-acme",
    "COMPANY_AZURE_KEY": "azure-key-of-acme",
    "COMPANY_AWS_ACCESS_KEY": "AKIAOFACME",
    "COMPANY_AWS_SECRET_KEY": "aws-secret-of-acme",
    "COMPANY_LOGIN_SECRET": "client-secret-of-acme",
    "COMPANY_SLACK_URL": "https://hooks.slack.com/services/T0/B0/acme",
}
_KINDS: tuple[type[Model], ...] = (
    *(Organization, Department, CustomRole, User, Member, Team, TeamMember, Project),
    *(
        Group,
        GroupMember,
        ServiceAccount,
        RoleBinding,
        SignInConnection,
        Provider,
        RoutingPolicy,
        PolicyRuleSet,
    ),
    *(Guardrail, CacheRule, VirtualKey, Budget, IngestionSource, AnomalyRule),
)
# What differs between two companies that are the same: identity, time, chance, and who wrote it.
_OWN = re.compile(
    r"^(id|created_at|updated_at|revision|.*_hash|display_prefix|credential_set_at"
    r"|created_by_id|is_operator_address|external_id)$"
)
_ID = re.compile(r"\b[a-z]+_[0-9A-HJKMNP-TV-Z]{26}\b")
_SCOPES = {"virtual_key": "virtual key", "principal": "user"}


def described(sealer: Sealer) -> dict[str, list[str]]:
    """Return every row of the one organization as JSON in which names stand for ids and secrets are open, by table."""
    names: dict[str, str] = {}
    own = {row.id for kind in (Team, Project) for row in kind.select() if row.is_personal}
    for kind in _KINDS:
        for row in kind.select():
            name = next((getattr(row, n) for n in ("email", "slug", "name") if hasattr(row, n)), "")
            names[row.id] = f"{kind._meta.table_name} {name}"

    def told(row: Any) -> str:
        values = {n: v for n, v in row.__data__.items() if not _OWN.match(n)} | _open(row, sealer)
        text = json.dumps(_said(values), sort_keys=True, default=str)
        return _ID.sub(lambda found: names.get(found[0], found[0]), text)

    def shared(kind: type[Model]) -> list[Any]:
        # Workspaces of one's own come by themselves, some earlier, some later, and with them a first key.
        places = ("id", "team_id", "project_id")
        return [
            row
            for row in kind.select()
            if not any(getattr(row, place, "") in own for place in places)
        ]

    return {kind._meta.table_name: sorted(map(told, shared(kind))) for kind in _KINDS}


def _said(value: Any) -> Any:
    """Return a value without the members that say nothing."""
    if isinstance(value, dict):
        return {name: _said(inner) for name, inner in value.items() if inner is not None}
    return value


def _open(row: Any, sealer: Sealer) -> dict[str, Any]:
    if isinstance(row, AnomalyRule):
        # The operator's addresses may be private ones, which they are marked for.
        return {"destinations": [_without(one, "operator") for one in opened(row, sealer)]}
    found = {}
    for column in SEALED:
        sealed = getattr(row, column.column) if type(row) is column.model else None
        if sealed:
            found[column.column] = sealer.open(sealed, column.purpose(row)).reveal()
    return found


@dataclass(slots=True)
class ByApi:
    """Sets the company up call by call; people come from their directory."""

    client: FlaskClient
    api_key: str
    directory_token: str
    organization_id: str
    ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def run(self, told: Mapping[str, Any]) -> None:
        """Set up everything that a file declares."""
        self._people(told)
        self._places(told)
        self._checks(told)
        self._money(told)

    def _people(self, told: Mapping[str, Any]) -> None:
        for each in told["departments"]:
            self._make("department", "governance/departments", each)
        for each in told["custom_roles"]:
            self._make("custom role", "governance/custom-roles", each)
        for each in told["users"]:
            self._person(each)

    def _person(self, each: Mapping[str, Any]) -> None:
        known = ("user", each["email"])
        if known not in self.ids:
            body = {"userName": each["email"], "displayName": each["name"]}
            self.ids[known] = self._send("POST", "/scim/v2/Users", body, self.directory_token)["id"]
        wanted = {"role": each["role"], "department_id": self.ids["department", each["department"]]}
        self._send("PATCH", f"/api/governance/members/{self.ids[known]}", wanted)

    def _places(self, told: Mapping[str, Any]) -> None:
        for each in told["teams"]:
            body = {"name": each["name"], "slug": each["slug"]}
            body["department_id"] = self.ids["department", each["department"]]
            team_id = self._make("team", "governance/teams", body, "slug")
            for email, role in each["members"].items():
                path = f"/api/governance/teams/{team_id}/members/{self.ids['user', email]}"
                self._send("PUT", path, self._role(role))
        for each in told["projects"]:
            body = {"name": each["name"], "slug": each["slug"]}
            body |= {"team_id": self.ids["team", each["team"]]}
            body |= {"department_id": self.ids["department", each["department"]]}
            self._make("project", "governance/projects", body, "slug")
        for each in told["groups"]:
            group_id = self._make("group", "governance/groups", {"name": each["name"]})
            people = {"user_ids": [self.ids["user", email] for email in each["members"]]}
            self._send("PUT", f"/api/governance/groups/{group_id}/members", people)
        for each in told["service_accounts"]:
            self._make("service account", "governance/service-accounts", each)
        for each in told["role_bindings"]:
            kind = next(k for k in ("user", "group", "service_account") if k in each)
            principal = self.ids[kind.replace("_", " "), each[kind]]
            body = {"principal_kind": kind, "principal_id": principal}
            self._send(
                "POST",
                "/api/governance/role-bindings",
                body | self._role(each["role"]) | self._at(each),
            )

        for each in told["sign_in"]:
            body = _without(each, "client_secret_env")
            body["client_secret"] = ENVIRON[each["client_secret_env"]]
            self._make("sign-in connection", "governance/sign-in-connections", body)

    def _checks(self, told: Mapping[str, Any]) -> None:
        for each in told["providers"]:
            body = {n: v for n, v in each.items() if n not in ("api_key_env", "credential")}
            parts = {
                n.removesuffix("_env"): ENVIRON[v] for n, v in each.get("credential", {}).items()
            }
            body["credential"] = json.dumps(parts) if parts else ENVIRON[each["api_key_env"]]
            self._make("provider", "gateway/v1/providers", body)
        for each in told["routing_policies"]:
            body = _without(each, "providers", "default", "target") | self._at(each)
            body |= {"provider_ids": self._providers(each), "is_default": each["default"]}
            self._make("routing policy", "gateway/v1/routing-policies", body)
        for each in told["policy_rules"]:
            body = _without(each, "target") | self._at(each)
            self._make("policy rule set", "gateway/v1/policy-rule-sets", body)
        for each in told["guardrails"]:
            body = {"directions": list(DIRECTIONS), "settings": {}} | _without(each, "target")
            body["is_automatic"] = each.get("is_automatic") == "true"
            self._make("guardrail", "gateway/v1/guardrails", body | self._at(each))
        for each in told["cache_rules"]:
            self._make("cache rule", "gateway/v1/cache-rules", each)

    def _money(self, told: Mapping[str, Any]) -> None:
        for each in told["virtual_keys"]:
            self._key(each)
        for each in told["budgets"]:
            body = _without(each, "target", "limit_usd", "provider") | self._at(each)
            body |= {"limit_nanousd": int(Decimal(each["limit_usd"]) * NANOUSD_PER_USD)}
            if "provider" in each:
                body["provider_id"] = self.ids["provider", each["provider"]]
            self._make("budget", "gateway/v1/budgets", body | {"allow_unreachable": True})
        for each in told["ingestion_sources"]:
            team = {"team_id": self.ids["team", each["team"]]} if "team" in each else {}
            self._make("source", "governance/ingestion-sources", _without(each, "team") | team)
        for each in told["anomaly_rules"]:
            to = [
                {
                    n.removesuffix("_env"): ENVIRON[v] if n.endswith("_env") else v
                    for n, v in one.items()
                }
                for one in each.get("destinations", ())
            ]
            body = _without(each, "target", "destinations") | self._at(each) | {"destinations": to}
            self._make("rule", "governance/anomaly-rules", body)

    def _key(self, each: Mapping[str, Any]) -> None:
        config = {n: each[n] for n in ("rate_limits",) if n in each}
        if "guardrails" in each:
            named = each["guardrails"].items()
            config["guardrails"] = {d: [self.ids["guardrail", n] for n in ns] for d, ns in named}
        body = {
            "name": each["name"],
            "project_id": self.ids["project", each["project"]],
            "provider_ids": self._providers(each),
            "tags": each.get("tags", []),
            "config": config,
        }
        if "principal" in each:
            body["principal_user_id"] = self.ids["user", each["principal"]]
        self._make("virtual key", "gateway/v1/virtual-keys", body)

    def _providers(self, each: Mapping[str, Any]) -> list[str]:
        return [self.ids["provider", name] for name in each["providers"]]

    def _role(self, role: str) -> dict[str, str]:
        own = self.ids.get(("custom role", role))
        return {"role": "custom", "custom_role_id": own} if own else {"role": role}

    def _at(self, each: Mapping[str, Any]) -> dict[str, str]:
        scope = each.get("scope", "organization")
        if scope == "organization":
            return {"scope": scope, "scope_id": self.organization_id}
        return {"scope": scope, "scope_id": self.ids[_SCOPES.get(scope, scope), each["target"]]}

    def _make(self, kind: str, path: str, body: Mapping[str, Any], name: str = "name") -> str:
        answer = self._send("POST", f"/api/{path}", body)
        # What comes with a secret stands beside it.
        row = answer if "id" in answer else next(v for v in answer.values() if isinstance(v, dict))
        self.ids[kind, body[name]] = row["id"]
        return str(row["id"])

    def _send(self, method: str, path: str, body: Mapping[str, Any], token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token or self.api_key}"}
        answer = self.client.open(path, method=method, json=dict(body), headers=headers)
        assert answer.status_code in (200, 201, 204), (method, path, body, answer.text)
        return answer.json if answer.data else {}


def _without(each: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in each.items() if name not in names}


def read() -> dict[str, Any]:
    """Return what the file declares, as plain values."""
    return dict(yaml.safe_load(FILE.read_text()))
