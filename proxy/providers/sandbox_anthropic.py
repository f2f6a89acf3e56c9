"""The sandbox in Anthropic's API: messages, and what they would be counted as."""

from typing import Any

from proxy.providers.sandbox_script import Script, event


def _usage(script: Script, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": script.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }


def message(script: Script) -> dict[str, Any]:
    """Return a whole message."""
    return {
        "id": f"msg_{script.answer_id}",
        "type": "message",
        "role": "assistant",
        "model": script.model,
        "content": [{"type": "text", "text": script.text}],
        "stop_reason": "max_tokens" if script.is_cut else "end_turn",
        "stop_sequence": None,
        "usage": _usage(script, len(script.words)),
    }


def message_events(script: Script) -> list[bytes]:
    """Return the events of a streamed message."""
    whole = message(script)
    start = {**whole, "content": [], "stop_reason": None, "usage": _usage(script, 1)}
    values: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    values += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        for piece in script.pieces
    ]
    values += [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": len(script.words)},
        },
        {"type": "message_stop"},
    ]
    return [event(value, value["type"]) for value in values]


def count(script: Script) -> dict[str, Any]:
    """Return what a request would be counted as."""
    return {"input_tokens": script.input_tokens}
