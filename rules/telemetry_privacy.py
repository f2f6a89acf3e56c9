"""What privacy rules leave of a span, a log record or a webhook's body: which attribute holds whose words. Pure.

Names come from OpenTelemetry's conventions, OpenInference, OpenLLMetry, the AI SDKs and the coding assistants.
Where everything is dropped, an attribute stays only if it is known to be metadata.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from rules.cleaning import Cleaner
from rules.globs import Globs
from rules.privacy import INPUT, OUTPUT, PLACEHOLDER, SYSTEM, TOOL_CALLS, Privacy
from rules.telemetry_events import SOURCE_TYPE_LABEL, TelemetryRecord

_CONTENT = {
    SYSTEM: Globs(
        ("gen_ai.system_instructions*", "*system_prompt*", "*systemPrompt*", "llm.system_message*")
    ),
    TOOL_CALLS: Globs(
        (
            *("gen_ai.tool.call.*", "gen_ai.tool.definitions*", "gen_ai.tool.description"),
            *("gen_ai.tool.message*", "*tool_call*", "*toolCall*", "*tool_input*", "*tool_output*"),
            *("*tool_parameters*", "*tool_result*", "tool.parameters*", "tool.arguments*"),
            *("tool.input*", "tool.output*", "tool.result*", "tool.description", "full_command"),
            *("bash_command", "mcp.request.*", "mcp.response.*", "function.arguments*"),
        )
    ),
    OUTPUT: Globs(
        (
            *("gen_ai.output.messages*", "gen_ai.completion*", "gen_ai.choice*", "completion*"),
            *("gen_ai.assistant.message*", "llm.output_messages*", "llm.completions*"),
            *("output.value*", "output", "output.*", "*.output", "langwatch.output*", "response"),
            *(
                "response.text*",
                "ai.response.text*",
                "ai.response.object*",
                "ai.response.reasoning*",
            ),
            *("traceloop.entity.output*", "*response_text*", "*response_body*", "answer"),
        )
    ),
    INPUT: Globs(
        (
            *("gen_ai.input.messages*", "gen_ai.prompt*", "gen_ai.user.message*", "prompt*"),
            *("gen_ai.content*", "llm.input_messages*", "llm.prompts*", "llm.prompt*"),
            *("input.value*", "input", "input.*", "*.input", "langwatch.input*", "ai.prompt*"),
            *("*user_prompt*", "*userPrompt*", "traceloop.entity.input*", "messages*", "query"),
            *(
                "question",
                "message",
                "message.*",
                "body",
                "content",
                "text",
                "retrieval.documents*",
            ),
            *("exception.message", "exception.stacktrace", "*request_body*", "url.query"),
            *("gen_ai.request.stop_sequences", "embedding.text*", "embedding.embeddings*"),
        )
    ),
}
"""Category to the names whose values belong to it; the first that matches wins."""
_NEVER_CONTENT = Globs(
    (
        *("*_tokens", "*.tokens", "*_count", "*_length", "*_size", "*_bytes", "*_ms"),
        *("*.id", "*_id", "id"),
    )
)
_METADATA = Globs(
    (
        *("gen_ai.usage.*", "gen_ai.operation.name", "gen_ai.system", "gen_ai.provider.name"),
        *("gen_ai.request.model", "gen_ai.request.encoding_formats", "gen_ai.response.model"),
        *("gen_ai.response.finish_reasons", "gen_ai.agent.name", "gen_ai.agent.version"),
        *("gen_ai.tool.name", "gen_ai.tool.type", "gen_ai.output.type", "gen_ai.token.type"),
        *("llm.model", "llm.model_name", "llm.provider", "llm.system", "llm.usage.*"),
        *("llm.token_count.*", "llm.cost.*", "llm.request.type", "model", "model_name"),
        *("user", "user.email", "user.name", "user_email", "user.account_uuid", "langwatch.cost.*"),
        *("langwatch.span.type", "app.version", "terminal.type", "service.*", "telemetry.*"),
        *("host.name", "host.arch", "os.*", "device.type", "deployment.environment*", "cloud.*"),
        *("k8s.*.name", "container.name", "process.runtime.*", "otel.*", "event.name"),
        *("event.timestamp", "http.status_code", "*.method", "server.address", "network.*"),
        *("error.type", "error.code", "exception.type", "status", "status_code", "success"),
        *("outcome", "decision", "decision_source", "decision_type", "speed", "tool.name"),
        *("tool_name", "tool.type", "openinference.span.kind", "traceloop.span.kind"),
        *("traceloop.workflow.name", "traceloop.entity.name", "*.id", "*_id", "id"),
        *("type", "kind", "email", "actor", "action", "source", "timestamp", "time", "cost_usd"),
        *("created_at", "updated_at", "occurred_at", "date", "workspace", "team", "project"),
        *("environment", "currency", "region", "version", "provider", SOURCE_TYPE_LABEL),
    )
)
_METADATA_CHARACTERS = 256
_DEEPEST = 32
_NAME_CHARACTERS = 128
_OF_RECORDS = frozenset({"traceId", "spanId", "attributes", "resource"})
_LOOKED_INTO = frozenset({"attributes", "resource", "body"})
"""What stands in the payload of a span or log record, and which of it is judged name by name."""


def cleaned_record(record: TelemetryRecord, cleaner: Cleaner) -> TelemetryRecord:
    """Return a record as it may be stored: same identity, times and metadata, dropped words replaced."""
    if cleaner.is_idle:
        return record
    body, name = record.body, cleaner.name(record.name)
    if record.is_log:
        body = _log_body(record, cleaner)
        if isinstance(record.body, str) and record.name == record.body[: len(record.name)]:
            # A record without a name of its own goes by what it says.
            name = body[: len(record.name)] if isinstance(body, str) else ""
    return dataclasses.replace(
        record,
        name=name,
        body=body,
        attributes=_cleaned(record.attributes, cleaner),
        resource=_cleaned(record.resource, cleaner),
    )


def cleaned_body(body: bytes, cleaner: Cleaner) -> bytes:
    """Return a webhook's body as it may be stored.

    What its words mean is nobody's knowledge, so a rule that drops input or output, system instructions or tool
    calls leaves numbers and known metadata of a JSON body, and nothing of any other.
    """
    if cleaner.is_idle:
        return body
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        if cleaner.drops:
            return PLACEHOLDER.encode()
        words = body.decode(errors="replace")
        cleaned_words = cleaner.text(words)
        return body if cleaned_words == words else cleaned_words.encode()
    cleaned = _known(found, cleaner) if cleaner.drops else _inner("", found, cleaner)
    return body if cleaned == found else orjson.dumps(cleaned)


def readable_payload(payload: str, hidden: frozenset[str]) -> str:
    """Return an event's payload as somebody may read it from whom categories are hidden; metadata always stay.

    What can't be understood any more, because it was cut to size, is hidden whole.
    """
    if not hidden:
        return payload
    cleaner = Cleaner(Privacy(drops=hidden))
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return PLACEHOLDER
    if not isinstance(found, dict) or not found.keys() >= _OF_RECORDS:
        return orjson.dumps(_known(found, cleaner)).decode()
    shown = _known({n: v for n, v in found.items() if n not in _LOOKED_INTO}, cleaner)
    for name in _LOOKED_INTO & found.keys():
        part = found[name]
        shown[name] = _cleaned(part, cleaner) if isinstance(part, dict) else PLACEHOLDER
    return orjson.dumps(shown).decode()


def category_of(name: str) -> str:
    """Return whose words an attribute of this name holds; empty for anything else."""
    return _judged(name)[0] if len(name) <= _NAME_CHARACTERS else _judge(name)[0]


def is_metadata(name: str, value: Any) -> bool:
    """Say whether a value under this name is known to be about a call and not from it."""
    if value is None or isinstance(value, bool | int | float):
        return True
    if isinstance(value, list):
        return len(value) <= 32 and all(is_metadata(name, each) for each in value)
    if not isinstance(value, str) or len(value) > _METADATA_CHARACTERS:
        return False
    category, is_known = _judged(name) if len(name) <= _NAME_CHARACTERS else _judge(name)
    return not category and (is_known or _is_number(value))


def _judge(name: str) -> tuple[str, bool]:
    """Return whose words stand under a name, and whether what stands there is known to be metadata."""
    is_known = _METADATA.match(name)
    if _NEVER_CONTENT.match(name):
        return "", is_known
    found = (category for category, names in _CONTENT.items() if names.match(name))
    return next(found, ""), is_known


_judged = lru_cache(maxsize=4096)(_judge)
"""Senders use the same few names again and again."""


def _is_number(text: str) -> bool:
    """Senders also write counts and amounts as texts."""
    return text.strip().lstrip("-").replace(".", "", 1).isdecimal()


def _cleaned(attributes: Mapping[str, Any], cleaner: Cleaner, depth: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        is_dropped = (
            cleaner.drops_key(name)
            or cleaner.is_credential(name, value)
            or (cleaner.drops and category_of(name) in cleaner.drops)
            or (cleaner.drops_all and not is_metadata(name, value))
        )
        found[cleaner.text(name) if depth else cleaner.name(name)] = (
            PLACEHOLDER if is_dropped else _inner(name, value, cleaner, depth + 1)
        )
    return found


def _inner(name: str, value: Any, cleaner: Cleaner, depth: int = 0) -> Any:
    """Clean what stands inside a value that stays: JSON in a text, objects, lists. Who and what it was stays."""
    if depth > _DEEPEST:
        return PLACEHOLDER
    if isinstance(value, Mapping):
        return _cleaned(value, cleaner, depth)
    if isinstance(value, list):
        return [_inner(name, each, cleaner, depth + 1) for each in value]
    if not isinstance(value, str):
        return value
    if is_metadata(name, value) and value[:1] not in ("{", "["):
        return cleaner.name(value)
    return cleaner.json_text(value)


def _log_body(record: TelemetryRecord, cleaner: Cleaner) -> Any:
    """A log's body may be the name of an event or anybody's words; only the name is safe."""
    body = record.body
    if isinstance(body, str) and body == record.attributes.get("event.name"):
        return cleaner.name(body)
    if cleaner.drops & {INPUT, OUTPUT} and body is not None:
        return PLACEHOLDER
    if isinstance(body, Mapping):
        return _cleaned(body, cleaner)
    if cleaner.drops and body is not None:
        return PLACEHOLDER
    return _inner("", body, cleaner)


def _known(value: Any, cleaner: Cleaner, name: str = "", depth: int = 0) -> Any:
    if cleaner.drops_key(name) or cleaner.is_credential(name, value) or depth > _DEEPEST:
        return PLACEHOLDER
    if isinstance(value, Mapping):
        return {
            cleaner.text(str(n)[:_METADATA_CHARACTERS]): _known(v, cleaner, str(n), depth + 1)
            for n, v in value.items()
        }
    if isinstance(value, list):
        return [_known(each, cleaner, name, depth + 1) for each in value]
    if isinstance(value, str):
        return cleaner.name(value) if is_metadata(name, value) else PLACEHOLDER
    return value
