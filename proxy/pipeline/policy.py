"""The stage that applies policy rules: to the tools, servers and addresses of a body, and to the model chosen.

It runs after routing, because rules on models judge what a name resolves to, and before anything is held
or spent. What a rule in shadow mode would have blocked is a fact of the call and nothing more.
"""

from core.fault import Fault, Refused
from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.routes import Guard
from rules.policy import Finding, Policy
from rules.policy_subjects import MCP, MODELS, TOOLS, URLS, Unjudgeable

_FAULTS = {
    TOOLS: Fault.TOOL_NOT_ALLOWED,
    MCP: Fault.TOOL_NOT_ALLOWED,
    URLS: Fault.URL_NOT_ALLOWED,
    MODELS: Fault.MODEL_NOT_ALLOWED,
}
_META = {TOOLS: "tool", MCP: "tool", URLS: "url", MODELS: "model"}


def policy(_: Gateway, call: Call) -> None:
    """Apply the policy of the key. Raises Refused: TOOL_NOT_ALLOWED, URL_NOT_ALLOWED, MODEL_NOT_ALLOWED,
    BAD_REQUEST when a body can't be judged, SERVICE_UNAVAILABLE when the rules can't be applied."""
    rules = call.checks.policy
    if rules is None:
        return
    if rules.problem:
        raise Refused(
            Fault.SERVICE_UNAVAILABLE,
            f"The policy rules of this key can't be applied, so nothing passes: {rules.problem}",
        )
    shadowed: list[Finding] = []
    blocked = _blocked(rules, call, shadowed)
    if shadowed:
        call.note("policy_shadow", [_fact(finding) for finding in shadowed])
    if blocked is not None:
        call.note("policy_blocked", [_fact(blocked)])
        raise _refusal(blocked)


def _blocked(rules: Policy, call: Call, shadowed: list[Finding]) -> Finding | None:
    if call.route.guard is not Guard.NOTHING:
        try:
            # A form has fields of text and files, and no tools.
            is_json = call.dialect.read_form is None
            verdict = rules.judge_body(call.body) if is_json else rules.judge_form(call.body)
        except Unjudgeable as error:
            raise Refused(Fault.BAD_REQUEST, f"{error} So no policy can judge it.") from None
        shadowed += verdict.shadowed
        if verdict.blocked is not None:
            return verdict.blocked
    return _model_blocked(rules, call, shadowed)


def _model_blocked(rules: Policy, call: Call, shadowed: list[Finding]) -> Finding | None:
    """Judge the first choice; a fallback that is not allowed is left out of the chain."""
    if MODELS not in rules.rules:
        return None
    allowed = []
    for number, choice in enumerate(call.chain):
        verdict = rules.judge_model(choice.model, choice.lane.binding.type)
        if number == 0:
            shadowed += verdict.shadowed
            if verdict.blocked is not None:
                return verdict.blocked
        if verdict.blocked is None:
            allowed.append(choice)
    if len(allowed) < len(call.chain):
        call.chain = tuple(allowed)
    return None


def _fact(finding: Finding) -> dict[str, str]:
    return {
        "dimension": finding.dimension,
        "pattern": finding.pattern,
        "value": finding.value,
        "rule": finding.rule,
    }


def _refusal(finding: Finding) -> Refused:
    return Refused(
        _FAULTS[finding.dimension],
        finding.reason,
        param=finding.param or None,
        rule=finding.rule_name,
        pattern=finding.pattern,
        **{_META[finding.dimension]: finding.value},
    )
