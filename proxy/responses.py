"""Turns a refusal into an answer, at the one edge of the gateway. Decides nothing about the refusal.

The body has the form of the client's API. That of OpenAI and Anthropic is one: ``type: error`` on top and an
``error`` object with ``type``, ``code``, ``message`` and ``param``.
"""

import logging
import time
from typing import NamedTuple

import msgspec

from core.clock import from_ms, isoformat
from core.fault import Fault, Refused
from proxy.dialects.error_forms import OPENAI_ERRORS, ErrorForm
from proxy.pipeline.identity import Identity
from rules.pricing import NANOUSD_PER_USD

Headers = list[tuple[bytes, bytes]]

MISSING_KEY_MESSAGE = (
    "missing API key; supply Authorization: Bearer lw_vk_... or x-api-key"  # the product's wording
)
_SAID = {
    Fault.MISSING_API_KEY: MISSING_KEY_MESSAGE,
    Fault.INVALID_API_KEY: "This is not a virtual key that the gateway knows.",
    Fault.VIRTUAL_KEY_REVOKED: "This virtual key was revoked.",
    Fault.VIRTUAL_KEY_DISABLED: "This virtual key is disabled.",
    Fault.VIRTUAL_KEY_EXPIRED: "This virtual key has expired.",
    Fault.AUTH_UPSTREAM_UNAVAILABLE: "The key could not be checked: the control plane does not answer.",
    Fault.LEDGER_FULL: "The call could not be recorded, so it was not made.",
}
"""What happened, where the refusal itself brings no words; what to do about it is the tip."""
_TYPES = {Fault.VK_RATE_LIMIT_EXCEEDED: Fault.RATE_LIMIT_EXCEEDED.code}
"""The error type, where it is wider than the code and no dialect has its own word."""
RETRY_SOON_SECONDS = 1
_MAX_RETRY_AFTER_SECONDS = 400 * 86_400
_PROVIDER_FAULTS = frozenset({Fault.PROVIDER_ERROR, Fault.UPSTREAM_TIMEOUT})
_PUBLIC_FACTS = (
    *("request_type", "provider", "provider_id", "model", "reachable", "allowed_methods"),
    *("parameter", "target", "reason"),
    *("tool", "url", "rule", "pattern", "guardrail", "guardrail_id", "found"),
    *("dimension", "limit"),
)
_REFUSED = "x-langwatch-handled-error"
_DIMENSION = b"x-langwatch-ratelimit-dimension"


class Answer(NamedTuple):
    """A whole answer: status, headers with lower-case names, body."""

    status: int
    headers: Headers
    body: bytes


def refusal(refused: Refused, identity: Identity, form: ErrorForm = OPENAI_ERRORS) -> Answer:
    """Return the answer to a refused request; the standing headers are added by the caller."""
    fault = refused.fault
    error: dict[str, object] = {
        "type": _error_type(fault, form),
        "code": fault.code,
        "message": _message(refused),
        "param": refused.facts.get("param"),
    }
    meta = _meta(refused)
    if meta:
        error["meta"] = meta
    error |= {
        "tips": _tips(refused),
        "fault": _at_fault(fault),
        "request_id": identity.request_id,
        "trace_id": identity.trace_id,
        "span_id": identity.span_id,
    }
    body = msgspec.json.encode(form.body(fault.status, error, identity.request_id))
    return Answer(fault.status, _headers(refused, len(body)), body)


def error_event(refused: Refused, code: str, form: ErrorForm, answer_id: str = "") -> bytes:
    """Return what ends a broken stream of server-sent events, in the form of the client's API."""
    return form.event(refused.fault.status, _late_error(refused, code, form), answer_id)


def error_element(refused: Refused, code: str, form: ErrorForm, is_first: bool) -> bytes:
    """Return what ends a broken stream that is a JSON array: a last element, and the bracket."""
    body = form.body(refused.fault.status, _late_error(refused, code, form), "")
    return b"%b%b]" % (b"" if is_first else b",\r\n", msgspec.json.encode(body))


def _late_error(refused: Refused, code: str, form: ErrorForm) -> dict[str, object]:
    kind = _error_type(refused.fault, form)
    return {"type": kind, "code": code, "message": _message(refused), "param": None}


def json_answer(status: int, value: object, more: Headers | None = None) -> Answer:
    """Return an answer of the gateway's own, as JSON."""
    body = msgspec.json.encode(value)
    return Answer(
        status,
        [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *(more or ()),
        ],
        body,
    )


def _message(refused: Refused) -> str:
    return refused.message or _SAID.get(refused.fault, refused.fault.hint)


def _error_type(fault: Fault, form: ErrorForm) -> str:
    if fault is Fault.MISSING_API_KEY:
        return Fault.INVALID_API_KEY.code
    return form.kind(fault.status, _TYPES.get(fault, fault.code))


def _tips(refused: Refused) -> list[str]:
    address = refused.facts.get("request_increase_url")
    more = [f"Ask for a higher budget: {address}"] if address else []
    return [refused.fault.hint, *more]


def _at_fault(fault: Fault) -> str:
    if fault in _PROVIDER_FAULTS:
        return "provider"
    return "customer" if fault.level <= logging.INFO else "platform"


def _meta(refused: Refused) -> dict[str, object]:
    facts = refused.facts
    if refused.fault is not Fault.BUDGET_EXCEEDED:
        return {name: facts[name] for name in _PUBLIC_FACTS if name in facts}
    meta: dict[str, object] = {"budget_id": facts.get("budget_id")}
    for name in ("scope", "window"):
        meta[f"budget_{name}"] = facts.get(name)
    meta["budget_name"] = facts.get("name")
    for name in ("limit", "spent"):
        amount = facts.get(f"{name}_nanousd")
        if isinstance(amount, int):
            meta[f"{name}_usd"] = usd(amount)
    if "request_increase_url" in facts:
        meta["request_increase_url"] = facts["request_increase_url"]
    if "provider_id" in facts:
        meta["budget_provider"] = facts["provider_id"]
    resets_at_ms = facts.get("resets_at_ms")
    if isinstance(resets_at_ms, int):
        meta["resets_at"] = isoformat(from_ms(resets_at_ms))
    return meta


def _headers(refused: Refused, body_bytes: int) -> Headers:
    fault = refused.fault
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % body_bytes),
        (_REFUSED.encode(), fault.code.encode()),
    ]
    if not fault.is_retryable:
        headers.append((b"x-should-retry", b"false"))
    retry_after = _retry_after_seconds(refused)
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % retry_after))
    if fault is Fault.BUDGET_EXCEEDED and "scope" in refused.facts:
        headers.append((b"x-langwatch-budget-blocked-by", str(refused.facts["scope"]).encode()))
    if "dimension" in refused.facts:
        headers.append((_DIMENSION, str(refused.facts["dimension"]).encode()))
    if fault is Fault.METHOD_NOT_ALLOWED and "allowed_methods" in refused.facts:
        headers.append((b"allow", str(refused.facts["allowed_methods"]).encode()))
    if fault is Fault.UPGRADE_REQUIRED:
        headers.append((b"upgrade", b"HTTP/1.1"))
    return headers


def _retry_after_seconds(refused: Refused) -> int | None:
    resets_at_ms = refused.facts.get("resets_at_ms")
    if isinstance(resets_at_ms, int):
        left_seconds = max(1, -(-(resets_at_ms - int(time.time() * 1000)) // 1000))
        return left_seconds if left_seconds <= _MAX_RETRY_AFTER_SECONDS else None
    told = refused.facts.get("retry_after_seconds")
    if isinstance(told, (int, float)):
        return max(1, round(told))
    is_ours = refused.fault.status == 503
    return RETRY_SOON_SECONDS if is_ours else None


def usd(amount_nanousd: int) -> str:
    """Return an amount as decimal text: dollars, up to nine decimals, no trailing zeros."""
    whole, rest = divmod(amount_nanousd, NANOUSD_PER_USD)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
