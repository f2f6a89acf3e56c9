"""The configuration that a test's full stack is started with. Starts nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.provider.handle import FakeProvider

OPENAI_UPSTREAM_KEY = "sk-provider-openai-3b1c9e7f"
ANTHROPIC_UPSTREAM_KEY = "sk-ant-provider-8d2f4a6e"
GEMINI_UPSTREAM_KEY = "AIzaProvider-4c7e1b9d"
# A person's key and a service's key, both with all three providers.
DEV_KEY = "lw_vk_live_01JTESTDEVKEY000000000000Q"
CI_KEY = "lw_vk_live_01JTESTCKEY0000000000000ZQ"
SOURCE_SECRET = "lw_is_test-agents-0123456789abcdefghijk"
ADMIN_EMAIL = "admin@acme.test"
ADMIN_PASSWORD = "correct horse battery staple"

SECRETS: Mapping[str, str] = {
    "ACME_ADMIN_PASSWORD": ADMIN_PASSWORD,
    "UPSTREAM_OPENAI_KEY": OPENAI_UPSTREAM_KEY,
    "UPSTREAM_ANTHROPIC_KEY": ANTHROPIC_UPSTREAM_KEY,
    "UPSTREAM_GEMINI_KEY": GEMINI_UPSTREAM_KEY,
    "VK_DEV": DEV_KEY,
    "VK_CI": CI_KEY,
    "SRC_AGENTS": SOURCE_SECRET,
}
# One budget at each scope, each with ample room: five limits stand on every call of the person's key.
ROOMY_BUDGETS = (
    '{name: org-month, scope: organization, window: month, limit_usd: "100000"}',
    '{name: team-week, scope: team, target: eng, window: week, limit_usd: "100000"}',
    '{name: project-day, scope: project, target: coding, window: day, limit_usd: "100000"}',
    '{name: key-hour, scope: virtual_key, target: dev-cli, window: hour, limit_usd: "100000"}',
    '{name: dev-total, scope: principal, target: dev@acme.test, window: total, limit_usd: "100000"}',
)
_RULE = """\
anomaly_rules:
  - {name: spend doubled, type: spend_spike, severity: warning, scope: organization,
     threshold: {windowSec: 60, ratioVsBaseline: 2.0, minBaselineUsd: %s},
     destinations: [{type: slack, webhookUrl_env: SLACK_WEBHOOK_URL}]}
"""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """How a stack is started; the defaults are one worker and roomy budgets."""

    workers: int = 1
    budgets: tuple[str, ...] = ROOMY_BUDGETS
    key_extras: Mapping[str, str] = field(default_factory=dict)
    """More of a key's fields, by its name, as they stand in the file."""
    slack_url: str = ""
    """With one, a rule on spend that sends there is declared."""
    rule_floor_usd: str = "0.000001"
    environ: Mapping[str, str] = field(default_factory=dict)
    is_configured: bool = True
    """False starts as a newcomer does: without a file."""


def governance_file(provider: FakeProvider, options: StackOptions) -> str:
    """Return the governance file of a stack whose providers are the fake one."""
    budgets = "\n".join(f"  - {budget}" for budget in options.budgets)
    rule = _RULE % options.rule_floor_usd if options.slack_url else ""
    providers = "providers: [openai-main, anthropic-main, gemini-main]"
    dev, ci = (f", {e}" if (e := options.key_extras.get(k)) else "" for k in ("dev-cli", "ci"))
    return f"""\
organization: {{name: Acme, slug: acme}}
users:
  - {{email: {ADMIN_EMAIL}, name: Ada, role: admin, password_env: ACME_ADMIN_PASSWORD}}
  - {{email: dev@acme.test, name: Dan, role: member}}
teams: [{{name: Engineering, slug: eng}}]
projects: [{{name: Coding tools, slug: coding, team: eng}}]
providers:
  - {{name: openai-main, type: openai, base_url: "{provider.url}/v1", api_key_env: UPSTREAM_OPENAI_KEY}}
  - {{name: anthropic-main, type: anthropic, base_url: "{provider.url}", api_key_env: UPSTREAM_ANTHROPIC_KEY}}
  - {{name: gemini-main, type: gemini, base_url: "{provider.url}", api_key_env: UPSTREAM_GEMINI_KEY}}
virtual_keys:
  - {{name: dev-cli, project: coding, principal: dev@acme.test, {providers}, secret_env: VK_DEV{dev}}}
  - {{name: ci, project: coding, {providers}, secret_env: VK_CI{ci}}}
budgets:
{budgets or "  []"}
ingestion_sources:
  - {{name: agents, type: otel_generic, secret_env: SRC_AGENTS}}
{rule}"""
