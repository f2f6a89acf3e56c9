"""Sets the company of ``fixtures/company.yaml`` up as its administrator would: page by page, in a real browser.

Everybody else opens the link of their invitation in a browser of their own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.company import ENVIRON

PASSWORD = "a good password of fifty people"
GOVERNANCE = "/settings/governance"
_FILL = """
(form, values) => {
  for (const [name, value] of Object.entries(values)) {
    const found = [...form.querySelectorAll(`[name="${CSS.escape(name)}"]`)];
    if (!found.length) throw new Error(`no control ${name}`);
    const [control] = found;
    if (control.type === "checkbox") {
      for (const each of found) each.checked = [value].flat().includes(each.value);
      continue;
    }
    if (control.tagName === "SELECT") {
      const option = [...control.options].find((one) => one.text.trim() === value);
      if (!option) throw new Error(`no choice ${value} in ${name}`);
      control.value = option.value;
    } else control.value = value;
    control.dispatchEvent(new Event("input", { bubbles: true }));
    control.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
"""


@dataclass(slots=True)
class ByHand:
    """The administrator at their browser; ``told`` is what the file declares."""

    page: Page
    url: str
    told: Mapping[str, Any]

    def begin(self, setup_path: str) -> None:
        """Open the link of the first start, become administrator and name the organization."""
        first = self.told["users"][0]
        self.page.goto(self.url + setup_path)
        self.page.get_by_label("Name").fill(first["name"])
        self.page.get_by_label("E-mail").fill(first["email"])
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Create administrator").click()
        self.page.wait_for_url("**/welcome")
        organization = self.told["organization"]
        self._make("/settings/organization/edit", **organization)

    def places(self) -> None:
        """Make what people are put into: departments, their own roles, teams; and put oneself there."""
        for each in self.told["departments"]:
            self._make("/settings/departments/new", **each)
        for each in self.told["custom_roles"]:
            self._make("/settings/roles/new", **each)
        for each in self.told["teams"]:
            self._make("/settings/teams/new", **_home(each))
        first = self.told["users"][0]
        self._open("/settings/members")
        path = self.page.get_by_role("link", name=f"Edit {first['name']}").get_attribute("href")
        self._make(str(path), department_id=first["department"])
        for team in self.told["teams"]:
            if first["email"] in team["members"]:
                role = team["members"][first["email"]].capitalize()
                path = self._path_of("/settings/teams", team["name"])
                self._make(f"{path}/people/new", email=first["email"], role=role)

    def invite(self) -> Mapping[str, str]:
        """Invite everybody else from one list; return the link for each address."""
        self._open("/settings/members/invite-many")
        self.page.get_by_label("People", exact=True).fill(self._list())
        self.page.get_by_role("button", name="Check").click()
        others = len(self.told["users"]) - 1
        self.page.get_by_role("button", name=f"Invite {others} people").click()
        shown = self.page.locator("#shown-once").text_content() or ""
        return {row["email"]: row["link"] for row in csv.DictReader(io.StringIO(shown))}

    def _list(self) -> str:
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(("email", "name", "role", "team", "team role", "department"))
        placed = {
            email: (team["name"], role)
            for team in self.told["teams"]
            for email, role in team["members"].items()
        }
        for each in self.told["users"][1:]:
            team = placed[each["email"]]
            rows.writerow((each["email"], each["name"], each["role"], *team, each["department"]))
        return text.getvalue()

    def who_may(self) -> None:
        """Make projects, groups, service accounts, role bindings and the company's sign-in."""
        for each in self.told["projects"]:
            home = {"team_id": self._team(each["team"])}
            self._make("/settings/projects/new", **_home(each) | home)
        for each in self.told["groups"]:
            self._make("/settings/groups/new", name=each["name"])
            path = self._path_of("/settings/groups", each["name"])
            for email in each["members"]:
                self._make(f"{path}/people/new", email=email)
        for each in self.told["service_accounts"]:
            self._make("/settings/service-accounts/new", **each)
        for each in self.told["role_bindings"]:
            self._bind(each)
        for each in self.told["sign_in"]:
            typed = _without(each, "client_secret_env", "domains")
            typed |= {"domains": "\n".join(each["domains"])}
            typed |= {"client_secret": ENVIRON[each["client_secret_env"]]}
            self._make("/settings/sign-in/new", **typed)

    def _bind(self, each: Mapping[str, Any]) -> None:
        kinds = {"user": "A person", "group": "A group", "service_account": "A service account"}
        kind = next(k for k in kinds if k in each)
        role = each["role"] if each["role"] not in ("viewer", "admin") else each["role"].title()
        where = self._at(each, "Whole organization")
        typed = {"kind": kinds[kind], "who": each[kind], "role": role, "where": where}
        self._make("/settings/roles/bindings/new", **typed)

    def what_may_be_used(self) -> None:
        """Make providers, routing policies, policy rules, guardrails and cache rules."""
        for each in self.told["providers"]:
            self._provider(each)
        for each in self.told["routing_policies"]:
            self._routing_policy(each)
        for each in self.told["policy_rules"]:
            typed = {"name": each["name"], "applies_to": self._at(each)}
            for part, rule in each["rules"].items():
                for list_name in ("deny", "allow"):
                    typed[f"{part}_{list_name}"] = "\n".join(rule.get(list_name, ()))
                typed[f"{part}_shadow"] = "1" if rule.get("shadow") else ""
            self._make("/settings/policy-rules/new", **typed)
        for each in self.told["guardrails"]:
            actions = {"redact": "Replace it and go on", "block": "Block the call"}
            typed = {"name": each["name"], "applies_to": self._at(each)}
            typed |= {"action": actions[each["action"]], "directions": each["directions"]}
            typed |= {"is_automatic": "1" if each.get("is_automatic") == "true" else ""}
            typed |= each.get("settings", {})
            self._make(f"/settings/guardrails/new?type={each['type']}", **typed)
        for each in self.told["cache_rules"]:
            mode = {"disable": "Disable: marks are taken out"}
            typed = {"name": each["name"], "priority": str(each["priority"])}
            typed |= {"vk_tags": "\n".join(each["matchers"]["vk_tags"]), "mode": mode[each["mode"]]}
            self._make("/settings/cache-rules/new", **typed)

    def _provider(self, each: Mapping[str, Any]) -> None:
        typed = {"name": each["name"]} | each.get("settings", {}) | _rates(each)
        if "base_url" in each:
            typed["base_url"] = each["base_url"]
        if "api_key_env" in each:
            typed["credential"] = ENVIRON[each["api_key_env"]]
        for part, variable in each.get("credential", {}).items():
            typed[part.removesuffix("_env")] = ENVIRON[variable]
        self._make(f"/settings/providers/new?type={each['type']}", **typed)

    def _routing_policy(self, each: Mapping[str, Any]) -> None:
        aliases = [
            f"{alias} @ {provider} = {model}"
            for alias, meant in each.get("model_aliases", {}).items()
            for provider, model in meant.items()
        ]
        typed = {"name": each["name"], "applies_to": self._at(each), "is_default": "1"}
        typed |= {"description": each.get("description", ""), "model_aliases": "\n".join(aliases)}
        self._open("/settings/routing-policies/new")
        form = self._filled(**typed)
        for provider in each["providers"]:
            form.locator("[name=another]").select_option(label=provider)
            self.page.get_by_role("button", name="Put last").click()
            expect(self.page.locator("#order .ordered")).to_contain_text(provider)
        self._save(form)

    def who_uses_it(self) -> None:
        """Make virtual keys, of people and of services."""
        for each in self.told["virtual_keys"]:
            project = next(p for p in self.told["projects"] if p["slug"] == each["project"])
            typed = {"name": each["name"], "project_id": project["name"]} | _rates(each)
            typed |= {"person": each.get("principal", ""), "tags": ",".join(each.get("tags", ()))}
            places = enumerate(each["providers"], 1)
            typed |= {f"provider_{place}": provider for place, provider in places}
            self._open("/settings/virtual-keys/new")
            for direction, names in each.get("guardrails", {}).items():
                typed["guardrails"] = [self._guardrail(direction, name) for name in names]
            self._save(self._filled(**typed))

    def _guardrail(self, direction: str, name: str) -> str:
        """Return the value of the check that attaches a guardrail to a key."""
        label = self.page.locator("label", has_text=name).filter(has_text=direction)
        return label.locator("input").get_attribute("value") or ""

    def what_is_watched(self) -> None:
        """Make budgets, ingestion sources and anomaly rules."""
        for each in self.told["budgets"]:
            typed = {"name": each["name"], "limit_usd": each["limit_usd"]}
            typed |= {"window": each["window"].title(), "applies_to": self._at(each)}
            typed |= {"provider_id": each["provider"]} if "provider" in each else {}
            breach = {"warn": "Warn and let them pass", "block": "Refuse calls"}
            typed |= {"on_breach": breach[each.get("on_breach", "block")]}
            typed |= {"allow_unreachable": "1"}
            self._make("/gateway/budgets/new", **typed)
        for each in self.told["ingestion_sources"]:
            typed = {"name": each["name"], "description": each["description"]}
            typed |= {"team_id": self._team(each["team"])} if "team" in each else {}
            self._make(f"{GOVERNANCE}/ingestion-sources/new", **typed)
        for each in self.told["anomaly_rules"]:
            threshold = each["threshold"]
            typed = {"name": each["name"], "severity": each["severity"].title()}
            typed |= {"applies_to": self._at(each), "ratio": f"{threshold['ratioVsBaseline']:g}"}
            typed |= {"window_minutes": str(threshold["windowSec"] // 60)}
            typed |= {"floor_usd": str(threshold["minBaselineUsd"])}
            for to in each.get("destinations", ()):
                typed["slack_url"] = ENVIRON[to["webhookUrl_env"]]
            self._make(f"{GOVERNANCE}/anomaly-rules/new", **typed)

    def _at(self, each: Mapping[str, Any], everywhere: str = "Whole organization") -> str:
        """Return how forms call the place that something holds at."""
        scope, target = each.get("scope", "organization"), each.get("target", "")
        if scope == "organization":
            return everywhere
        if scope == "team":
            return f"Team {self._team(target)}"
        if scope == "project":
            return f"Project {self._named('projects', 'slug', target)}"
        if scope == "principal":
            return f"{self._named('users', 'email', target)} ({target})"
        return f"Key {target}"

    def _team(self, slug: str) -> str:
        return self._named("teams", "slug", slug)

    def _named(self, kind: str, by: str, value: str) -> str:
        return str(next(each["name"] for each in self.told[kind] if each[by] == value))

    def _path_of(self, path: str, name: str) -> str:
        """Return the address of the page of something in a list."""
        self._open(path)
        link = self.page.locator("main").get_by_role("link", name=name, exact=True)
        return link.get_attribute("href") or ""

    def _open(self, path: str) -> None:
        self.page.goto(self.url + path, wait_until="domcontentloaded")

    def _make(self, path: str, **values: str | Sequence[str]) -> None:
        """Open a form, fill its controls by name, choices by their label, and save it."""
        self._open(path)
        self._save(self._filled(**values))

    def _filled(self, **values: str | Sequence[str]) -> Locator:
        form = self.page.locator('form[method="post"][id$="form"]').last
        form.evaluate(_FILL, values)
        return form

    def _save(self, form: Locator) -> None:
        """Press the form's button and see that it was answered with what was made."""
        action = form.get_attribute("action") or ""
        with self.page.expect_response(
            lambda answer: answer.request.method == "POST" and answer.url.endswith(action)
        ) as answered:
            self.page.locator(f'button.primary[form="{form.get_attribute("id")}"]').click()
        answer = answered.value
        assert answer.status == 200, (action, answer.status, answer.text())
        if "hx-redirect" in answer.headers:
            self.page.wait_for_url(
                f"**{answer.headers['hx-redirect']}", wait_until="domcontentloaded"
            )


def accept(page: Page, link: str) -> None:
    """Open an invitation, keep the name it offers, choose a password and join."""
    page.goto(link, wait_until="domcontentloaded")
    page.evaluate("password => document.getElementById('password').value = password", PASSWORD)
    page.evaluate("document.querySelector('form[action=\"/invitation\"]').requestSubmit()")
    page.wait_for_url(lambda url: "/invitation" not in url, wait_until="commit")


def _home(each: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": each["name"], "slug": each["slug"], "department_id": each["department"]}


def _rates(each: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(most) for name, most in each.get("rate_limits", {}).items()}


def _without(each: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in each.items() if name not in names}
