"""Gemini answers, streamed and whole: read into events, and written from them."""

from typing import Any

from proxy.translation.ends import FROM_GEMINI, TO_GEMINI
from proxy.translation.errors import GOOGLE_STATUSES, failure_in
from proxy.translation.gemini_request import written_call
from proxy.translation.neutral import (
    Answer,
    ArgumentsDelta,
    BlockEnd,
    Context,
    Done,
    Event,
    Logprob,
    Logprobs,
    Part,
    Refusal,
    RefusalDelta,
    Seal,
    Sealed,
    Start,
    Stop,
    StopReason,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tokens,
    ToolStart,
    ToolUse,
)
from proxy.translation.shapes import (
    count_in,
    dict_in,
    dumps,
    given,
    json_text,
    list_in,
    loads,
    text_in,
)
from proxy.translation.thinking import packed_base64, unpacked_base64

_BROKEN_STATUS = 502


class Reader:
    """Reads the chunks of a stream. The end of the body is the end of the answer."""

    def __init__(self) -> None:
        self._has_started = False

    def event(self, _name: str, data: bytes) -> list[Event]:
        """Return what a chunk says. Raises msgspec.DecodeError when it is not JSON."""
        chunk = dict_in(loads(data))
        if chunk.get("error") is not None:
            return [failure_in(chunk)]
        made: list[Event] = []
        if not self._has_started:
            self._has_started = True
            made.append(Start(text_in(chunk.get("responseId")), text_in(chunk.get("modelVersion"))))
        return made + _chunk(chunk)

    def end(self) -> list[Event]:
        """Return what the end of the body says."""
        return [Done()]


def _chunk(chunk: dict[str, Any]) -> list[Event]:
    made: list[Event] = []
    if isinstance(chunk.get("usageMetadata"), dict):
        made.append(tokens_of(chunk["usageMetadata"]))
    candidates = list_in(chunk.get("candidates"))
    candidate = dict_in(candidates[0]) if candidates else {}
    for part in list_in(dict_in(candidate.get("content")).get("parts")):
        made += _part(dict_in(part))
    made += _logprobs(dict_in(candidate.get("logprobsResult")))
    reason = candidate.get("finishReason")
    if isinstance(reason, str):
        made.append(Stop(FROM_GEMINI.get(reason, StopReason.END)))
    elif dict_in(chunk.get("promptFeedback")).get("blockReason"):
        made.append(Stop(StopReason.FILTERED))
    return made


def _part(part: dict[str, Any]) -> list[Event]:
    signature = text_in(part.get("thoughtSignature"))
    seal = unpacked_base64(signature) if signature else None
    if part.get("thought") is True:
        thought: list[Event] = [ThinkingDelta(text_in(part.get("text")))]
        return [*thought, Sealed(seal)] if seal is not None else thought
    if "functionCall" in part:
        call = dict_in(part["functionCall"])
        return [
            ToolStart(text_in(call.get("id")), text_in(call.get("name")), seal),
            ArgumentsDelta(json_text(dict_in(call.get("args")))),
            BlockEnd(),
        ]
    # The signature of plain text is not demanded back.
    return [TextDelta(text_in(part.get("text")))]


def _logprobs(result: dict[str, Any]) -> list[Event]:
    tops = list_in(result.get("topCandidates"))
    items = []
    for number, chosen in enumerate(list_in(result.get("chosenCandidates"))):
        others = list_in(dict_in(tops[number]).get("candidates")) if number < len(tops) else []
        told = _logprob(dict_in(chosen))
        items.append(Logprob(told.token, told.logprob, tuple(_logprob(dict_in(o)) for o in others)))
    return [Logprobs(tuple(items))] if items else []


def _logprob(item: dict[str, Any]) -> Logprob:
    value = item.get("logProbability")
    return Logprob(text_in(item.get("token")), value if isinstance(value, (int, float)) else 0.0)


def tokens_of(usage: dict[str, Any]) -> Tokens:
    """Return the counts of a usage object: its prompt includes what was cached, its candidates no thoughts."""
    cached = count_in(usage.get("cachedContentTokenCount"))
    prompt = count_in(usage.get("promptTokenCount")) + count_in(
        usage.get("toolUsePromptTokenCount")
    )
    thoughts = count_in(usage.get("thoughtsTokenCount"))
    return Tokens(
        input=max(prompt - cached, 0),
        output=count_in(usage.get("candidatesTokenCount")) + thoughts,
        cache_read=min(cached, prompt),
        reasoning=thoughts,
    )


def read_whole(body: dict[str, Any]) -> list[Event]:
    """Return the events of a whole answer."""
    return [*Reader().event("", dumps(body)), Done()]


class Writer:
    """Writes the chunks of a stream from ordered events: function calls whole, as Gemini tells them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._id = ""
        self._call: ToolStart | None = None
        self._arguments: list[str] = []
        self._stop = Stop(StopReason.END)
        self._tokens: Tokens | None = None
        self._has_written = False
        self._calls = 0

    def write(self, event: Event) -> bytes:
        """Return the bytes that say an event."""
        if isinstance(event, Start):
            self._id = _answer_id(self._context, event.id)
        elif isinstance(event, TextDelta | RefusalDelta):
            return self._parts({"text": event.text})
        elif isinstance(event, ThinkingDelta):
            if self._context.shows_thinking:
                return self._parts({"text": event.text, "thought": True})
        elif isinstance(event, Sealed):
            return self._parts(_sealed("", event.seal))
        elif isinstance(event, ToolStart):
            self._call, self._arguments = event, []
        elif isinstance(event, ArgumentsDelta):
            self._arguments.append(event.text)
        elif isinstance(event, BlockEnd) and self._call is not None:
            return self._called(self._call)
        elif isinstance(event, Logprobs):
            return self._framed({"logprobsResult": _written_logprobs(event.items)})
        elif isinstance(event, Tokens):
            self._tokens = event
        elif isinstance(event, Stop):
            self._stop = event
        elif isinstance(event, Done):
            return self._ended()
        return b""

    def error(self, code: str, message: str, kind: str = "") -> bytes:
        """Return the chunk that ends a broken stream, in which an array must end to be read at all."""
        error = {
            "code": _BROKEN_STATUS,
            "message": message,
            "status": GOOGLE_STATUSES.get(_BROKEN_STATUS, "UNAVAILABLE"),
            "details": [{"reason": kind or code}],
        }
        return self._separated({"error": error}) + (b"]" if self._context.is_array else b"")

    def _called(self, start: ToolStart) -> bytes:
        self._call = None
        self._calls += 1
        call = ToolUse(start.id, start.name, "".join(self._arguments), start.seal)
        return self._parts(_whole_call(self._calls, call, self._context))

    def _parts(self, part: dict[str, Any]) -> bytes:
        return self._framed({"content": {"parts": [part], "role": "model"}})

    def _framed(self, candidate: dict[str, Any], usage: dict[str, Any] | None = None) -> bytes:
        chunk = {"candidates": [{**candidate, "index": 0}]}
        return self._separated({**chunk, **_names(self._id, self._context, usage)})

    def _separated(self, chunk: dict[str, Any]) -> bytes:
        data = dumps(chunk)
        if not self._context.is_array:
            return b"data: %b\n\n" % data
        lead = b",\r\n" if self._has_written else b"["
        self._has_written = True
        return lead + data

    def _ended(self) -> bytes:
        candidate = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": TO_GEMINI[self._stop.reason],
        }
        usage = written_usage(self._tokens or Tokens())
        return self._framed(candidate, usage) + (b"]" if self._context.is_array else b"")


def _answer_id(context: Context, answer_id: str) -> str:
    return answer_id or context.answer_id


def _names(answer_id: str, context: Context, usage: dict[str, Any] | None) -> dict[str, Any]:
    return given(usageMetadata=usage, modelVersion=context.model, responseId=answer_id)


def _sealed(text: str, seal: Seal) -> dict[str, Any]:
    return {"text": text, "thought": True, "thoughtSignature": packed_base64(seal)}


def _whole_call(number: int, call: ToolUse, context: Context) -> dict[str, Any]:
    call_id = call.id or f"call_{context.answer_id}_{number}"
    name = context.names.get(call.name, call.name)
    return written_call(ToolUse(call_id, name, call.arguments, call.seal))


def _written_logprobs(items: tuple[Logprob, ...]) -> dict[str, Any]:
    def told(item: Logprob) -> dict[str, Any]:
        return {"token": item.token, "logProbability": item.logprob}

    return {
        "chosenCandidates": [told(item) for item in items],
        "topCandidates": [{"candidates": [told(inner) for inner in item.top]} for item in items],
    }


def written_usage(tokens: Tokens) -> dict[str, Any]:
    """Return a usage object."""
    return {
        "promptTokenCount": tokens.prompt,
        "candidatesTokenCount": max(tokens.output - tokens.reasoning, 0),
        "totalTokenCount": tokens.prompt + tokens.output,
        **({"cachedContentTokenCount": tokens.cache_read} if tokens.cache_read else {}),
        **({"thoughtsTokenCount": tokens.reasoning} if tokens.reasoning else {}),
    }


def write_whole(answer: Answer, context: Context) -> dict[str, Any]:
    """Return the body of a whole answer."""
    parts = [
        made
        for number, part in enumerate(answer.parts)
        if (made := _written_part(number, part, context)) is not None
    ]
    candidate = {
        "content": {"parts": parts or [{"text": ""}], "role": "model"},
        "finishReason": TO_GEMINI[answer.stop.reason],
        "index": 0,
    }
    if answer.logprobs:
        candidate["logprobsResult"] = _written_logprobs(answer.logprobs)
    usage = written_usage(answer.tokens or Tokens())
    return {"candidates": [candidate], **_names(_answer_id(context, answer.id), context, usage)}


def _written_part(number: int, part: Part, context: Context) -> dict[str, Any] | None:
    if isinstance(part, Text | Refusal):
        return {"text": part.text}
    if isinstance(part, ToolUse):
        return _whole_call(number, part, context)
    if isinstance(part, Thinking):
        text = part.text if context.shows_thinking else ""
        if part.seal is not None:
            return _sealed(text, part.seal)
        return {"text": text, "thought": True} if text else None
    return None
