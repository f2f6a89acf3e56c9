"""The stages that apply guardrails: to the request before it is held for, and to the answer on its way.

Without a guardrail both are one comparison. What is found and what could not be looked at are facts of the
call; what was passed unseen is told in a header too.
"""

from collections.abc import Awaitable, Mapping

import trio

from core.fault import Refused
from proxy.checks import Check
from proxy.gateway import Gateway
from proxy.guarding.answers import BodyGuard, StreamGuard, Withheld
from proxy.guarding.events import reader_for
from proxy.guarding.frames import FrameGuard
from proxy.guarding.judge import Judge
from proxy.guarding.texts import with_texts
from proxy.pipeline.call import Call, Converter
from proxy.routes import Guard
from proxy.transport.faults import LeashPulled
from rules.guardrails.texts import Text, Unreadable, request_texts
from rules.guardrails.types import REQUEST, RESPONSE, STREAM_CHUNK

LARGE_BYTES = 1024 * 1024
"""From here on judging takes milliseconds."""
NOT_APPLIED = b"x-langwatch-guardrails-not-applied"
_EVENT_STREAM = b"text/event-stream"


def guard_request(gateway: Gateway, call: Call) -> Awaitable[None] | None:
    """Judge the texts of the request and replace what is to be replaced. Raises Refused:
    GUARDRAIL_BLOCKED, GUARDRAIL_UPSTREAM_UNAVAILABLE."""
    guards = call.checks.guards
    checks = None if guards is None else guards.get(REQUEST)
    if checks is None or call.route.guard is Guard.NOTHING:
        return None
    judge = _judge(gateway, call, REQUEST, checks)
    if len(call.body) > LARGE_BYTES:
        return _judge_aside(call, judge)
    texts, changed = _judged(call, judge)
    if judge.asks and texts:
        return _ask_about_request(call, judge, texts, changed)
    _change(call, judge, texts, changed)
    return None


def _judged(call: Call, judge: Judge) -> tuple[list[Text], dict[int, str]]:
    """Return the texts of a request and what becomes of them, as far as nobody is asked."""
    try:
        if call.dialect.read_form is not None:
            raise Unreadable("files can't be read")
        texts = request_texts(call.body)
    except Unreadable:
        judge.unreadable("unreadable")
        return [], {}
    return texts, judge.texts(texts)


async def _judge_aside(call: Call, judge: Judge) -> None:
    """Judge a request that is large enough for the others on this worker to feel it, in a thread."""
    texts: list[Text] = []
    changed: dict[int, str] = {}
    with call.leash.cancel_scope:
        texts, changed = await trio.to_thread.run_sync(_judged, call, judge)
    if call.leash.reason is not None:
        raise LeashPulled
    await judge.texts_asked(texts, changed)
    _change(call, judge, texts, changed)


async def _ask_about_request(
    call: Call, judge: Judge, texts: list[Text], changed: dict[int, str]
) -> None:
    await judge.texts_asked(texts, changed)
    _change(call, judge, texts, changed)


def _change(call: Call, judge: Judge, texts: list[Text], changed: dict[int, str]) -> None:
    judge.conclude()
    if changed:
        values = {texts[place].path: text for place, text in changed.items()}
        call.body = with_texts(call.body, values)
    _tell(call, judge)


def guard_answer(gateway: Gateway, call: Call) -> None:
    """Put a converter before the client that lets pass only what has been judged."""
    guards = call.checks.guards
    if guards is None or call.route.guard is not Guard.CONTENT:
        return
    upstream = call.upstream
    if upstream is None or upstream.status >= 300:
        return
    media, coding = _media_and_coding(upstream.headers)
    is_stream = media == _EVENT_STREAM
    if call.translated is not None:
        # What is judged is what the client gets, whatever the provider sends.
        is_stream = call.translated.is_streamed and not call.translated.is_array
    checks = _of_streams(guards) if is_stream else guards.get(RESPONSE, ())
    if not checks:
        return
    judge = _judge(gateway, call, STREAM_CHUNK if is_stream else RESPONSE, checks)
    converter: Converter
    if coding not in (b"", b"identity"):
        try:
            judge.unreadable("content_coding")
        except Refused as refused:
            call.converters = (*call.converters, Withheld(refused))
        else:
            _tell(call, judge)
        return
    guard: StreamGuard | BodyGuard
    if is_stream:
        guard = StreamGuard(judge, reader_for(call.dialect.name))
    else:
        guard = BodyGuard(judge, is_plain=media.startswith(b"text/"))
    converter = guard
    call.converters = (*call.converters, converter)
    if judge.asks:
        call.asking = guard.ask


def guard_frames(gateway: Gateway, call: Call) -> FrameGuard | None:
    """Return what judges an answer that comes as the events of a WebSocket; None without a guardrail for it."""
    guards = call.checks.guards
    checks = () if guards is None else _of_streams(guards)
    if not checks:
        return None
    judge = _judge(gateway, call, STREAM_CHUNK, checks)
    return FrameGuard(judge, reader_for(call.dialect.name))


def _of_streams(guards: Mapping[str, tuple[Check, ...]]) -> tuple[Check, ...]:
    # Whoever asks for a stream must not get past what is looked for in whole answers.
    return tuple(dict.fromkeys((*guards.get(RESPONSE, ()), *guards.get(STREAM_CHUNK, ()))))


def _media_and_coding(headers: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    media = coding = b""
    for name, value in headers:
        if name == b"content-type":
            media = value.partition(b";")[0].strip().lower()
        elif name == b"content-encoding":
            coding = value.strip().lower()
    return media, coding


def _judge(gateway: Gateway, call: Call, direction: str, checks: tuple[Check, ...]) -> Judge:
    bundle = call.required_plan().bundle
    about = {
        "request_id": call.identity.request_id,
        "virtual_key_id": bundle.vk_id,
        "project_id": bundle.project_id,
        "principal_id": bundle.principal_id,
        "model": call.model,
    }
    judge = Judge(direction, checks, gateway.pool, about)
    # The entries stay the judge's: what becomes of them while the answer passes is what is booked.
    call.note("guardrails", [*call.facts.get("guardrails", ()), *judge.entries])
    return judge


def _tell(call: Call, judge: Judge) -> None:
    if judge.not_applied:
        told = (NOT_APPLIED, ", ".join(judge.not_applied).encode("ascii", "replace"))
        call.own_headers = [*call.own_headers, told]
