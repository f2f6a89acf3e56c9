"""Makes what the demo's administrators decided: rules, guardrails, routes, and a request that waits for an answer."""

from datetime import datetime, timedelta

from core.authoring import (
    anomaly_rules,
    cache_rules,
    guardrails,
    increases,
    policy_rule_sets,
    privacy,
    routing_policies,
)
from core.authoring.actor import Actor, system
from core.models import (
    AnomalyRule,
    BudgetIncrease,
    CacheRule,
    Guardrail,
    PolicyRuleSet,
    PrivacyRule,
    RoutingPolicy,
)
from rules.pricing import NANOUSD_PER_USD
from streamer.demo.entities import AGENTS, Seal, World, first

ASKING = "Ines Duarte"
_DAY_SECONDS = 86_400


def make(world: World, seal: Seal, now: datetime) -> None:
    """Make what is missing, as if decided in the last days."""
    actor = system(world.organization_id)
    _gateway_rules(actor, world, seal, now - timedelta(days=9))
    _privacy(actor, world, now - timedelta(days=9))
    _anomaly_rules(actor, world, seal, now - timedelta(days=8))
    _request(actor, world, now - timedelta(hours=2))


def _privacy(actor: Actor, world: World, then: datetime) -> None:
    rule = privacy.NewPrivacyRule(
        "organization",
        world.organization_id,
        {"system": "restrict"},
        personal_data="redact",
        audience=("admins",),
    )
    first(PrivacyRule, actor, lambda: privacy.create(actor, rule, then), scope="organization")


def _gateway_rules(actor: Actor, world: World, seal: Seal, then: datetime) -> None:
    whole = ("organization", world.organization_id)
    tools = {"tools": {"deny": [r"^shell\.exec$", "^run_command$"], "shadow": True}}
    new_set = policy_rule_sets.NewPolicyRuleSet(
        "no shell", *whole, tools, "In shadow mode: counts what it would block."
    )
    new_guardrail = guardrails.NewGuardrail(
        "no credentials",
        *whole,
        "secrets",
        {},
        ("request",),
        "redact",
        is_automatic=True,
        description="Keys and tokens do not leave the company.",
    )
    new_rule = cache_rules.NewCacheRule(
        "reviews share a prompt", {"model": "claude-*", "vk_tags": ["demo"]}, "force"
    )
    new_policy = routing_policies.NewRoutingPolicy(
        "engineering",
        "team",
        world.teams["engineering"],
        (world.providers["anthropic"], world.providers["openai"]),
        description="Claude first; GPT steps in when it fails.",
        model_aliases={"everyday": {"anthropic": "claude-haiku-4-5", "openai": "gpt-5-mini"}},
    )
    first(
        PolicyRuleSet,
        actor,
        lambda: policy_rule_sets.create(actor, new_set, then),
        name=new_set.name,
    )
    first(
        Guardrail,
        actor,
        lambda: guardrails.create(actor, new_guardrail, seal.sealer, then),
        name=new_guardrail.name,
    )
    first(CacheRule, actor, lambda: cache_rules.create(actor, new_rule, then), name=new_rule.name)
    first(
        RoutingPolicy,
        actor,
        lambda: routing_policies.create(actor, new_policy, then),
        name=new_policy.name,
    )


def _request(actor: Actor, world: World, then: datetime) -> None:
    """Let somebody wait for an answer: the budget that the loop spent is hers, too."""
    budget = world.budgets[world.projects["evals"]]
    new = increases.NewIncrease(
        budget.id,
        150 * NANOUSD_PER_USD,
        None,
        "A loop in nightly-eval spent it; the loop is mended, and the evaluation of this week is still to run.",
        "ines@northwind.test",
        world.users[ASKING],
    )
    if not BudgetIncrease.select().where(BudgetIncrease.budget_id == budget.id).exists():
        increases.create(actor, new, then)


def _anomaly_rules(actor: Actor, world: World, seal: Seal, then: datetime) -> None:
    for name, severity, scope, threshold in (
        (
            "Data spends far above its habit",
            "critical",
            ("team", world.teams["data"]),
            {"windowSec": 2 * _DAY_SECONDS, "ratioVsBaseline": 3.0, "minBaselineUsd": 1},
        ),
        (
            "A day at twice last week's",
            "warning",
            ("organization", world.organization_id),
            {
                "windowSec": _DAY_SECONDS,
                "baselineOffsetSec": 7 * _DAY_SECONDS,
                "ratioVsBaseline": 2.0,
                "minBaselineUsd": 10,
            },
        ),
        (
            "Agents busier than usual",
            "info",
            ("source", world.sources[AGENTS]),
            {"windowSec": 3600, "ratioVsBaseline": 4.0, "minBaselineUsd": 1},
        ),
    ):
        _rule(
            actor,
            anomaly_rules.NewRule(name, severity, "spend_spike", *scope, threshold),
            seal,
            then,
        )


def _rule(actor: Actor, new: anomaly_rules.NewRule, seal: Seal, then: datetime) -> None:
    first(
        AnomalyRule,
        actor,
        lambda: anomaly_rules.create(actor, new, seal.sealer, then),
        name=new.name,
    )
