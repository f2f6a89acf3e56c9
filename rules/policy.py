"""Policy rules: which tools, MCP servers, addresses and models a call may name. Pure; reads no request twice.

Patterns search anywhere in a value; authors anchor them. Deny wins, an allow-list that is given lets
nothing else pass, and every rule that applies must agree. A rule in shadow mode only reports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rules.patterns import MAX_PATTERNS, AnyOf, BadPattern, pattern_error, searchable
from rules.policy_subjects import (
    DIMENSIONS,
    MCP,
    MODELS,
    TOOLS,
    URLS,
    Subject,
    other_models,
    tools_and_servers,
)
from rules.policy_subjects import urls as urls_in

MAX_VALUE_CHARACTERS = 64
MAX_FINDINGS = 16
_FIELDS = ("deny", "allow", "shadow")


class Finding(NamedTuple):
    """What one rule has against a call. ``pattern`` is empty when the value is missing on an allow-list."""

    dimension: str
    rule: str
    """The id of the rule set, or of the key."""
    rule_name: str
    pattern: str
    value: str
    """At most 64 characters of it."""
    param: str
    is_shadow: bool

    @property
    def reason(self) -> str:
        """Why, in words."""
        what = _WORDS[self.dimension]
        if self.pattern:
            return f'The {what} "{self.value}" is denied by `{self.pattern}` of {self.rule_name}.'
        return f'The {what} "{self.value}" is not on the allow-list of {self.rule_name}.'


_WORDS = {TOOLS: "tool", MCP: "MCP server", URLS: "address", MODELS: "model"}


class Verdict(NamedTuple):
    """The first finding that blocks, if any, and what rules in shadow mode would have blocked."""

    blocked: Finding | None = None
    shadowed: tuple[Finding, ...] = ()


PASSED = Verdict()


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of one set for one dimension."""

    source: str
    source_name: str
    deny: AnyOf
    allow: AnyOf | None
    is_shadow: bool

    def objection(self, dimension: str, subject: Subject) -> Finding | None:
        """Return what this rule has against a value, in any of its spellings."""
        pattern = self.deny.first(subject.spellings) if self.deny else None
        if pattern is None:
            if self.allow is None or self.allow.first(subject.spellings) is not None:
                return None
            pattern = ""
        value = subject.spellings[0][:MAX_VALUE_CHARACTERS]
        return Finding(
            dimension, self.source, self.source_name, pattern, value, subject.param, self.is_shadow
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules that apply to a key, compiled; a dimension without a rule costs nothing."""

    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    problem: str = ""
    """Why the rules can't be applied; then nothing may pass."""

    def __bool__(self) -> bool:
        return bool(self.rules or self.problem)

    def judge_body(self, body: bytes) -> Verdict:
        """Return the verdict on what a body names. Raises Unjudgeable when it can't be told."""
        rules = self.rules
        found: list[tuple[str, list[Subject]]] = []
        if TOOLS in rules or MCP in rules:
            tools, servers = tools_and_servers(body)
            found += [(TOOLS, tools), (MCP, servers)]
        if URLS in rules:
            found.append((URLS, urls_in(body)))
        if MODELS in rules:
            found.append((MODELS, other_models(body)))
        return self._judge(found) if found else PASSED

    def judge_form(self, body: bytes) -> Verdict:
        """Return the verdict on a body that is a form: it can name addresses, and no tools."""
        return self._judge([(URLS, urls_in(body))]) if URLS in self.rules else PASSED

    def judge_model(self, model: str, provider: str) -> Verdict:
        """Return the verdict on a model by its name at the provider, in both spellings.

        Some providers take a name in any case, so a name in capitals is judged in small letters, too.
        """
        if MODELS not in self.rules:
            return PASSED
        spellings: tuple[str, ...] = (model, f"{provider}/{model}")
        small = model.strip().lower()
        if small != model:
            spellings += (small, f"{provider}/{small}")
        return self._judge([(MODELS, [Subject(spellings, "model")])])

    def _judge(self, found: Sequence[tuple[str, list[Subject]]]) -> Verdict:
        shadowed: list[Finding] = []
        for dimension, subjects in found:
            rules = self.rules.get(dimension, ())
            for subject in subjects if rules else ():
                known = Subject(tuple(map(searchable, subject.spellings)), subject.param)
                for rule in rules:
                    finding = rule.objection(dimension, known)
                    if finding is None:
                        continue
                    if not finding.is_shadow:
                        return Verdict(finding, tuple(shadowed))
                    if len(shadowed) < MAX_FINDINGS:
                        shadowed.append(finding)
        return Verdict(None, tuple(shadowed))


class RuleSource(NamedTuple):
    """One set of rules as stored: by whom, and ``{dimension: {deny, allow, shadow}}``."""

    id: str
    name: str
    rules: Mapping[str, Any]


def compile_policy(sources: Sequence[RuleSource]) -> Policy:
    """Return the policy of all sets that apply. One that can't be compiled spoils all of it."""
    rules: dict[str, list[Rule]] = {}
    for source in sources:
        errors = rules_errors(source.rules)
        if errors:
            return Policy(problem=f"{source.name}: {next(iter(errors.values()))}")
        for dimension in DIMENSIONS:
            given = source.rules.get(dimension)
            if not given:
                continue
            try:
                deny, allow = AnyOf(given.get("deny") or ()), given.get("allow")
                allowed = None if allow is None else AnyOf(allow)
            except BadPattern as error:
                return Policy(problem=f"{source.name}: {error}")
            if deny or allowed is not None:
                is_shadow = given.get("shadow", False)
                rule = Rule(source.id, source.name, deny, allowed, is_shadow)
                rules.setdefault(dimension, []).append(rule)
    return Policy({name: tuple(some) for name, some in rules.items()})


def policy_of(
    key_id: str, key_rules: Mapping[str, Any] | None, sets: Sequence[Mapping[str, Any]]
) -> Policy:
    """Return the policy of a key: its own rules and the sets (``id, name, rules``) that apply to it."""
    sources = [RuleSource(row["id"], row["name"], row["rules"]) for row in sets]
    if key_rules:
        sources.append(RuleSource(key_id, "the virtual key", key_rules))
    return compile_policy(sources)


def rules_errors(rules: object) -> dict[str, str]:
    """Return what is wrong with a set of rules, by place, such as ``tools.deny[1]``; empty when all is well."""
    if not isinstance(rules, Mapping):
        return {"rules": "Policy rules are an object with tools, mcp, urls or models."}
    errors: dict[str, str] = {}
    for dimension, given in rules.items():
        if dimension not in DIMENSIONS:
            errors[str(dimension)] = f"Use one of {', '.join(DIMENSIONS)}."
        elif given is not None:
            errors |= _rule_errors(dimension, given)
    return errors


def canonical_rules(rules: Any) -> Any:
    """Return rules without lists and switches that say nothing, so that two ways of saying the same are equal.

    An empty list of what is allowed says a lot. What is no set of rules comes back as it is.
    """
    if not isinstance(rules, Mapping):
        return rules
    spoken = {name: _spoken(rule) for name, rule in rules.items()}
    return {name: rule for name, rule in spoken.items() if rule not in (None, {})}


def _spoken(rule: Any) -> Any:
    if not isinstance(rule, Mapping):
        return rule
    lists = {name: list(v) if isinstance(v, tuple) else v for name, v in rule.items()}
    silent: dict[str, tuple[Any, ...]] = {
        "deny": (None, []),
        "allow": (None,),
        "shadow": (None, False),
    }
    return {name: v for name, v in lists.items() if v not in silent.get(name, ())}


def _rule_errors(dimension: str, given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        return {dimension: "A rule is an object with deny, allow and shadow."}
    errors = {
        f"{dimension}.{name}": f"A rule has {', '.join(_FIELDS)}, and no other field."
        for name in given
        if name not in _FIELDS
    }
    if not isinstance(given.get("shadow", False), bool):
        errors[f"{dimension}.shadow"] = "Shadow is true or false."
    for name in ("deny", "allow"):
        patterns = given.get(name)
        if patterns is None:
            continue
        if not isinstance(patterns, list | tuple) or len(patterns) > MAX_PATTERNS:
            errors[f"{dimension}.{name}"] = f"Give a list of at most {MAX_PATTERNS} patterns."
            continue
        for number, pattern in enumerate(patterns):
            error = pattern_error(pattern)
            if error:
                errors[f"{dimension}.{name}[{number}]"] = error
    return errors


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a policy would do with a request, and what it looked at."""

    verdict: str
    """pass, block or broken; a broken policy blocks."""
    reasons: tuple[str, ...]
    shadow_reasons: tuple[str, ...]
    subjects: Mapping[str, tuple[str, ...]]


def explain(body: bytes, policy: Policy, model: str = "", provider: str = "") -> Explanation:
    """Say what the gateway would decide about a request, by the code that decides there.

    ``model`` and ``provider`` are what the call would resolve to. Raises Unjudgeable as the gateway would.
    """
    tools, servers = tools_and_servers(body)
    seen = {TOOLS: tools, MCP: servers, URLS: urls_in(body)}
    subjects = {name: tuple(s.spellings[0] for s in some) for name, some in seen.items()}
    others = tuple(s.spellings[0] for s in other_models(body))
    subjects[MODELS] = ((model,) if model else ()) + others
    if policy.problem:
        return Explanation("broken", (policy.problem,), (), subjects)
    verdicts = [policy.judge_body(body)]
    if model:
        verdicts.append(policy.judge_model(model, provider))
    reasons = tuple(v.blocked.reason for v in verdicts if v.blocked is not None)
    shadowed = tuple(finding.reason for v in verdicts for finding in v.shadowed)
    return Explanation("block" if reasons else "pass", reasons, shadowed, subjects)
