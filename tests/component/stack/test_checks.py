"""Policy rules, guardrails and cache modes through the whole stack: declared, enforced, audited, changed at once."""

from pathlib import Path

from core.audit import verify
from core.authoring import policy_rule_sets
from core.authoring.actor import system
from core.clock import utcnow
from core.models import AuditRow, Organization, PolicyRuleSet
from tests.component.stack.traffic import chat
from tests.provider.handle import FakeProvider
from tests.stack import StackOptions, running, wait_until
from tests.stack_config import DEV_KEY

EXTRAS = {
    "dev-cli": "policy_rules: {tools: {deny: ['^bash$']}, urls: {deny: [evil], shadow: true}}, "
    "cache: {mode: disable}",
}
BASH = [{"type": "function", "function": {"name": "bash", "parameters": {}}}]


def test_rules_are_enforced_audited_and_changed_within_seconds(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with running(tmp_path, provider, StackOptions(key_extras=EXTRAS)) as stack:
        with stack.client(DEV_KEY) as client:
            path = "/v1/chat/completions"
            denied = client.post(path, json=chat(tools=BASH))
            assert denied.status_code == 403
            assert denied.json()["error"]["code"] == "tool_not_allowed"
            shadowed = chat(messages=[{"role": "user", "content": "see https://evil.test/x"}])
            passed = client.post(path, json=shadowed)
            assert passed.status_code == 200
            assert passed.headers["x-langwatch-cache-mode"] == "disable"
            with stack.database():
                actor = system(Organization.get().id)
                rules = {"models": {"deny": ["."]}}
                new = policy_rule_sets.NewPolicyRuleSet("none", "organization", "", rules)
                policy_rule_sets.create(actor, new, utcnow())
            wait_until(
                lambda: client.post(path, json=chat()).status_code == 403, 10, "the new rule"
            )
            with stack.database():
                policy_rule_sets.archive(actor, PolicyRuleSet.get().id, utcnow())
            wait_until(lambda: client.post(path, json=chat()).status_code == 200, 10, "its end")

        def audited() -> set[str]:
            with stack.database():
                rows = AuditRow.select().where(AuditRow.surface == "gateway")
                return {row.action for row in rows}

        wanted = {"gateway.policy.blocked", "gateway.policy.shadow_hit"}
        wait_until(lambda: audited() == wanted, 20, "an audit row for each kind of hit")
        with stack.database():
            assert verify(actor.organization_id) is None
            row = AuditRow.get(AuditRow.action == "gateway.policy.blocked")
        assert row.after["findings"][0]["value"] == "bash"
        assert row.after["request_id"] == denied.headers["x-langwatch-request-id"]
        assert row.actor_id.startswith("user_")
