"""Gemini on the wire: the model in the path, chunks that each hold usage, a finish reason as the end.

A stream is a series of events with ``alt=sse`` and one JSON array without it. No ``[DONE]`` ends either.
"""

from typing import Any

import msgspec

from proxy.dialects.dialect import (
    UNREADABLE,
    Ask,
    Counts,
    Dialect,
    Reading,
    merged,
    text_bytes,
    token_count,
)
from proxy.dialects.error_forms import GOOGLE_ERRORS
from proxy.dialects.request_fields import check_present, refused_json
from proxy.splice import members, replaced

_MAX_EVENT_BYTES = 8 * 1024 * 1024
"""A chunk may hold a whole picture, and its usage stands behind it."""
_PREFIX = "models/"


class _Limits(msgspec.Struct, gc=False):
    max_output_tokens: Any = msgspec.field(name="maxOutputTokens", default=None)
    max_output_tokens_snake: Any = msgspec.field(name="max_output_tokens", default=None)
    candidate_count: Any = msgspec.field(name="candidateCount", default=None)
    candidate_count_snake: Any = msgspec.field(name="candidate_count", default=None)


class _Request(msgspec.Struct, gc=False):
    contents: msgspec.Raw = msgspec.Raw()
    config: _Limits | None = msgspec.field(name="generationConfig", default=None)
    config_snake: _Limits | None = msgspec.field(name="generation_config", default=None)


class _Counted(msgspec.Struct, gc=False):
    contents: msgspec.Raw = msgspec.Raw()
    whole: msgspec.Raw = msgspec.field(name="generateContentRequest", default=msgspec.Raw())


class _Embedded(msgspec.Struct, gc=False):
    content: msgspec.Raw = msgspec.Raw()
    requests: msgspec.Raw = msgspec.Raw()


class _Chunk(msgspec.Struct, gc=False):
    candidates: Any = None
    prompt_feedback: Any = msgspec.field(name="promptFeedback", default=None)
    usage: Any = msgspec.field(name="usageMetadata", default=None)
    model: Any = msgspec.field(name="modelVersion", default=None)
    answer_id: Any = msgspec.field(name="responseId", default=None)
    error: Any = None


_request = msgspec.json.Decoder(_Request)
_counted = msgspec.json.Decoder(_Counted)
_embedded = msgspec.json.Decoder(_Embedded)
_chunk = msgspec.json.Decoder(_Chunk)
_chunks = msgspec.json.Decoder(list[_Chunk])


def read_request(body: bytes) -> Ask:
    """Return what a request asks for, but for the model. Raises Refused: bad_request."""
    request: _Request = _decoded(_request, body)
    check_present(request.contents, "contents")
    config = request.config or request.config_snake
    limit, answers = None, 1
    if config is not None:
        limit = token_count(config.max_output_tokens)
        if limit is None:
            limit = token_count(config.max_output_tokens_snake)
        counts = config.candidate_count, config.candidate_count_snake
        answers = max(token_count(count) or 1 for count in counts)
    return Ask("", max_tokens=limit, asks_usage=True, answers=answers)


def read_count_request(body: bytes) -> Ask:
    """Return what a request to count asks for, but for the model. Raises Refused: bad_request."""
    request: _Counted = _decoded(_counted, body)
    if not bytes(request.whole):
        check_present(request.contents, "contents")
    return Ask("", max_tokens=0)


def read_embed_request(body: bytes) -> Ask:
    """Return what a request to embed asks for, but for the model. Raises Refused: bad_request."""
    request: _Embedded = _decoded(_embedded, body)
    if not bytes(request.requests):
        check_present(request.content, "content")
    return Ask("", max_tokens=0)


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise refused_json(error) from None


def renamed(body: bytes, _: Ask, model: str) -> bytes:
    """Return a request body in which every place that repeats the path's model names another.

    They are the member ``model`` itself, that of ``generateContentRequest`` and those in ``requests``.
    """
    name = msgspec.json.encode(_PREFIX + model)
    pieces: list[bytes] = []
    kept = 0
    for member in members(body):
        value = body[member.value_start : member.value_end]
        if member.name == "model":
            value = name
        elif member.name == "generateContentRequest" and value[:1] == b"{":
            value = replaced(value, "model", name)
        elif member.name == "requests" and value[:1] == b"[":
            value = _renamed_items(value, name)
        else:
            continue
        pieces += (body[kept : member.value_start], value)
        kept = member.value_end
    pieces.append(body[kept:])
    return b"".join(pieces)


def _renamed_items(items: bytes, name: bytes) -> bytes:
    found = msgspec.json.decode(items, type=list[msgspec.Raw])
    made = [
        replaced(item, "model", name) if item[:1] == b"{" else item for item in map(bytes, found)
    ]
    return b"[%b]" % b",".join(made)


def read_event(data: bytes, reading: Reading) -> None:
    """Take in one chunk. Raises one of UNREADABLE when it is not JSON."""
    _take(_chunk.decode(data), reading)


def read_skipped(head: bytes, reading: Reading) -> None:
    """Take in the first bytes of a chunk too long to be read. The last chunk may be such a one."""
    reading.may_end = True


def read_body(data: bytes, reading: Reading) -> None:
    """Take in a whole answer, or a whole array of chunks. Raises one of UNREADABLE when it is not JSON."""
    for chunk in _chunks.decode(data) if data.lstrip()[:1] == b"[" else [_chunk.decode(data)]:
        _take(chunk, reading)


def _take(chunk: _Chunk, reading: Reading) -> None:
    if isinstance(chunk.model, str):
        reading.model = chunk.model.removeprefix(_PREFIX)
    if isinstance(chunk.answer_id, str):
        reading.answer_id = chunk.answer_id
    reading.usage = merged(reading.usage, chunk.usage)
    if chunk.error is not None:
        reading.error_code = _error_code(chunk.error)
    if isinstance(chunk.candidates, list):
        # Some versions repeat the reason in every chunk, so the last chunk that tells one counts.
        told, reading.finish_reasons = reading.finish_reasons, ()
        for candidate in chunk.candidates:
            if isinstance(candidate, dict):
                reading.visible_bytes += _generated_bytes(candidate.get("content"))
                if candidate.get("finishReason") is not None:
                    reading.is_terminal = reading.may_end = True
                    reading.stopped(candidate["finishReason"])
        reading.finish_reasons = reading.finish_reasons or told
    feedback = chunk.prompt_feedback
    if isinstance(feedback, dict) and feedback.get("blockReason") is not None:
        reading.is_terminal = reading.may_end = True


def _generated_bytes(content: object) -> int:
    parts = content.get("parts") if isinstance(content, dict) else None
    total = 0
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict):
            total += text_bytes(part.get("text"))
            if isinstance(part.get("functionCall"), dict):
                total += len(msgspec.json.encode(part["functionCall"]))
    return total


def _error_code(error: object) -> str:
    status = error.get("status") if isinstance(error, dict) else None
    return status[:64] if isinstance(status, str) and status else "provider_error"


def counts(usage: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object: thoughts are output, results of tools are input."""
    prompt = token_count(usage.get("promptTokenCount"))
    answer = token_count(usage.get("candidatesTokenCount"))
    thoughts = token_count(usage.get("thoughtsTokenCount"))
    tools = token_count(usage.get("toolUsePromptTokenCount")) or 0
    read = token_count(usage.get("cachedContentTokenCount")) or 0
    total = token_count(usage.get("totalTokenCount"))
    is_consistent = True
    output = None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0)
    if prompt is not None and read > prompt:
        read, is_consistent = 0, False
    if prompt is not None and output is not None and total is not None:
        rest = total - prompt - tools - output
        if rest > 0:
            # What neither class explains is billed at the dearer one.
            output, is_consistent = output + rest, False
    fresh = None if prompt is None else prompt - read + tools
    return Counts(fresh, output, read, is_consistent=is_consistent)


def embed_counts(usage: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object of an embedding: nothing is generated."""
    return Counts(token_count(usage.get("promptTokenCount")), 0)


GEMINI = Dialect(
    "gemini",
    read_request,
    read_event,
    read_body,
    counts,
    GOOGLE_ERRORS,
    renamed=renamed,
    read_skipped=read_skipped,
    max_event_bytes=_MAX_EVENT_BYTES,
    streams_arrays=True,
    usage_member=b'"usageMetadata"',
)
GEMINI_COUNT = Dialect(
    "gemini_count",
    read_count_request,
    read_event,
    read_body,
    counts,
    GOOGLE_ERRORS,
    renamed=renamed,
    answers_text=False,
)
GEMINI_EMBEDDINGS = Dialect(
    "gemini_embeddings",
    read_embed_request,
    read_event,
    read_body,
    embed_counts,
    GOOGLE_ERRORS,
    renamed=renamed,
    answers_text=False,
    usage_member=b'"usageMetadata"',
)
