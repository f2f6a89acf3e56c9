"""What several dialects demand of a conversation alike: turns that alternate, ids and names they accept."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

from proxy.translation.neutral import (
    Conversation,
    Message,
    Part,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from proxy.translation.thinking import GEMINI_FAMILY

_ATTRIBUTION = "x-anthropic-billing-header:"
_FOREIGN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_ID_CHARACTERS = 64
_HASH_CHARACTERS = 8


def without_attribution(talk: Conversation) -> Conversation:
    """Return a conversation without the block in which Claude Code tells Anthropic whom to bill.

    It differs from call to call, so that for others it would only spoil the prompt cache.
    """
    if not talk.system or not talk.system[0].text.startswith(_ATTRIBUTION):
        return talk
    return replace(talk, system=talk.system[1:])


def hoisted(talk: Conversation) -> Conversation:
    """Return a conversation whose instructions amid the messages stand in front of them."""
    if all(message.role != "system" for message in talk.messages):
        return talk
    late = tuple(
        part
        for message in talk.messages
        if message.role == "system"
        for part in message.parts
        if isinstance(part, Text)
    )
    kept = tuple(m for m in talk.messages if m.role != "system")
    return replace(talk, system=talk.system + late, messages=kept)


def alternating(messages: Iterable[Message]) -> list[Message]:
    """Return the messages with neighbours of one role as one; results of tools come first in theirs."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, merged[-1].parts + message.parts)
        elif message.parts:
            merged.append(message)
    return [_results_first(message) for message in merged]


def _results_first(message: Message) -> Message:
    results = tuple(p for p in message.parts if isinstance(p, ToolResult))
    if not results or len(results) == len(message.parts):
        return message
    rest: tuple[Part, ...] = tuple(p for p in message.parts if not isinstance(p, ToolResult))
    return Message(message.role, results + rest)


def reattached(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return the parts of a turn with each proof of Gemini's on the call it belongs to.

    Where a call can't be signed, its proof travels as thinking without words right before it.
    """
    kept: list[Part] = []
    for part in parts:
        last = kept[-1] if kept else None
        if isinstance(part, ToolUse) and part.seal is None and isinstance(last, Thinking):
            seal = last.seal
            if (
                seal is not None
                and seal.origin == GEMINI_FAMILY
                and not (seal.is_whole or last.text)
            ):
                kept[-1] = replace(part, seal=seal)
                continue
        kept.append(part)
    return tuple(kept)


def plain_id(tool_id: str) -> str:
    """Return a tool call's id in the characters and the length that every provider accepts."""
    plain = _FOREIGN_ID.sub("_", tool_id)
    return plain if len(plain) <= _MAX_ID_CHARACTERS else _shortened(plain, _MAX_ID_CHARACTERS)


def fitted_names(talk: Conversation, longest: int) -> tuple[Conversation, dict[str, str]]:
    """Return a conversation whose tools have names of at most ``longest`` characters, and what they were."""
    changed = {
        tool.name: _shortened(tool.name, longest) for tool in talk.tools if len(tool.name) > longest
    }
    for message in talk.messages:
        for part in message.parts:
            if isinstance(part, ToolUse) and len(part.name) > longest:
                changed[part.name] = _shortened(part.name, longest)
    if not changed:
        return talk, {}
    return _renamed(talk, changed), {new: old for old, new in changed.items()}


def _shortened(name: str, longest: int) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_CHARACTERS]
    return f"{name[: longest - _HASH_CHARACTERS - 1]}_{digest}"


def _renamed(talk: Conversation, names: dict[str, str]) -> Conversation:
    def part(old: Part) -> Part:
        return replace(old, name=names.get(old.name, old.name)) if isinstance(old, ToolUse) else old

    choice = talk.tool_choice
    if choice is not None and choice.names:
        choice = replace(choice, names=tuple(names.get(name, name) for name in choice.names))
    return replace(
        talk,
        tools=tuple(replace(tool, name=names.get(tool.name, tool.name)) for tool in talk.tools),
        tool_choice=choice,
        messages=tuple(Message(m.role, tuple(map(part, m.parts))) for m in talk.messages),
    )


def names_of_calls(messages: Iterable[Message]) -> dict[str, str]:
    """Return the tools' names by the ids of the calls made of them."""
    return {
        part.id: part.name
        for message in messages
        for part in message.parts
        if isinstance(part, ToolUse)
    }


def offered(talk: Conversation) -> Conversation:
    """Return a conversation that offers only the tools its choice is limited to, for dialects that can't say so."""
    choice = talk.tool_choice
    if choice is None or len(choice.names) < 2:
        return talk
    kept = tuple(tool for tool in talk.tools if tool.name in choice.names)
    return replace(talk, tools=kept, tool_choice=replace(choice, names=()))
