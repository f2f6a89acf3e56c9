"""Notes of a call what only spans and captured content need, for keys that have either. For others it costs a look."""

from typing import Any

import msgspec

from core.fault import Fault
from proxy.capture import Capture, Record
from proxy.captured_messages import Exchange
from proxy.dialects.dialect import UNREADABLE
from proxy.dialects.openai_choices import finish_reasons
from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.pipeline.incoming import (
    ATTRIBUTION_HEADERS,
    END_USER_HEADERS,
    METADATA_HEADER,
    THREAD_HEADER,
    TRACE_METADATA_HEADER,
)
from rules.cleaning import Cleaner
from rules.privacy import INPUT, PLACEHOLDER

_END_USER_CHARACTERS, _THREAD_CHARACTERS, _METADATA_BYTES = 256, 128, 4096
_STOPS = 8
_ADDRESSES = "urls"
"""The dimension of policy rules whose findings are quoted from prompts."""
_STOP_CHARACTERS = 100


class _Generation(msgspec.Struct):
    temperature: Any = None
    topP: Any = None  # noqa: N815 - Gemini's spelling
    topK: Any = None  # noqa: N815
    maxOutputTokens: Any = None  # noqa: N815
    stopSequences: Any = None  # noqa: N815
    seed: Any = None


class _Sampling(msgspec.Struct):
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    seed: Any = None
    user: Any = None
    stop: Any = None
    stop_sequences: Any = None
    generationConfig: _Generation | None = None  # noqa: N815


_sampling = msgspec.json.Decoder(_Sampling)


def begin(gateway: Gateway, call: Call) -> Capture | None:
    """Return what collects the answer of a call whose key keeps content, or None."""
    bundle = call.required_plan().bundle
    if not bundle.keeps_content:
        return None
    record = Record(
        call.identity.request_id,
        int(gateway.now_s() * 1000),
        bundle.organization_id,
        bundle.project_id,
        bundle.vk_id,
        bundle.capture,
    )
    exchange = Exchange(call.dialect.name, call.body, b"", call.ask.is_streamed)
    return gateway.captures.open(record, exchange, bundle.privacy)


def note(gateway: Gateway, call: Call) -> None:
    """Note what a span says of the request and of the answer; call it before the call is settled."""
    if call.plan is None:
        return
    bundle, consumed = call.plan.bundle, call.incoming.consumed
    if not consumed.keys().isdisjoint(ATTRIBUTION_HEADERS):
        _note_attribution(call)
    if not bundle.privacy.is_idle:
        _clean_facts(call, bundle.privacy)
    if bundle.capture != "none":
        call.note("capture", bundle.capture if bundle.keeps_content else "metadata")
    if not bundle.is_traced:
        return
    if call.refused is not None and call.refused.fault is Fault.BUDGET_EXCEEDED:
        told = call.refused.facts
        call.note("breached_scope", f"{told.get('scope')}:{told.get('window')}")
    asked = _asked(call.body)
    end_user = asked.pop("user", "")
    if end_user and "end_user" not in call.facts:
        call.note("end_user", end_user)
    if INPUT in bundle.privacy.drops:
        asked.pop("stop_sequences", None)
    if asked:
        call.note("request", asked)
    if call.meter is not None:
        reading = call.meter.reading
        if reading.answer_id:
            call.note("answer_id", reading.answer_id[:128])
        if reading.model:
            call.note("answer_model", reading.model[:256])
        if reasons := finish_reasons(reading):
            call.note("finish_reasons", reasons)


def _clean_facts(call: Call, privacy: Cleaner) -> None:
    """Take out of a call's facts what is the caller's own words: free metadata, and what a check found in a prompt."""
    facts = call.facts
    for name in ("metadata", "trace_metadata"):
        if metadata := facts.get(name):
            call.note(name, "{}" if privacy.drops_all else privacy.json_text(metadata))
    for name in ("policy_blocked", "policy_shadow"):
        if findings := facts.get(name):
            call.note(name, [_clean_finding(found, privacy) for found in findings])


def _clean_finding(found: dict[str, str], privacy: Cleaner) -> dict[str, str]:
    is_dropped = found["dimension"] == _ADDRESSES and INPUT in privacy.drops
    return found | {"value": PLACEHOLDER if is_dropped else privacy.text(found["value"])}


def _note_attribution(call: Call) -> None:
    """Note on whose behalf the caller says that it calls. What is malformed is left out and refuses nothing."""
    get = call.incoming.get
    end_user = next((value for name in END_USER_HEADERS if (value := get(name))), b"")
    if end_user:
        call.note("end_user", _name(end_user.decode("utf-8", "replace")))
    if thread_id := get(THREAD_HEADER):
        call.note("thread_id", thread_id.decode("latin-1")[:_THREAD_CHARACTERS])
    for name, header in (("metadata", METADATA_HEADER), ("trace_metadata", TRACE_METADATA_HEADER)):
        metadata = get(header)
        if metadata and _is_small_object(metadata):
            call.note(name, metadata.decode())


def _name(text: str) -> str:
    return "".join(filter(str.isprintable, text))[:_END_USER_CHARACTERS]


def _is_small_object(text: bytes) -> bool:
    if len(text) > _METADATA_BYTES:
        return False
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except UNREADABLE:
        return False


def finish(gateway: Gateway, call: Call) -> None:
    """Hand over what was captured, once the call is settled. A call that was refused has only its question."""
    if call.plan is None or not call.plan.bundle.keeps_content:
        return
    capture = call.capture or begin(gateway, call)
    if capture is not None:
        gateway.captures.done(capture)


def _asked(body: bytes) -> dict[str, Any]:
    try:
        read = _sampling.decode(body)
    except UNREADABLE:
        return {}
    own = read.generationConfig or _Generation()
    limit = read.max_tokens or read.max_completion_tokens or read.max_output_tokens
    found = {
        "temperature": _number(_first(read.temperature, own.temperature)),
        "top_p": _number(_first(read.top_p, own.topP)),
        "top_k": _number(_first(read.top_k, own.topK)),
        "max_tokens": _number(_first(limit, own.maxOutputTokens)),
        "frequency_penalty": _number(read.frequency_penalty),
        "presence_penalty": _number(read.presence_penalty),
        "seed": _number(_first(read.seed, own.seed)),
        "user": _name(read.user) if isinstance(read.user, str) else None,
        "stop_sequences": _texts(read.stop or read.stop_sequences or own.stopSequences),
    }
    return {name: value for name, value in found.items() if value is not None}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _number(value: Any) -> int | float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < 1 << 53 else None


def _texts(value: Any) -> list[str] | None:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        return None
    return [v[:_STOP_CHARACTERS] for v in values[:_STOPS] if isinstance(v, str)] or None
