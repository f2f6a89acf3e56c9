"""Vertex AI: Gemini in Google's dialect, Claude in Anthropic's by ``rawPredict``; a service account shows a token."""

import re
from urllib.parse import quote

import msgspec

from core.provider_tokens import GOOGLE_SCOPE
from proxy.bundle import ProviderBinding
from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.dialects.error_forms import ANTHROPIC_ERRORS
from proxy.dialects.gemini import GEMINI, GEMINI_COUNT
from proxy.providers.claude_bodies import vertex_body, vertex_headers
from proxy.providers.provider import (
    Headers,
    Provider,
    TokenNeed,
    Upstream,
    Wanted,
    no_headers,
    no_query,
)
from proxy.providers.reframed import WholeAnswer, with_headers

_CLAUDE = "claude"
_COUNT = "count_tokens"
_DATED = re.compile(r"(claude-.+)-(\d{8})")
_VERSION = "/v1"
_JSON = (b"content-type", b"application/json")


def face(binding: ProviderBinding, model: str) -> Provider:
    """Return as what Vertex serves a model."""
    is_claude = binding.settings.name_of(model).lower().startswith(_CLAUDE)
    return VERTEX_CLAUDE if is_claude else VERTEX_GEMINI


def _publisher(binding: ProviderBinding, publisher: str) -> str:
    settings = binding.settings
    root = binding.base_path.removesuffix(_VERSION) + _VERSION
    where = f"projects/{quote(settings.project, safe=':')}/locations/{settings.region}"
    return f"{root}/{where}/publishers/{publisher}/models"


def gemini_address(binding: ProviderBinding, wanted: Wanted) -> str:
    """Return the path of a call of Gemini: the action is that of the caller's own path."""
    action = wanted.upstream_path.rpartition(":")[2]
    return f"{_publisher(binding, 'google')}/{quote(wanted.model, safe='')}:{action}"


def claude_address(binding: ProviderBinding, wanted: Wanted) -> str:
    """Return the path of a call of Claude; Anthropic's dated names are those of Vertex with another mark."""
    models = _publisher(binding, "anthropic")
    if wanted.request_type == _COUNT:
        return f"{models}/count-tokens:rawPredict"
    model = quote(vertex_name(wanted.model), safe="@")
    return f"{models}/{model}:{'streamRawPredict' if wanted.is_streamed else 'rawPredict'}"


def vertex_name(model: str) -> str:
    """Return what Vertex calls one of Claude's models: its date stands behind an @."""
    dated = _DATED.fullmatch(model)
    return f"{dated[1]}@{dated[2]}" if dated else model


def claude_edit(body: bytes, wanted: Wanted, headers: Headers) -> bytes:
    """Return the body as ``rawPredict`` takes it."""
    return vertex_body(body, headers, keeps_model=wanted.request_type == _COUNT)


def gemini_query(given: bytes) -> bytes:
    """Return of a caller's query what Vertex knows: whether a stream is one of events."""
    return b"alt=sse" if b"alt=sse" in given.split(b"&") else b""


def token(binding: ProviderBinding) -> TokenNeed | None:
    """Return the token that the service account must show."""
    return TokenNeed(binding.proof.account, "google", GOOGLE_SCOPE)


def read_claude(upstream: Upstream, _: Wanted) -> Upstream:
    """Return an answer to a call of Claude; a refusal of Google's own in Anthropic's form."""
    if upstream.status < 400:
        return upstream
    status, headers = upstream.status, with_headers(upstream.headers, _JSON)
    return WholeAnswer(upstream, headers, lambda body: anthropic_error(status, body))


class _Refusal(msgspec.Struct):
    message: str = ""


class _Refused(msgspec.Struct):
    error: _Refusal
    type: str = ""


_refused = msgspec.json.Decoder(_Refused | list[_Refused])


def anthropic_error(status: int, body: bytes) -> bytes:
    """Return the body of a refusal in Anthropic's form; one that is in it already passes as it is."""
    try:
        refused = _refused.decode(body)
    except msgspec.DecodeError:
        message = body[:1000].decode("utf-8", "replace")
    else:
        first = refused[0] if isinstance(refused, list) and refused else refused
        if isinstance(first, _Refused) and first.type == "error":
            return body
        message = first.error.message if isinstance(first, _Refused) else ""
    kind = ANTHROPIC_ERRORS.kind(status, "api_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


VERTEX_GEMINI = Provider(
    "vertex",
    frozenset({GEMINI.name, GEMINI_COUNT.name}),
    gemini_address,
    no_headers,
    query=gemini_query,
    token=token,
)
VERTEX_CLAUDE = Provider(
    "vertex",
    frozenset({ANTHROPIC_MESSAGES.name}),
    claude_address,
    no_headers,
    edit=claude_edit,
    headers=vertex_headers,
    query=no_query,
    token=token,
    read=read_claude,
)
VERTEX = Provider(
    "vertex",
    VERTEX_GEMINI.dialects | VERTEX_CLAUDE.dialects,
    gemini_address,
    no_headers,
    face=face,
)
"""Stands for both until a model is named."""
