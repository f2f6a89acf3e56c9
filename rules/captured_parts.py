"""What captured messages look like with a category taken out, before they are stored or when somebody reads them. Pure.

Messages have OpenTelemetry's form: a role and parts, each part with its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from rules.privacy import INPUT, OUTPUT, PLACEHOLDER, SYSTEM, TOOL_CALLS

TOOL_WORDS = ("arguments", "result")
"""The fields of a part that hold what goes into a tool and comes out of it."""
_TOOL_PARTS = frozenset({"tool_call", "tool_call_response"})
Message = dict[str, Any]


def dropped_part() -> Message:
    """Return what stands for a part that is not kept."""
    return {"type": "text", "content": PLACEHOLDER}


def dropped_message(role: str) -> Message:
    """Return what stands for all messages of one side."""
    return {"role": role, "parts": [dropped_part()]}


def without_tools(messages: list[Message], drops: frozenset[str]) -> list[Message]:
    """Return messages whose tool calls say which tool it was and nothing that went into or came out of it."""
    if TOOL_CALLS not in drops:
        return messages
    return [
        message | {"parts": [_without_tool_words(part) for part in message.get("parts") or ()]}
        for message in messages
    ]


def without_hidden(texts: Mapping[str, str], hidden: frozenset[str]) -> dict[str, str]:
    """Return the JSON texts of input, output and system instructions without the categories that are hidden.

    A text that is empty stays so; one that can't be read is hidden whole.
    """
    stand_ins = {
        INPUT: [dropped_message("user")],
        OUTPUT: [dropped_message("assistant")],
        SYSTEM: [dropped_part()],
    }
    found = {}
    for category, text in texts.items():
        if not text or not hidden:
            found[category] = text
        elif category in hidden:
            found[category] = orjson.dumps(stand_ins[category]).decode()
        elif category == SYSTEM or TOOL_CALLS not in hidden:
            found[category] = text
        else:
            found[category] = orjson.dumps(_read_without_tools(text, stand_ins[category])).decode()
    return found


def _read_without_tools(text: str, stand_in: list[Message]) -> list[Message]:
    try:
        messages = orjson.loads(text)
        return without_tools(messages, frozenset({TOOL_CALLS}))
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return stand_in


def _without_tool_words(part: Message) -> Message:
    if part.get("type") not in _TOOL_PARTS:
        return part
    return part | {name: PLACEHOLDER for name in TOOL_WORDS if name in part}
