"""OpenAI Responses streams, written from ordered events: every event numbered, every item opened and closed."""

from dataclasses import replace
from typing import Any

from proxy.translation import responses_items as items
from proxy.translation.neutral import (
    ArgumentsDelta,
    BlockEnd,
    Context,
    Done,
    Event,
    Part,
    Refusal,
    RefusalDelta,
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
from proxy.translation.sequence import grown
from proxy.translation.shapes import dumps


class Writer:
    """Writes the events of one response."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._id = ""
        self._number = 0
        self._output: list[dict[str, Any]] = []
        self._part: Part | None = None
        self._item_id = ""
        self._texts: list[str] = []
        """The deltas of the item under way, joined when it closes."""
        self._has_summary = False
        self._stop = Stop(StopReason.END)
        self._tokens: Tokens | None = None

    def write(self, event: Event) -> bytes:
        """Return the bytes that say an event."""
        if isinstance(event, Start):
            self._id = event.id
            return self._told("response.created") + self._told("response.in_progress")
        if isinstance(event, Tokens):
            self._tokens = event
        elif isinstance(event, Stop):
            self._stop = event
        elif isinstance(event, BlockEnd):
            return self._closed()
        elif isinstance(event, Done):
            return self._ended()
        elif isinstance(
            event,
            TextDelta | RefusalDelta | ThinkingDelta | Sealed | ToolStart | ArgumentsDelta,
        ):
            opened = self._opened(event)
            if isinstance(event, Sealed):
                self._part = grown(self._part, event)
            elif not isinstance(event, ToolStart):
                self._texts.append(event.text)
            return opened + self._delta(event)
        return b""

    def error(self, code: str, message: str, kind: str = "") -> bytes:
        """Return the events that end a broken stream: the error, which SDKs raise, and the response that failed."""
        code = code or kind or "server_error"
        error = {"type": kind or "provider_error", "code": code, "message": message, "param": None}
        told = {"code": code, "message": message, "param": None, "error": error}
        made = items.response(self._id, self._context, "failed", self._output)
        made["error"] = {"code": code, "message": message}
        return self._framed("error", told) + self._framed("response.failed", {"response": made})

    def _told(self, kind: str) -> bytes:
        made = items.response(self._id, self._context, "in_progress", [])
        return self._framed(kind, {"response": made})

    def _framed(self, kind: str, members: dict[str, Any]) -> bytes:
        data = {"type": kind, "sequence_number": self._number, **members}
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), dumps(data))

    @property
    def _place(self) -> dict[str, Any]:
        """Where a delta belongs: the item under way."""
        return {"item_id": self._item_id, "output_index": len(self._output)}

    def _finished(self) -> dict[str, Any]:
        text = "".join(self._texts)
        self._texts = []
        part = self._part
        if isinstance(part, ToolUse):
            part = replace(part, arguments=text)
        elif isinstance(part, Text | Refusal | Thinking):
            part = replace(part, text=text)
        return items.item_of(part or Text(""), len(self._output), self._context)

    def _opened(self, event: Event) -> bytes:
        """Return the events that open an item, when this event is the first of its block."""
        if self._part is not None:
            return b""
        number, context = len(self._output), self._context
        if isinstance(event, ToolStart):
            call = ToolUse(event.id, event.name, "", event.seal)
            before = b""
            if event.seal is not None:
                # A call can't be signed here; a reasoning item before it can.
                self._part = Thinking("", event.seal)
                before = self._added(items.reasoning(number, context, "", None)) + self._closed()
            self._part = call
            item = items.call_item(call, len(self._output), context, "in_progress")
            return before + self._added(item)
        if isinstance(event, ThinkingDelta | Sealed):
            self._part = Thinking("")
            self._has_summary = False
            return self._added(items.reasoning(number, context, "", None))
        part: Text | Refusal = Refusal("") if isinstance(event, RefusalDelta) else Text("")
        self._part = part
        item = items.message(number, context, [], "in_progress")
        place = {"item_id": item["id"], "output_index": number, "content_index": 0}
        content = {**place, "part": items.content_of(part)}
        return self._added(item) + self._framed("response.content_part.added", content)

    def _added(self, item: dict[str, Any]) -> bytes:
        self._item_id = item["id"]
        members = {"output_index": len(self._output), "item": item}
        return self._framed("response.output_item.added", members)

    def _delta(self, event: Event) -> bytes:
        place = self._place
        if isinstance(event, TextDelta):
            members = {**place, "content_index": 0, "delta": event.text, "logprobs": []}
            return self._framed("response.output_text.delta", members)
        if isinstance(event, RefusalDelta):
            members = {**place, "content_index": 0, "delta": event.text}
            return self._framed("response.refusal.delta", members)
        if isinstance(event, ArgumentsDelta) and not self._is_custom():
            members = {**place, "delta": event.text}
            return self._framed("response.function_call_arguments.delta", members)
        if isinstance(event, ThinkingDelta) and self._context.shows_thinking:
            place["summary_index"] = 0
            opened = b""
            if not self._has_summary:
                self._has_summary = True
                part = {"type": "summary_text", "text": ""}
                opened = self._framed(
                    "response.reasoning_summary_part.added", {**place, "part": part}
                )
            members = {**place, "delta": event.text}
            return opened + self._framed("response.reasoning_summary_text.delta", members)
        return b""

    def _is_custom(self) -> bool:
        part = self._part
        if not isinstance(part, ToolUse):
            return False
        return self._context.names.get(part.name, part.name) in self._context.custom_tools

    def _closed(self) -> bytes:
        """Return the events that close the item under way; those before the last repeat it as a whole."""
        if self._part is None:
            return b""
        item, place = self._finished(), self._place
        made = self._inner_done(item, place)
        done = {"output_index": len(self._output), "item": item}
        made += self._framed("response.output_item.done", done)
        self._output.append(item)
        self._part = None
        return made

    def _inner_done(self, item: dict[str, Any], place: dict[str, Any]) -> bytes:
        kind = item["type"]
        if kind == "function_call":
            members = {**place, "name": item["name"], "arguments": item["arguments"]}
            return self._framed("response.function_call_arguments.done", members)
        if kind == "custom_tool_call":
            text = item["input"]
            return self._framed(
                "response.custom_tool_call_input.delta", {**place, "delta": text}
            ) + self._framed("response.custom_tool_call_input.done", {**place, "input": text})
        if kind == "reasoning":
            return self._summary_done(item, place)
        place["content_index"] = 0
        (content,) = item["content"]
        if content["type"] == "refusal":
            done = self._framed("response.refusal.done", {**place, "refusal": content["refusal"]})
        else:
            members = {**place, "text": content["text"], "logprobs": []}
            done = self._framed("response.output_text.done", members)
        return done + self._framed("response.content_part.done", {**place, "part": content})

    def _summary_done(self, item: dict[str, Any], place: dict[str, Any]) -> bytes:
        if not item["summary"]:
            return b""
        place["summary_index"] = 0
        (part,) = item["summary"]
        return self._framed(
            "response.reasoning_summary_text.done", {**place, "text": part["text"]}
        ) + self._framed("response.reasoning_summary_part.done", {**place, "part": part})

    def _ended(self) -> bytes:
        made = items.response(self._id, self._context, "completed", self._output)
        made = items.ended(made, self._stop, self._tokens)
        kind = "response.completed" if made["status"] == "completed" else "response.incomplete"
        return self._framed(kind, {"response": made})
