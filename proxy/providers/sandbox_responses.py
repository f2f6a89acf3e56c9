"""The sandbox in OpenAI's Responses API: a whole response, and the events that build one up."""

from typing import Any

from proxy.providers.sandbox_script import Script, event


def response(script: Script) -> dict[str, Any]:
    """Return a whole response."""
    return _frame(script) | {
        "status": "incomplete" if script.is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if script.is_cut else None,
        "output": [_item(script, [_part(script.text)], "completed")],
        "usage": _usage(script),
    }


def compacted(script: Script) -> dict[str, Any]:
    """Return a compacted conversation: one item that says what the sandbox would have kept."""
    return {
        "id": f"resp_{script.answer_id}",
        "object": "response.compaction",
        "created_at": script.created_s,
        "output": [_item(script, [_part(script.text)], "completed")],
        "usage": _usage(script),
    }


def count(script: Script) -> dict[str, Any]:
    """Return what a request would be counted as."""
    return {"object": "response.input_tokens", "input_tokens": script.input_tokens}


def response_events(script: Script) -> list[bytes]:
    """Return the events of a streamed response; the last one is terminal and holds all of it."""
    whole = response(script)
    begun = _frame(script) | {
        "status": "in_progress",
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }
    place = {"item_id": whole["output"][0]["id"], "output_index": 0, "content_index": 0}
    values: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": _item(script, [], "in_progress"),
        },
        {"type": "response.content_part.added", **place, "part": _part("")},
    ]
    values += [
        {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
        for piece in script.pieces
    ]
    values += [
        {"type": "response.output_text.done", **place, "text": script.text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": _part(script.text)},
        {"type": "response.output_item.done", "output_index": 0, "item": whole["output"][0]},
        {"type": f"response.{whole['status']}", "response": whole},
    ]
    return [
        event(value | {"sequence_number": number}, value["type"])
        for number, value in enumerate(values)
    ]


def _frame(script: Script) -> dict[str, Any]:
    return {
        "id": f"resp_{script.answer_id}",
        "object": "response",
        "created_at": script.created_s,
        "model": script.model,
        "error": None,
        "instructions": script.request.get("instructions"),
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "store": False,
    }


def _item(script: Script, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {
        "id": f"msg_{script.answer_id}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(script: Script) -> dict[str, Any]:
    output = len(script.words)
    return {
        "input_tokens": script.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": script.input_tokens + output,
    }
