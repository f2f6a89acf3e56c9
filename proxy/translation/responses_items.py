"""The output items of an OpenAI response, from blocks of an answer. One shape, streamed or whole."""

from typing import Any

from proxy.translation.ends import TO_RESPONSES
from proxy.translation.neutral import (
    Answer,
    Context,
    Part,
    Refusal,
    Seal,
    Stop,
    Text,
    Thinking,
    Tokens,
    ToolUse,
)
from proxy.translation.shapes import given, object_from
from proxy.translation.thinking import OPENAI_FAMILY, packed


def item_of(part: Part, number: int, context: Context) -> dict[str, Any]:
    """Return the finished item for a block; ``number`` is its place in the output."""
    if isinstance(part, Text | Refusal):
        return message(number, context, [content_of(part)], "completed")
    if isinstance(part, ToolUse):
        return call_item(part, number, context, "completed")
    thought = part if isinstance(part, Thinking) else Thinking("")
    text = thought.text if context.shows_thinking else ""
    return reasoning(number, context, text, thought.seal)


def message(
    number: int, context: Context, content: list[dict[str, Any]], status: str
) -> dict[str, Any]:
    """Return an item that holds the assistant's words."""
    return {
        "id": f"msg_{context.answer_id}_{number}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def content_of(part: Text | Refusal) -> dict[str, Any]:
    """Return the content part of a message."""
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text, "annotations": [], "logprobs": []}


def reasoning(number: int, context: Context, text: str, seal: Seal | None) -> dict[str, Any]:
    """Return an item that holds thinking: what may be read as its summary, its proof as encrypted content."""
    item: dict[str, Any] = {
        "id": f"rs_{context.answer_id}_{number}",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}] if text else [],
    }
    if seal is not None:
        item["encrypted_content"] = packed(seal, OPENAI_FAMILY)
    return item


def call_item(call: ToolUse, number: int, context: Context, status: str) -> dict[str, Any]:
    """Return an item that calls a tool, by the name and in the form in which the caller declared it."""
    flat = context.names.get(call.name, call.name)
    space, name = context.namespaces.get(flat, ("", flat))
    call_id = call.id or f"call_{context.answer_id}_{number}"
    named = given(call_id=call_id, name=name, namespace=space or None)
    if flat in context.custom_tools:
        text = object_from(call.arguments).get("input", "")
        return {
            "id": f"ctc_{context.answer_id}_{number}",
            "type": "custom_tool_call",
            "status": status,
            **named,
            "input": text if isinstance(text, str) else call.arguments,
        }
    return {
        "id": f"fc_{context.answer_id}_{number}",
        "type": "function_call",
        "status": status,
        **named,
        "arguments": call.arguments,
    }


def written_usage(tokens: Tokens) -> dict[str, Any]:
    """Return a usage object; its input tokens include the cached ones."""
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {
            "cached_tokens": tokens.cache_read,
            "cache_write_tokens": tokens.cache_write + tokens.cache_write_1h,
        },
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.output,
    }


def response(
    answer_id: str, context: Context, status: str, output: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return a response object; the caller adds what is known only at its end."""
    made: dict[str, Any] = {
        "id": answer_id if answer_id.startswith("resp_") else f"resp_{context.answer_id}",
        "object": "response",
        "created_at": context.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": context.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
    }
    if context.dropped:
        made["extra_fields"] = {"params_dropped": list(context.dropped)}
    return made


def ended(made: dict[str, Any], stop: Stop, tokens: Tokens | None) -> dict[str, Any]:
    """Return a response with its ending: complete, or incomplete and why."""
    reason = TO_RESPONSES.get(stop.reason)
    made["status"] = "completed" if reason is None else "incomplete"
    made["incomplete_details"] = None if reason is None else {"reason": reason}
    made["usage"] = written_usage(tokens or Tokens())
    return made


def write_whole(answer: Answer, context: Context) -> dict[str, Any]:
    """Return the body of a whole answer."""
    parts: list[Part] = []
    for part in answer.parts:
        if isinstance(part, ToolUse) and part.seal is not None:
            # A call can't be signed here; a reasoning item before it can.
            parts.append(Thinking("", part.seal))
        parts.append(part)
    output = [item_of(part, number, context) for number, part in enumerate(parts)]
    return ended(response(answer.id, context, "completed", output), answer.stop, answer.tokens)
