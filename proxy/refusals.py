"""What a call is told whose limit is reached. Judges nothing and sends nothing."""

from core.fault import Fault, Refused
from proxy.limit_state import NEVER, LimitState
from rules.rates import Dimension, Unit

_NOUNS = {"virtual_key": "virtual key", "principal": "personal"}
_LONGEST_WAIT_SECONDS = 400 * 86_400


def reached(limit: LimitState, now_s: float) -> Refused:
    """Return the refusal of a call that a limit has no room for; ``now_s`` is Unix time.

    Its fact ``provider_id`` is set when the limit is one provider's: then another provider may serve.
    """
    rolling = limit.terms.rolling
    return _spent(limit) if rolling is None else _too_fast(limit, rolling, now_s)


def _spent(limit: LimitState) -> Refused:
    terms, spent = limit.terms, limit.current.spent
    noun = _NOUNS.get(terms.scope, terms.scope)
    state = "is spent" if spent >= terms.amount else "is taken up by calls under way"
    share = f" for {terms.provider_name or terms.provider_id}" if terms.provider_id else ""
    facts: dict[str, object] = {"provider_id": terms.provider_id} if terms.provider_id else {}
    return Refused(
        Fault.BUDGET_EXCEEDED,
        f'The {noun} budget "{terms.name}"{share} ({terms.scope}:{terms.window}) {state}.',
        budget_id=terms.id,
        name=terms.name,
        scope=terms.scope,
        window=str(terms.window),
        limit_nanousd=terms.amount,
        spent_nanousd=spent,
        resets_at_ms=int(limit.ends_s * 1000),
        **facts,
    )


def _too_fast(limit: LimitState, rolling: Dimension, now_s: float) -> Refused:
    terms, opens_s = limit.terms, limit.current.opens_s
    wait_seconds = 1 if opens_s in (NEVER, -NEVER) else max(1, -(-(opens_s - now_s) // 1))
    what = "tokens" if rolling.unit is Unit.TOKENS else "requests"
    whose = f"the provider {terms.provider_name}" if terms.provider_id else "this virtual key"
    sentence = f"The limit of {whose}, {terms.amount} {what} a {rolling.window}, is reached."
    facts: dict[str, object] = {"provider_id": terms.provider_id} if terms.provider_id else {}
    return Refused(
        Fault.RATE_LIMIT_EXCEEDED if terms.provider_id else Fault.VK_RATE_LIMIT_EXCEEDED,
        sentence,
        dimension=rolling.name,
        limit=terms.amount,
        retry_after_seconds=int(min(wait_seconds, _LONGEST_WAIT_SECONDS)),
        **facts,
    )
