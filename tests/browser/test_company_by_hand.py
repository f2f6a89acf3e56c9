"""One of each thing that an administrator sets up, made in a browser: the same as one file makes."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from cli.apply.changes import carry_out
from cli.apply.result import Keys
from cli.apply.shape import read
from core.clock import utcnow
from core.database import database, migrate, open_database
from core.models import Group, Team
from core.sealing import database_sealer
from tests.browser.conftest import Served
from tests.browser.shots import tab
from tests.company import described
from tests.component.webapp.pages.world import settings_in

RULES = "/settings/governance/anomaly-rules"
SOURCES = "/settings/governance/ingestion-sources"
ENVIRON = {
    "BY_HAND_KEY": "sk-by-hand",
    "BY_HAND_LOGIN": "client-secret",
    "BY_HAND_SLACK": "https://hooks.slack.com/services/T/B/x",
}
FILE = """\
organization: {name: Acme, slug: acme}
users:
  - {email: ada@acme.test, name: Ada Lovelace, role: admin}
  - {email: dan@acme.test, name: Dan, role: member}
departments: [{name: Research}]
custom_roles: [{name: Analyst, permissions: [governance:view], description: Looks.}]
teams: [{name: Engineering, slug: eng, department: Research, members: {dan@acme.test: member}}]
projects: [{name: Coding tools, slug: coding, team: eng, department: Research}]
groups: [{name: Security, members: [dan@acme.test]}]
service_accounts: [{name: terraform, description: Keeps this in shape.}]
role_bindings: [{group: Security, role: Analyst}]
sign_in:
  - {name: Acme login, issuer: "https://login.acme.test", client_id: lw, client_secret_env: BY_HAND_LOGIN,
     domains: [acme.test]}
providers: [{name: main, type: openai, api_key_env: BY_HAND_KEY, rate_limits: {rpm: 600}}]
routing_policies:
  - {name: everyday, scope: organization, providers: [main], strategy: priority}
policy_rules: [{name: no shell, scope: organization, rules: {tools: {deny: ['^bash$']}}}]
guardrails:
  - {name: no credentials, type: secrets, scope: organization, directions: [request], action: block,
     is_automatic: "true"}
cache_rules: [{name: batch jobs, priority: 200, matchers: {vk_tags: [batch]}, mode: disable}]
virtual_keys: [{name: ci, project: coding, providers: [main], tags: [batch], rate_limits: {rpm: 60}}]
budgets: [{name: company, scope: organization, window: month, limit_usd: "100"}]
ingestion_sources: [{name: notebooks, type: otel_generic, team: eng, description: Shared.}]
anomaly_rules:
  - {name: spend doubled, type: spend_spike, severity: warning, scope: organization,
     threshold: {windowSec: 3600, ratioVsBaseline: 2, minBaselineUsd: 1},
     destinations: [{type: slack, webhookUrl_env: BY_HAND_SLACK}]}
"""


def make(page: Page, path: str, **values: str) -> None:
    """Open a form, fill its controls by name, and save it."""
    page.goto(path)
    save(page, filled(page, **values))


def filled(page: Page, **values: str) -> Locator:
    """Fill the controls of a page's form by name, a choice by its label; return the form."""
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    form = page.locator('form[method="post"][id$="form"]').last
    for name, value in values.items():
        control = form.locator(f'[name="{name}"]')
        if control.first.get_attribute("type") == "checkbox":
            form.locator(f'[name="{name}"][value="{value}"]').check()
        elif control.evaluate("one => one.tagName") == "SELECT":
            control.select_option(label=value)
        else:
            control.fill(value)
    return form


def save(page: Page, form: Locator) -> None:
    """Press the form's button and arrive where it leads."""
    action = form.get_attribute("action") or ""
    with page.expect_response(
        lambda answer: answer.request.method == "POST" and answer.url.endswith(action)
    ) as answered:
        page.locator(f'button.primary[form="{form.get_attribute("id")}"]').click()
    answer = answered.value
    assert answer.status == 200, (action, answer.status, answer.text())
    if "hx-redirect" in answer.headers:
        page.wait_for_url(f"**{answer.headers['hx-redirect']}")


def by_hand(page: Page, url: str) -> None:
    """Make one of each, in the order in which they refer to each other."""
    settings = f"{url}/settings"
    make(page, f"{settings}/departments/new", name="Research")
    make(
        page,
        f"{settings}/roles/new",
        name="Analyst",
        description="Looks.",
        permissions="governance:view",
    )
    make(page, f"{settings}/teams/new", name="Engineering", slug="eng", department_id="Research")
    team = Team.get(Team.slug == "eng").id
    make(page, f"{settings}/teams/{team}/people/new", email="dan@acme.test", role="Member")
    home = {"team_id": "Engineering", "department_id": "Research"}
    make(page, f"{settings}/projects/new", name="Coding tools", slug="coding", **home)
    make(page, f"{settings}/groups/new", name="Security")
    group = Group.get(Group.name == "Security").id
    make(page, f"{settings}/groups/{group}/people/new", email="dan@acme.test")
    make(
        page,
        f"{settings}/service-accounts/new",
        name="terraform",
        description="Keeps this in shape.",
    )
    looks = {"kind": "A group", "who": "Security", "role": "Analyst"}
    make(page, f"{settings}/roles/bindings/new", **looks)
    login = {
        "issuer": "https://login.acme.test",
        "client_id": "lw",
        "client_secret": "client-secret",
    }
    make(page, f"{settings}/sign-in/new", name="Acme login", domains="acme.test", **login)
    make(page, f"{settings}/providers/new", name="main", credential="sk-by-hand", rpm="600")
    page.goto(f"{settings}/routing-policies/new")
    form = filled(page, name="everyday", applies_to="Whole organisation", another="main")
    page.get_by_role("button", name="Put last").click()
    expect(page.locator("#order")).to_contain_text("main")
    save(page, form)
    make(page, f"{settings}/policy-rules/new", name="no shell", tools_deny="^bash$")
    make(page, f"{settings}/guardrails/new?type=secrets", name="no credentials")
    batch = {"priority": "200", "vk_tags": "batch"}
    make(
        page,
        f"{settings}/cache-rules/new",
        name="batch jobs",
        **batch,
        mode="Disable: every mark for the prompt cache is taken out",
    )
    make(
        page,
        f"{settings}/virtual-keys/new",
        name="ci",
        project_id="Coding tools",
        tags="batch",
        rpm="60",
    )
    make(
        page,
        f"{url}/gateway/budgets/new",
        name="company",
        applies_to="Whole organisation",
        limit_usd="100",
    )
    make(
        page, f"{url}{SOURCES}/new", name="notebooks", description="Shared.", team_id="Engineering"
    )
    make(page, f"{url}{RULES}/new", name="spend doubled", slack_url=ENVIRON["BY_HAND_SLACK"])


def test_one_of_each_made_by_hand_is_what_a_file_makes(
    browser: Browser, served_empty: Served, tmp_path: Path
) -> None:
    with tab(browser) as page:
        served_empty.sign_in(page)
        by_hand(page, served_empty.url)
    made = described(database_sealer(served_empty.settings))
    database.close()
    settings = settings_in(tmp_path / "file")
    open_database(settings.control_database_url)
    migrate()
    with database.connection_context():
        sealer = database_sealer(settings)
        carry_out(read(FILE, ENVIRON), Keys(settings.pepper, sealer), utcnow())
        declared = described(sealer)
    for table, rows in declared.items():
        assert rows, table
        assert made[table] == rows, table
