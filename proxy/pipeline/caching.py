"""The stages about caches: the mode of the provider's prompt cache, and answers kept for the very same request.

``respect`` changes no byte. An answer that is given again calls no provider, holds nothing and costs nothing.
"""

import hashlib
from collections.abc import Callable, Hashable

from core.fault import Fault, Refused
from proxy.answer_store import MAX_ANSWER_BYTES, Headers, Kept, Replay
from proxy.cache_markers import with_markers, without_markers, without_members
from proxy.checks import Checks
from proxy.gateway import Gateway
from proxy.pipeline.call import Call, Outcome
from proxy.pipeline.incoming import CACHE_HEADER
from proxy.providers.provider import Upstream
from rules.cache_mode import BadOverride, CacheMode, Resolved, read_override, resolve

_MESSAGES, _GEMINI = "anthropic_messages", "gemini"
_CACHED_CONTENT = ("cachedContent", "cached_content")
_SHAPING_HEADERS = (b"anthropic-version", b"anthropic-beta", b"openai-beta", b"openai-organization")
"""Headers that go on to the provider and change what it answers."""
_DISABLED = CacheMode.DISABLE


def cache_mode(_: Gateway, call: Call) -> None:
    """Find the cache mode of a call and apply it. Raises Refused: CACHE_OVERRIDE_INVALID,
    CACHE_OVERRIDE_NOT_IMPLEMENTED."""
    override = call.incoming.get(CACHE_HEADER)
    checks = call.checks
    if not override and checks.cache_mode is None and not checks.cache_rules:
        return
    mode, rule = _resolved(call, override, checks)
    if mode is CacheMode.RESPECT and rule is None:
        return
    call.cache_mode = mode
    call.note("cache_mode", mode.value)
    if rule is not None:
        call.note("cache_rule_id", rule.id)
        call.note("cache_rule_priority", rule.priority)
    if mode is CacheMode.DISABLE:
        body = without_markers(call.body)
        if call.dialect.name == _GEMINI:
            body = without_members(body, *_CACHED_CONTENT)
        call.body = body
    elif mode is CacheMode.FORCE and call.dialect.name == _MESSAGES:
        call.body = with_markers(call.body)


def _resolved(call: Call, override: bytes, checks: Checks) -> Resolved:
    asked = None
    if override:
        try:
            asked = read_override(override.decode("latin-1"))
        except BadOverride as error:
            if error.is_planned:
                raise Refused(Fault.CACHE_OVERRIDE_NOT_IMPLEMENTED) from None
            told = "`X-LangWatch-Cache` names no cache mode."
            raise Refused(Fault.CACHE_OVERRIDE_INVALID, told) from None
    spellings = (call.model, f"{call.required_lane().binding.type}/{call.model}")
    return resolve(asked, checks.cache_rules, checks.cache_mode, spellings, _header_of(call))


def _header_of(call: Call) -> Callable[[str], str]:
    def header(name: str) -> str:
        wanted = name.encode()
        value = call.incoming.get(wanted)
        if not value:
            value = next((v for n, v in call.incoming.forwarded if n == wanted), b"")
        return value.decode("latin-1")

    return header


def find_answer(gateway: Gateway, call: Call) -> None:
    """Let a kept answer to the very same request serve the call; else have the provider's kept."""
    ttl_seconds = call.checks.response_ttl_seconds
    if not ttl_seconds or call.cache_mode is _DISABLED or call.dialect.read_form is not None:
        return
    if not call.takes_kept:
        return
    call.answer_key = key = _key(call)
    kept = gateway.answers.find(key, gateway.now_s())
    if kept is not None:
        call.upstream = Replay(kept)
        call.is_replayed = True
        call.note("response_cache", "hit")
        call.own_headers = [*call.own_headers, (b"x-langwatch-response-cache", b"hit")]


def _key(call: Call) -> Hashable:
    """Return everything that the provider's answer depends on, and whose call it is."""
    lane = call.required_lane()
    headers = tuple(h for h in call.incoming.forwarded if h[0] in _SHAPING_HEADERS)
    return (
        call.required_plan().bundle.vk_id,
        call.route.request_type,
        lane.binding.id,
        call.model,
        call.scope["query_string"],
        call.ask.is_streamed,
        call.hides_usage,
        headers,
        hashlib.sha256(call.body).digest(),
    )


class Recording:
    """An answer of a provider that is copied while it is read, as long as it is small enough to be kept."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self.status = upstream.status
        self.headers: Headers = upstream.headers
        self.pieces: list[bytes] = []
        self.size_bytes = 0

    @property
    def is_whole(self) -> bool:
        """As the answer says."""
        return self._upstream.is_whole

    async def next_chunks(self) -> list[bytes] | None:
        """Return the next pieces, and keep a copy."""
        pieces = await self._upstream.next_chunks()
        if pieces:
            self.size_bytes += sum(map(len, pieces))
            if self.size_bytes <= MAX_ANSWER_BYTES:
                self.pieces += pieces
            else:
                self.pieces.clear()
        return pieces

    def abort(self) -> None:
        """Stop at once."""
        self._upstream.abort()


def record_answer(_: Gateway, call: Call) -> None:
    """Have a provider's answer copied while it passes, if it may be given again."""
    if call.answer_key is not None and not call.is_replayed and call.upstream is not None:
        call.upstream = Recording(call.upstream)


def keep_answer(gateway: Gateway, call: Call) -> None:
    """Keep a whole and successful answer for the next same request."""
    recorded = call.upstream
    if not isinstance(recorded, Recording) or call.outcome is not Outcome.COMPLETED:
        return
    if recorded.status != 200 or recorded.size_bytes > MAX_ANSWER_BYTES:
        return
    if _key(call) != call.answer_key:
        # A fallback served the call: its answer is not what the provider asked first would say.
        return
    until_s = gateway.now_s() + call.checks.response_ttl_seconds
    headers = [h for h in recorded.headers if h[0] != b"set-cookie"]
    kept = Kept(200, headers, tuple(recorded.pieces), until_s, recorded.size_bytes)
    gateway.answers.keep(call.answer_key, kept)
