"""Bedrock Converse answers, streamed (as the events' JSON) and whole, read into events. Nobody is answered in it."""

from typing import Any

from proxy.translation.ends import FROM_CONVERSE
from proxy.translation.neutral import (
    ArgumentsDelta,
    BlockEnd,
    Done,
    Event,
    Failure,
    Seal,
    Sealed,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ThinkingDelta,
    Tokens,
    ToolStart,
)
from proxy.translation.shapes import count_in, dict_in, json_text, list_in, loads, text_in
from proxy.translation.thinking import ANTHROPIC_FAMILY


class Reader:
    """Reads the events of a stream; an event's name says what it is, its data are what the name stands for."""

    def event(self, name: str, data: bytes) -> list[Event]:
        """Return what an event says. Raises msgspec.DecodeError when it is not JSON."""
        body = dict_in(loads(data))
        if len(body) == 1 and name in body:
            body = dict_in(body[name])
        if name == "contentBlockDelta":
            return _delta(dict_in(body.get("delta")))
        if name == "contentBlockStart":
            tool = dict_in(body.get("start")).get("toolUse")
            return [BlockEnd(), *([_called(dict_in(tool))] if tool else [])]
        if name == "contentBlockStop":
            return [BlockEnd()]
        if name == "messageStart":
            return [Start()]
        if name == "messageStop":
            return [_stop(body)]
        if name == "metadata":
            return [tokens_of(dict_in(body.get("usage"))), Done()]
        if name.endswith("Exception") or name == "error":
            message = text_in(body.get("message")) or text_in(body.get("originalMessage"))
            return [Failure(name, name, message)]
        return []

    def end(self) -> list[Event]:
        """Return what the end of the body says."""
        return [Done()]


def _called(tool: dict[str, Any]) -> Event:
    return ToolStart(text_in(tool.get("toolUseId")), text_in(tool.get("name")))


def _delta(delta: dict[str, Any]) -> list[Event]:
    if "text" in delta:
        return [TextDelta(text_in(delta["text"]))]
    if "toolUse" in delta:
        return [ArgumentsDelta(text_in(dict_in(delta["toolUse"]).get("input")))]
    return _thought(dict_in(delta.get("reasoningContent")))


def _thought(content: dict[str, Any]) -> list[Event]:
    if redacted := text_in(content.get("redactedContent")):
        return [Sealed(Seal(ANTHROPIC_FAMILY, redacted, True))]
    made: list[Event] = [ThinkingDelta(text_in(content.get("text")))]
    if signature := text_in(content.get("signature")):
        made.append(Sealed(Seal(ANTHROPIC_FAMILY, signature)))
    return made


def _stop(body: dict[str, Any]) -> Stop:
    extra = dict_in(body.get("additionalModelResponseFields"))
    reason = FROM_CONVERSE.get(text_in(body.get("stopReason")), StopReason.END)
    return Stop(reason, text_in(extra.get("stop_sequence")))


def tokens_of(usage: dict[str, Any]) -> Tokens:
    """Return the counts of a usage object; its input tokens exclude the cached ones."""
    written = count_in(usage.get("cacheWriteInputTokens"))
    long = sum(
        count_in(dict_in(detail).get("inputTokens"))
        for detail in list_in(usage.get("cacheDetails"))
        if dict_in(detail).get("ttl") == "1h"
    )
    return Tokens(
        count_in(usage.get("inputTokens")),
        count_in(usage.get("outputTokens")),
        count_in(usage.get("cacheReadInputTokens")),
        max(written - long, 0),
        min(long, written),
    )


def read_whole(body: dict[str, Any]) -> list[Event]:
    """Return the events of a whole answer."""
    events: list[Event] = [Start()]
    message = dict_in(dict_in(body.get("output")).get("message"))
    for block in list_in(message.get("content")):
        events += [*_block(dict_in(block)), BlockEnd()]
    return [*events, _stop(body), tokens_of(dict_in(body.get("usage"))), Done()]


def _block(block: dict[str, Any]) -> list[Event]:
    if "text" in block:
        return [TextDelta(text_in(block["text"]))]
    if "toolUse" in block:
        tool = dict_in(block["toolUse"])
        return [_called(tool), ArgumentsDelta(json_text(dict_in(tool.get("input"))))]
    content = dict_in(block.get("reasoningContent"))
    if "reasoningText" in content:
        return _thought(dict_in(content["reasoningText"]))
    return _thought(content) if content else []
