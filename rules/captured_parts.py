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
UNSORTED = "is_unsorted"
"""Marks a part that is a whole body, whose form only its provider knows."""
_WITHIN = frozenset({SYSTEM, TOOL_CALLS})
_TOOL_PARTS = frozenset({"tool_call", "tool_call_response"})
Message = dict[str, Any]


def dropped_part() -> Message:
    """Return what stands for a part that is not kept."""
    return {"type": "text", "content": PLACEHOLDER}


def dropped_message(role: str) -> Message:
    """Return what stands for all messages of one side."""
    return {"role": role, "parts": [dropped_part()]}


def without(messages: list[Message], drops: frozenset[str]) -> list[Message]:
    """Return messages without system instructions and without what went into tools or came out, as far as dropped.

    Which tool it was stays. A text that was not taken apart may hold both, so neither of them leaves it whole.
    """
    if drops.isdisjoint(_WITHIN):
        return messages
    return [
        message | {"parts": [_part_without(part, drops) for part in message.get("parts") or ()]}
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
        elif category == SYSTEM or hidden.isdisjoint(_WITHIN):
            found[category] = text
        else:
            messages = _read_without(text, hidden, stand_ins[category])
            found[category] = orjson.dumps(messages).decode()
    return found


def _read_without(text: str, hidden: frozenset[str], stand_in: list[Message]) -> list[Message]:
    try:
        return without(orjson.loads(text), hidden)
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return stand_in


def _part_without(part: Message, drops: frozenset[str]) -> Message:
    if part.get(UNSORTED):
        return dropped_part()
    if TOOL_CALLS not in drops or part.get("type") not in _TOOL_PARTS:
        return part
    return part | {name: PLACEHOLDER for name in TOOL_WORDS if name in part}
