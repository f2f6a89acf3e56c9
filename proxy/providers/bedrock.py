"""Amazon Bedrock: Claude's own dialect by ``invoke``, all other models by ``converse``; requests are signed.

A Bedrock API key is shown as a bearer token instead. Streams arrive as AWS event streams: Claude's are turned
into the events that Anthropic itself sends, those of Converse into one event a message, named by its type.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from proxy.bundle import ProviderBinding
from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.dialects.error_forms import ANTHROPIC_ERRORS
from proxy.providers.aws_event_stream import BadEventStream, EventMessage
from proxy.providers.claude_bodies import bedrock_body, has_member, without_own_headers
from proxy.providers.provider import (
    Headers,
    Outgoing,
    Provider,
    Signer,
    Upstream,
    Wanted,
    bearer,
    no_query,
)
from proxy.providers.reframed import EventStreamAnswer, WholeAnswer, with_headers
from rules.aws_signature import AwsKey, AwsScope, signed_headers, signing_key

CONVERSE = "bedrock_converse"
SERVICE = "bedrock"
EVENT_STREAM = b"application/vnd.amazon.eventstream"
_SSE = (b"content-type", b"text/event-stream; charset=utf-8")
_JSON = (b"content-type", b"application/json")
_CLAUDE = "claude"
_COUNT = "count_tokens"


def face(binding: ProviderBinding, model: str) -> Provider:
    """Return as what Bedrock serves a model; an opaque profile is Claude's when its name here says so."""
    names = (model, binding.settings.name_of(model))
    return BEDROCK_CLAUDE if any(_CLAUDE in name.lower() for name in names) else BEDROCK_CONVERSE


def _model_path(binding: ProviderBinding, wanted: Wanted) -> str:
    return f"{binding.base_path}/model/{quote(wanted.model, safe='')}"


def claude_address(binding: ProviderBinding, wanted: Wanted) -> str:
    """Return the path of a call of Claude."""
    if wanted.request_type == _COUNT:
        return _model_path(binding, wanted) + "/count-tokens"
    action = "invoke-with-response-stream" if wanted.is_streamed else "invoke"
    return f"{_model_path(binding, wanted)}/{action}"


def converse_address(binding: ProviderBinding, wanted: Wanted) -> str:
    """Return the path of a call of any other model."""
    action = "converse-stream" if wanted.is_streamed else "converse"
    return f"{_model_path(binding, wanted)}/{action}"


def claude_edit(body: bytes, wanted: Wanted, headers: Headers) -> bytes:
    """Return the body as ``invoke`` takes it; to be counted it is sent wrapped."""
    inner = bedrock_body(body, headers)
    if wanted.request_type != _COUNT:
        return inner
    # To be countable a request must be one that could be made, and that needs a limit.
    if not has_member(inner, "max_tokens"):
        inner = b'{"max_tokens":1,' + inner.lstrip()[1:]
    return b'{"input":{"invokeModel":{"body":"%b"}}}' % base64.b64encode(inner)


def credential_headers(binding: ProviderBinding) -> Headers:
    """Return a Bedrock API key as a bearer token; nothing for an access key, which signs."""
    return bearer(binding.proof.key)


def signer(binding: ProviderBinding) -> Signer | None:
    """Return what signs with the access key, or None for a Bedrock API key."""
    proof = binding.proof
    if not proof.parts:
        return None
    key = AwsKey(proof.part("access_key"), proof.part("secret_key"), proof.part("session_token"))
    return _AwsSigner(key, AwsScope(binding.settings.region, SERVICE))


class _AwsSigner:
    """Signs, and keeps the day's key."""

    def __init__(self, key: AwsKey, scope: AwsScope) -> None:
        self._key = key
        self._scope = scope
        self._day = ""
        self._day_key = b""

    def __call__(self, outgoing: Outgoing) -> Headers:
        now = datetime.fromtimestamp(outgoing.now_s, UTC)
        day = now.strftime("%Y%m%d")
        if day != self._day:
            self._day, self._day_key = day, signing_key(self._key, self._scope, day)
        request = (
            outgoing.method.decode(),
            outgoing.target.decode(),
            outgoing.host.decode(),
            outgoing.body,
        )
        headers = signed_headers(self._key, self._scope, request, now, self._day_key)
        return [(name.encode(), value.encode()) for name, value in headers]


def read_claude(upstream: Upstream, wanted: Wanted) -> Upstream:
    """Return an answer to a call of Claude as Anthropic would have given it."""
    if upstream.status >= 400:
        status = upstream.status
        return WholeAnswer(
            upstream, _named(upstream, _JSON), lambda body: anthropic_error(status, body)
        )
    if wanted.request_type == _COUNT:
        return WholeAnswer(upstream, _named(upstream, _JSON), _count)
    return _unpacked(upstream, claude_event)


def read_converse(upstream: Upstream, _: Wanted) -> Upstream:
    """Return an answer of Converse: a stream as events, anything else as it came."""
    return _unpacked(upstream, converse_event)


def _unpacked(upstream: Upstream, write: Callable[[EventMessage], bytes]) -> Upstream:
    media = dict(upstream.headers).get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media != EVENT_STREAM:
        return upstream
    return EventStreamAnswer(upstream, _named(upstream, _SSE), write)


def _named(upstream: Upstream, media: tuple[bytes, bytes]) -> Headers:
    """Return the headers of a turned answer, with the provider's id of the request where it is looked for."""
    request_id = dict(upstream.headers).get(b"x-amzn-requestid")
    named = [(b"request-id", request_id)] if request_id else []
    return with_headers(upstream.headers, media, *named)


class _Chunk(msgspec.Struct):
    bytes: str = ""


class _Kind(msgspec.Struct):
    type: str = ""


class _Told(msgspec.Struct):
    message: str = ""
    Message: str = ""


class _Counted(msgspec.Struct):
    inputTokens: int = 0  # noqa: N815 - as AWS spells it


_chunk = msgspec.json.Decoder(_Chunk)
_kind = msgspec.json.Decoder(_Kind)
_told = msgspec.json.Decoder(_Told)
_counted = msgspec.json.Decoder(_Counted)

_STATUS_OF = {
    "accessDeniedException": 403,
    "internalServerException": 500,
    "modelErrorException": 500,
    "modelStreamErrorException": 500,
    "modelTimeoutException": 504,
    "resourceNotFoundException": 404,
    "serviceUnavailableException": 503,
    "throttlingException": 429,
    "validationException": 400,
}


def claude_event(message: EventMessage) -> bytes:
    """Return Anthropic's event of a message: what it carries, or an error. Raises BadEventStream."""
    name = _failure(message)
    if name:
        error = _error(_STATUS_OF.get(name, 500), _words(message) or name)
        return b"event: error\ndata: %b\n\n" % error
    try:
        data = base64.b64decode(_chunk.decode(message.payload).bytes, validate=True)
        kind = _kind.decode(data).type if data else ""
    except (msgspec.DecodeError, binascii.Error):
        raise BadEventStream("a chunk holds no event") from None
    if not kind or not kind.isidentifier():
        return b""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data.replace(b"\n", b" "))


def converse_event(message: EventMessage) -> bytes:
    """Return a message of Converse as an event of its name; an exception has that of the exception."""
    name = _failure(message)
    payload = message.payload
    if name and not payload:
        payload = msgspec.json.encode({"message": _words(message)})
    name = name or message.headers.get(":event-type", "")
    if not name.isidentifier():
        raise BadEventStream("a message has no type")
    return b"event: %b\ndata: %b\n\n" % (name.encode(), payload.replace(b"\n", b" "))


def _failure(message: EventMessage) -> str:
    """Return the name of what went wrong; empty for an ordinary message."""
    headers = message.headers
    if headers.get(":message-type") == "exception":
        return headers.get(":exception-type", "") or "internalServerException"
    return "internalServerException" if headers.get(":message-type") == "error" else ""


def _words(message: EventMessage) -> str:
    return _said(message.payload) or message.headers.get(":error-message", "")


def _said(body: bytes) -> str:
    try:
        told = _told.decode(body)
    except msgspec.DecodeError:
        return ""
    return told.message or told.Message


def anthropic_error(status: int, body: bytes) -> bytes:
    """Return the body of a refusal in Anthropic's form, with AWS's own words in it."""
    return _error(status, _said(body) or body[:1000].decode("utf-8", "replace"))


def _error(status: int, message: str) -> bytes:
    kind = ANTHROPIC_ERRORS.kind(status, "api_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


def _count(body: bytes) -> bytes:
    try:
        return msgspec.json.encode({"input_tokens": _counted.decode(body).inputTokens})
    except msgspec.DecodeError:
        return body


BEDROCK_CLAUDE = Provider(
    "bedrock",
    frozenset({ANTHROPIC_MESSAGES.name}),
    claude_address,
    credential_headers,
    edit=claude_edit,
    headers=without_own_headers,
    query=no_query,
    signer=signer,
    read=read_claude,
)
BEDROCK_CONVERSE = Provider(
    "bedrock",
    frozenset({CONVERSE}),
    converse_address,
    credential_headers,
    headers=without_own_headers,
    query=no_query,
    signer=signer,
    read=read_converse,
)
BEDROCK = Provider(
    "bedrock",
    BEDROCK_CLAUDE.dialects | BEDROCK_CONVERSE.dialects,
    claude_address,
    credential_headers,
    face=face,
)
"""Stands for both until a model is named."""
