"""OpenAI chat answers, streamed and whole: read into events, and written from them."""

from typing import Any

import msgspec

from proxy.dialects.openai_choices import counts
from proxy.translation.chat_request import written_call
from proxy.translation.ends import FROM_CHAT, TO_CHAT
from proxy.translation.errors import failure_in
from proxy.translation.neutral import (
    Answer,
    ArgumentsDelta,
    BlockEnd,
    Context,
    Done,
    Event,
    Logprob,
    Logprobs,
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
from proxy.translation.shapes import count_in, dict_in, dumps, given, list_in, loads, text_in
from proxy.translation.thinking import ANTHROPIC_FAMILY, GEMINI_FAMILY, packed, unpacked

_DONE = b"[DONE]"


class Reader:
    """Reads the chunks of a stream. Calls told in turns are put one after the other."""

    def __init__(self) -> None:
        self._has_started = False
        self._live: int | None = None
        self._arguments: list[str] = []
        self._waiting: dict[int, list[Event]] = {}
        self._usage: dict[str, Any] | None = None

    def event(self, _name: str, data: bytes) -> list[Event]:
        """Return what a chunk says. Raises msgspec.DecodeError when it is not JSON."""
        if data.strip() == _DONE:
            return [*self._flushed(), Done()]
        chunk = dict_in(loads(data))
        if chunk.get("error") is not None:
            return [failure_in(chunk)]
        made: list[Event] = []
        if not self._has_started:
            self._has_started = True
            made.append(Start(text_in(chunk.get("id")), text_in(chunk.get("model"))))
        for choice in list_in(chunk.get("choices")):
            choice = dict_in(choice)
            if choice.get("index") in (None, 0):
                self._choice(choice, made)
        if isinstance(chunk.get("usage"), dict):
            made.append(tokens_of(chunk["usage"]))
        return made

    def end(self) -> list[Event]:
        """Return what the end of the body says."""
        return [*self._flushed(), Done()]

    def _choice(self, choice: dict[str, Any], made: list[Event]) -> None:
        delta = dict_in(choice.get("delta"))
        made += _said(delta)
        for call in list_in(delta.get("tool_calls")):
            self._call(dict_in(call), made)
        made += _logprobs(choice.get("logprobs"))
        reason = choice.get("finish_reason")
        if isinstance(reason, str):
            made += self._flushed()
            made.append(Stop(FROM_CHAT.get(reason, StopReason.END)))

    def _call(self, call: dict[str, Any], made: list[Event]) -> None:
        index = count_in(call.get("index"))
        function = dict_in(call.get("function"))
        events: list[Event] = []
        is_known = index == self._live or index in self._waiting
        if not is_known:
            events.append(
                ToolStart(text_in(call.get("id")), text_in(function.get("name")), _seal(call))
            )
        if text := text_in(function.get("arguments")):
            events.append(ArgumentsDelta(text))
        if not is_known and not self._waiting and self._is_complete():
            self._live, self._arguments = index, []
        if index == self._live:
            self._arguments += [e.text for e in events if isinstance(e, ArgumentsDelta)]
            made += events
            if self._waiting and self._is_complete():
                made += self._flushed()
        else:
            self._waiting.setdefault(index, []).extend(events)

    def _is_complete(self) -> bool:
        """Say whether no call is open whose arguments may still grow."""
        if self._live is None:
            return True
        try:
            loads("".join(self._arguments))
        except msgspec.DecodeError:
            return False
        return True

    def _flushed(self) -> list[Event]:
        """Return the calls that had to wait; the last of them stays open."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            self._live = max(waiting)
            self._arguments = [e.text for e in waiting[self._live] if isinstance(e, ArgumentsDelta)]
        return [event for index in sorted(waiting) for event in waiting[index]]


def _seal(call: dict[str, Any]) -> Seal | None:
    google = dict_in(dict_in(call.get("extra_content")).get("google"))
    signature = text_in(google.get("thought_signature"))
    return unpacked(signature, GEMINI_FAMILY) if signature else None


def _said(message: dict[str, Any]) -> list[Event]:
    """Return the words of a delta or a whole message: servers of open models tell their thinking too."""
    thought = text_in(message.get("reasoning_content")) or text_in(message.get("reasoning"))
    content = message.get("content")
    text = content if isinstance(content, str) else _joined(content)
    events: list[Event] = []
    if thought:
        events.append(ThinkingDelta(thought))
    if text:
        events.append(TextDelta(text))
    if refusal := text_in(message.get("refusal")):
        events.append(RefusalDelta(refusal))
    return events


def _joined(content: object) -> str:
    return "".join(text_in(dict_in(part).get("text")) for part in list_in(content))


def _logprobs(value: object) -> list[Event]:
    items = [_logprob(dict_in(item)) for item in list_in(dict_in(value).get("content"))]
    return [Logprobs(tuple(items))] if items else []


def _logprob(item: dict[str, Any]) -> Logprob:
    value = item.get("logprob")
    top = tuple(_logprob(dict_in(inner)) for inner in list_in(item.get("top_logprobs")))
    return Logprob(
        text_in(item.get("token")), value if isinstance(value, (int, float)) else 0.0, top
    )


def tokens_of(usage: dict[str, Any]) -> Tokens:
    """Return the counts of a usage object."""
    told = counts(usage)
    details = dict_in(usage.get("completion_tokens_details"))
    return Tokens(
        told.input_tokens or 0,
        told.output_tokens or 0,
        told.cache_read_tokens,
        told.cache_write_tokens,
        told.cache_write_1h_tokens,
        count_in(details.get("reasoning_tokens")),
    )


def read_whole(body: dict[str, Any]) -> list[Event]:
    """Return the events of a whole answer."""
    events: list[Event] = [Start(text_in(body.get("id")), text_in(body.get("model")))]
    choices = list_in(body.get("choices"))
    choice = dict_in(choices[0]) if choices else {}
    message = dict_in(choice.get("message"))
    events += _said(message)
    for call in list_in(message.get("tool_calls")):
        call = dict_in(call)
        function = dict_in(call.get("function"))
        events += [
            ToolStart(text_in(call.get("id")), text_in(function.get("name")), _seal(call)),
            ArgumentsDelta(text_in(function.get("arguments"))),
        ]
    events += _logprobs(choice.get("logprobs"))
    if isinstance(body.get("usage"), dict):
        events.append(tokens_of(body["usage"]))
    reason = FROM_CHAT.get(text_in(choice.get("finish_reason")))
    return [*events, Stop(reason or StopReason.LENGTH), Done()]


class Writer:
    """Writes the chunks of a stream from ordered events."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._id = _answer_id(context, "")
        self._model = context.model
        self._calls = -1
        self._thinking = Thinking("")
        self._tokens: Tokens | None = None

    def write(self, event: Event) -> bytes:
        """Return the bytes that say an event; empty where a chunk says nothing of it."""
        if isinstance(event, Start):
            self._id = _answer_id(self._context, event.id)
            return self._chunk({"role": "assistant", "content": ""})
        if isinstance(event, TextDelta):
            return self._chunk({"content": event.text})
        if isinstance(event, ThinkingDelta):
            self._thinking = Thinking(self._thinking.text + event.text)
            return self._chunk({"reasoning_content": event.text})
        if isinstance(event, Sealed):
            self._thinking = Thinking(self._thinking.text, event.seal)
        elif isinstance(event, RefusalDelta):
            return self._chunk({"refusal": event.text})
        elif isinstance(event, BlockEnd):
            thinking, self._thinking = self._thinking, Thinking("")
            blocks = _thinking_blocks([thinking])
            return self._chunk({"thinking_blocks": blocks}) if blocks else b""
        else:
            return self._rest(event)
        return b""

    def _rest(self, event: Event) -> bytes:
        if isinstance(event, ToolStart):
            self._calls += 1
            call = written_call(
                ToolUse(self._call_id(event.id), self._name(event.name), "", event.seal)
            )
            return self._chunk({"tool_calls": [{"index": self._calls, **call}]})
        if isinstance(event, ArgumentsDelta):
            call = {"index": self._calls, "function": {"arguments": event.text}}
            return self._chunk({"tool_calls": [call]})
        if isinstance(event, Logprobs):
            return self._chunk({}, logprobs=_written_logprobs(event.items))
        if isinstance(event, Tokens):
            self._tokens = event
        elif isinstance(event, Stop):
            return self._chunk({}, reason=TO_CHAT[event.reason])
        elif isinstance(event, Done):
            return self._usage() + b"data: [DONE]\n\n"
        return b""

    def error(self, code: str, message: str, kind: str = "provider_error") -> bytes:
        """Return the event that ends a broken stream."""
        error = {"type": kind, "code": code, "message": message, "param": None}
        return _framed({"error": error})

    def _call_id(self, call_id: str) -> str:
        return call_id or f"call_{self._context.answer_id}_{self._calls}"

    def _name(self, name: str) -> str:
        return self._context.names.get(name, name)

    def _usage(self) -> bytes:
        context = self._context
        if not context.asks_usage:
            return b""
        chunk = self._base()
        chunk["choices"] = []
        chunk["usage"] = written_usage(self._tokens or Tokens())
        if context.dropped:
            chunk["extra_fields"] = {"params_dropped": list(context.dropped)}
        return _framed(chunk)

    def _base(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._context.created,
            "model": self._model,
        }

    def _chunk(
        self, delta: dict[str, Any], reason: str | None = None, logprobs: object = None
    ) -> bytes:
        chunk = self._base()
        chunk["choices"] = [
            {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        ]
        if self._context.asks_usage:
            chunk["usage"] = None
        elif reason is not None and self._context.dropped:
            chunk["extra_fields"] = {"params_dropped": list(self._context.dropped)}
        return _framed(chunk)


def _framed(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % dumps(chunk)


def _answer_id(context: Context, answer_id: str) -> str:
    return answer_id or f"chatcmpl-{context.answer_id}"


def _thinking_blocks(parts: list[Thinking]) -> list[dict[str, Any]]:
    """Return sealed thinking in the form in which clients of several models already send it back."""
    blocks: list[dict[str, Any]] = []
    for part in parts:
        if part.seal is None:
            continue
        sealed = packed(part.seal, ANTHROPIC_FAMILY)
        if part.seal.is_whole:
            blocks.append({"type": "redacted_thinking", "data": sealed})
        else:
            blocks.append({"type": "thinking", "thinking": part.text, "signature": sealed})
    return blocks


def _written_logprobs(items: tuple[Logprob, ...]) -> dict[str, Any] | None:
    return (
        {"content": [_written_logprob(item) for item in items], "refusal": None} if items else None
    )


def _written_logprob(item: Logprob, is_top: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {
        "token": item.token,
        "logprob": item.logprob,
        "bytes": list(item.token.encode("utf-8", "replace")),
    }
    if not is_top:
        made["top_logprobs"] = [_written_logprob(inner, True) for inner in item.top]
    return made


def written_usage(tokens: Tokens) -> dict[str, Any]:
    """Return a usage object; its prompt tokens include the cached ones."""
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.prompt + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }


def write_whole(answer: Answer, context: Context) -> dict[str, Any]:
    """Return the body of a whole answer."""
    parts = answer.parts
    calls = [part for part in parts if isinstance(part, ToolUse)]
    thoughts = [part for part in parts if isinstance(part, Thinking)]
    refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
    text = "".join(part.text for part in parts if isinstance(part, Text))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text if text or not (calls or refusal) else None,
        "refusal": refusal or None,
        **given(
            reasoning_content="".join(part.text for part in thoughts) or None,
            thinking_blocks=_thinking_blocks(thoughts),
            tool_calls=[_whole_call(n, call, context) for n, call in enumerate(calls)],
        ),
    }
    body = {
        "id": _answer_id(context, answer.id),
        "object": "chat.completion",
        "created": context.created,
        "model": context.model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": _written_logprobs(answer.logprobs),
                "finish_reason": TO_CHAT[answer.stop.reason],
            }
        ],
        "usage": written_usage(answer.tokens or Tokens()),
    }
    if context.dropped:
        body["extra_fields"] = {"params_dropped": list(context.dropped)}
    return body


def _whole_call(number: int, call: ToolUse, context: Context) -> dict[str, Any]:
    call_id = call.id or f"call_{context.answer_id}_{number}"
    name = context.names.get(call.name, call.name)
    return written_call(ToolUse(call_id, name, call.arguments, call.seal))
