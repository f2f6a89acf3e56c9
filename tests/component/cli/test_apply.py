"""Configuration as code against real databases: the reference example, repetition, mistakes, secrets."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.apply.changes import carry_out
from cli.apply.command import apply_file
from cli.apply.entries import Mistakes
from cli.apply.result import Keys, Result
from cli.apply.shape import read
from cli.problems import Stopped
from core.authoring import first_run, people, virtual_keys
from core.database import database
from core.models import (
    AuditRow,
    Budget,
    Organization,
    Provider,
    RoutingPolicy,
    Team,
    User,
    VirtualKey,
)
from core.secrets import Secret, sealer_for
from core.settings import load

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
MASTER = Secret("m" * 48)
PEPPER = Secret("p" * 48)
KEYS = Keys(PEPPER, sealer_for(MASTER))
REFERENCE = Path(__file__).parents[3] / "fixtures" / "governance.yaml"
KEY = "lw_vk_live_01JABCDEFGHJKMNPQRSTVWXYZ0"
ENVIRON = {
    "ACME_ADMIN_PASSWORD": "correct horse battery",
    "UPSTREAM_OPENAI_KEY": "sk-upstream-openai",
    "UPSTREAM_ANTHROPIC_KEY": "sk-upstream-anthropic",
    "VK_DEV": KEY,
    "SRC_AGENTS": "lw_is_0123456789abcdefghijABCDEF",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.test/services/T/B/x",
}
SMALL = """\
organization: {name: Acme, slug: acme}
teams: [{name: Engineering, slug: eng}]
projects: [{name: Coding, slug: coding, team: eng}]
providers: [{name: sandbox, type: sandbox}]
virtual_keys: [{name: one, project: coding, providers: [sandbox]}]
ingestion_sources: [{name: agents, type: otel_generic}]
"""


def applied(
    text: str, environ: Mapping[str, str] = ENVIRON, is_dry: bool = False, now: datetime = NOW
) -> Result:
    with database.connection_context():
        return carry_out(read(text, environ), KEYS, now, is_dry)


def mistakes(text: str, environ: Mapping[str, str] = ENVIRON) -> list[tuple[int, str]]:
    with pytest.raises(Mistakes) as raised:
        applied(text, environ)
    return [(mistake.line, mistake.sentence) for mistake in raised.value.found]


def verbs(result: Result) -> set[str]:
    return {verb for verb, _ in result.steps}


def test_the_reference_example_creates_everything_and_then_changes_nothing(db: str) -> None:
    first = applied(REFERENCE.read_text())
    audit_rows = AuditRow.select().count()
    second = applied(REFERENCE.read_text())
    assert verbs(first) == {"created"}
    assert verbs(second) == {"unchanged"}
    assert [item for _, item in first.steps] == [item for _, item in second.steps]
    assert AuditRow.select().count() == audit_rows
    assert first.secrets == second.secrets == []


def test_the_declared_key_and_password_work(db: str) -> None:
    applied(REFERENCE.read_text())
    found = virtual_keys.find_by_secret(PEPPER, KEY, NOW)
    assert found is not None and found.name == "dev-cli"
    user = people.authenticate("admin@acme.test", Secret("correct horse battery"), NOW)
    assert user is not None and user.name == "Ada"


def test_an_address_in_the_file_counts_as_the_operators(db: str) -> None:
    applied(REFERENCE.read_text())
    flags = {row.name: row.is_operator_address for row in Provider.select()}
    assert flags == {"openai-main": True, "anthropic-main": True, "sandbox": False}


def test_it_takes_over_the_organization_of_the_first_run(db: str) -> None:
    with database.connection_context():
        first_run.ensure(PEPPER, KEYS.sealer, NOW)
        applied(REFERENCE.read_text())
        assert [row.slug for row in Organization.select()] == ["acme"]


def test_a_file_for_another_organization_is_refused_once_people_use_this_one(db: str) -> None:
    applied(REFERENCE.read_text())
    text = REFERENCE.read_text().replace("slug: acme}", "slug: other}")
    assert "belongs to the organization `acme`" in mistakes(text)[0][1]


def test_a_dry_run_says_what_would_happen_and_changes_nothing(db: str) -> None:
    result = applied(REFERENCE.read_text(), is_dry=True)
    assert verbs(result) == {"created"}
    assert AuditRow.select().count() == 0
    assert Organization.select().count() == 0


def test_a_change_is_reported_as_one_and_only_it_is_written(db: str) -> None:
    applied(REFERENCE.read_text())
    text = REFERENCE.read_text().replace('limit_usd: "100"', 'limit_usd: "250.5"')
    result = applied(text)
    assert [str(item) for verb, item in result.steps if verb == "changed"] == [
        "budget coding-month"
    ]
    assert Budget.get(Budget.name == "coding-month").limit_nanousd == 250_500_000_000


def test_secrets_that_nobody_brought_are_made_and_shown_once(db: str) -> None:
    first, second = applied(SMALL), applied(SMALL)
    assert [str(item) for item, _ in first.secrets] == [
        "virtual key one",
        "ingestion source agents",
    ]
    key = first.secrets[0][1].reveal()
    assert virtual_keys.find_by_secret(PEPPER, key, NOW) is not None
    assert second.secrets == []


def test_another_secret_in_the_environment_rotates_the_key(db: str) -> None:
    applied(REFERENCE.read_text())
    other = KEY[:-1] + "1"
    result = applied(REFERENCE.read_text(), {**ENVIRON, "VK_DEV": other})
    assert [str(item) for verb, item in result.steps if verb == "changed"] == [
        "virtual key dev-cli"
    ]
    assert virtual_keys.find_by_secret(PEPPER, other, NOW) is not None


def test_a_password_that_exists_is_not_reset_by_the_file(db: str) -> None:
    applied(REFERENCE.read_text())
    applied(REFERENCE.read_text(), {**ENVIRON, "ACME_ADMIN_PASSWORD": "something else"})
    assert people.authenticate("admin@acme.test", Secret("something else"), NOW) is None


def test_every_mistake_is_named_with_its_line_and_nothing_is_applied(db: str) -> None:
    text = """\
organization: {name: Acme, slug: acme}
users:
  - {email: a@acme.test, nam: Ada, role: king}
teams: [{name: Engineering, slug: eng}, {name: Other, slug: eng}]
projects: [{name: Coding, slug: coding, team: enj}]
providers:
  - {name: main, type: openai, api_key: sk-in-the-file}
virtual_keys:
  - {name: one, project: codign, providers: [main, gone], secret_env: BAD_KEY}
budgets:
  - {name: b, scope: project, window: fortnight, limit_usd: much}
anomaly_rules:
  - {name: r, type: spend_spik, destinations: [{type: slack, webhookUrl_env: NOT_SET}]}
surprise: 1
"""
    found = mistakes(text, {"BAD_KEY": "lw_vk_live_short"})
    expected = [
        (3, "needs `name`"),
        (3, "did you mean `name`?"),
        (3, "`role: king` is not one of admin, member, external"),
        (4, "declared already, on line 4"),
        (5, "there is no team `enj`"),
        (7, "use `api_key_env: SOME_VARIABLE`"),
        (7, "needs `api_key_env`"),
        (9, "there is no project `codign`"),
        (9, "there is no provider `gone`"),
        (9, "a ULID of 26 characters"),
        (11, "must name the project"),
        (11, "`window: fortnight` is not one of"),
        (11, "`limit_usd: much` is not a number"),
        (13, "did you mean `spend_spike`?"),
        (13, "NOT_SET is not set"),
        (14, "no field `surprise`"),
    ]
    for line, words in expected:
        assert any(at == line and words in sentence for at, sentence in found), (line, words, found)
    assert len(found) == len(expected)
    assert Organization.select().count() == Team.select().count() == 0


def test_what_only_the_database_can_refuse_has_its_line_too(db: str) -> None:
    text = SMALL.replace("slug: eng}", "slug: Eng!}").replace("team: eng}", 'team: "Eng!"}')
    found = mistakes(text)
    assert [line for line, _ in found] == [2]
    assert Organization.select().count() == 0


def test_a_file_that_is_not_yaml_names_the_line(db: str) -> None:
    assert mistakes("teams:\n  - {name: x\n  - y: [\n")[0][0] in (3, 4)


def test_a_secret_may_come_from_a_file(db: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    environ = {k: v for k, v in ENVIRON.items() if k != "VK_DEV"}
    applied(REFERENCE.read_text(), {**environ, "VK_DEV_FILE": str(tmp_path / "key")})
    assert virtual_keys.find_by_secret(PEPPER, KEY, NOW) is not None


def test_the_json_form_lists_fates_and_secrets(db: str, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    settings = load(
        {"LANGWATCH_MASTER_KEY": MASTER.reveal(), "LW_VIRTUAL_KEY_PEPPER": PEPPER.reveal()}
    )
    with database.connection_context():
        told = json.loads(json.dumps(apply_file(path, settings, {}).as_json()))
    assert set(told) == {"created", "changed", "unchanged", "secrets"}
    assert "virtual key one" in told["created"]
    assert {s["kind"] for s in told["secrets"]} == {"virtual key", "ingestion source"}


def test_a_mistake_is_an_answer_with_exit_code_2(db: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("teams: 1\n")
    with database.connection_context(), pytest.raises(Stopped) as raised:
        apply_file(path, load({"LANGWATCH_MASTER_KEY": "m" * 48}), {})
    assert raised.value.code == 2
    assert f"{path}:1: `teams` must be a list" in raised.value.message


def test_no_secret_is_kept_in_clear(db: str) -> None:
    applied(REFERENCE.read_text())
    kept = [
        str(row)
        for model in (User, Provider, VirtualKey, AuditRow)
        for row in model.select().dicts()
    ]
    for name in ("ACME_ADMIN_PASSWORD", "UPSTREAM_OPENAI_KEY", "VK_DEV", "SLACK_WEBHOOK_URL"):
        assert ENVIRON[name] not in "".join(kept)


def test_a_first_file_with_a_misspelt_organization_is_answered_with_every_mistake(db: str) -> None:
    text = """\
organization: {name: Acme, slg: acme}
projects: [{name: Coding, slug: coding, team: nobody}]
"""
    assert mistakes(text) == [
        (1, "the organization has no field `slg`; did you mean `slug`?"),
        (1, "the organization needs `slug`"),
        (2, "there is no team `nobody`, here or in the file"),
    ]


def test_a_first_file_with_an_impossible_slug_names_its_line(db: str) -> None:
    ((line, sentence),) = mistakes("teams: []\norganization: {name: Acme, slug: Not A Slug}\n")
    assert line == 2
    assert sentence.startswith("organization Not A Slug: slug: Use up to 63")


ROUTED = """\
organization: {name: Acme, slug: acme}
teams: [{name: Engineering, slug: eng}]
projects: [{name: Coding, slug: coding, team: eng}]
providers:
  - {name: main, type: custom, base_url: "http://127.0.0.1:9001/v1"}
  - {name: spare, type: custom, base_url: "http://127.0.0.1:9002/v1"}
routing_policies:
  - {name: coding, scope: project, target: coding, providers: [spare, main], strategy: round_robin, default: true,
     models_allowed: [gpt-*], model_aliases: {fast: main/gpt-4o-mini}}
virtual_keys:
  - name: one
    project: coding
    providers: [main, spare]
    routing_mode: policy
    routing_policy: coding
    models_allowed: [gpt-4o*]
    model_aliases: {smart: {main: gpt-4o, spare: gpt-4o-mini}}
    fallback: {max_attempts: 2, timeout_ms: 5000}
"""


def test_a_file_says_how_keys_are_routed(db: str) -> None:
    assert verbs(applied(ROUTED)) == {"created"}
    policy = RoutingPolicy.get(RoutingPolicy.name == "coding")
    names = {row.id: row.name for row in Provider.select()}
    assert [names[provider_id] for provider_id in policy.provider_ids] == ["spare", "main"]
    assert (policy.scope, policy.strategy, policy.is_default) == ("project", "round_robin", True)
    assert policy.model_aliases == {"fast": "main/gpt-4o-mini"}
    assert VirtualKey.get(VirtualKey.name == "one").config == {
        "fallback": {"max_attempts": 2, "timeout_ms": 5000},
        "model_aliases": {"smart": {"main": "gpt-4o", "spare": "gpt-4o-mini"}},
        "models_allowed": ["gpt-4o*"],
        "routing_mode": "policy",
        "routing_policy_id": policy.id,
    }
    assert verbs(applied(ROUTED)) == {"unchanged"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("providers: [spare, main]", "providers: []", "at least one provider"),
        ("providers: [spare, main]", "providers: [sapre]", "no provider `sapre`"),
        ("target: coding, prov", "target: codign, prov", "no project `codign`"),
        ("strategy: round_robin", "strategy: random", "is not one of priority"),
        ("routing_policy: coding", "routing_policy: codign", "no routing policy `codign`"),
        ("routing_mode: policy", "routing_mode: off", "is not one of none"),
        ("max_attempts: 2", "max_attempts: 20", "from 1 to 10"),
        ("{main: gpt-4o, spare", "{mian: gpt-4o, spare", "no type mian"),
    ],
)
def test_what_a_file_says_wrongly_about_routing_is_said_by_line(
    db: str, before: str, after: str, words: str
) -> None:
    assert before in ROUTED
    assert words in mistakes(ROUTED.replace(before, after))[0][1]
