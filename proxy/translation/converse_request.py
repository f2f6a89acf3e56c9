"""Bedrock Converse requests, written from the neutral form. No client speaks it to the gateway."""

from typing import Any

from core.fault import Fault, Refused
from proxy.translation import media
from proxy.translation.messages_request import sampling
from proxy.translation.neutral import (
    Conversation,
    Media,
    Part,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
)
from proxy.translation.rules import Notes
from proxy.translation.shapes import given, json_text, object_from
from proxy.translation.thinking import (
    ANTHROPIC_FAMILY,
    ClaudeModel,
    claude_model,
    claude_thinking,
    effort_of,
)
from proxy.translation.turns import alternating, hoisted, offered, plain_id
from rules.output_limits import USUAL

EMPTY = "(empty)"
"""What stands for a tool's empty result: Bedrock takes no blank text."""
_NOVA_EFFORTS = {"minimal": "low", "low": "low"}


def write(talk: Conversation, model: str, notes: Notes, max_output: int | None) -> dict[str, Any]:
    """Return the body of a request that says the same, as far as Converse can. Raises Refused."""
    talk = offered(hoisted(talk))
    claude = claude_model(model)
    if talk.format is not None and talk.format.schema is None:
        raise notes.refusal("format", "it takes JSON only with a schema")
    limit = talk.max_tokens
    if limit is None and claude is not None:
        # Other models take no limit for the most they can, as Converse documents it.
        limit = USUAL if max_output is None else max_output
    elif limit is not None and max_output is not None:
        limit = min(limit, max_output)
    caches = claude is not None or "nova" in model
    messages = [
        {"role": m.role, "content": blocks}
        for m in alternating(talk.messages)
        if (blocks := _blocks(m.parts, notes, caches))
    ]
    if not messages:
        raise Refused(Fault.BAD_REQUEST, "The request holds no message but instructions.")
    extra = _reasoning(talk, model, limit, notes)
    picked = _sampling(talk, notes, bool(extra), claude)
    if (top_k := picked.pop("top_k", None)) is not None:
        extra["top_k"] = top_k
    return given(
        system=_blocks(talk.system, notes, caches),
        messages=messages,
        inferenceConfig=given(
            maxTokens=limit,
            temperature=picked.get("temperature"),
            topP=picked.get("top_p"),
            stopSequences=[word for word in talk.stop if word.strip()],
        ),
        toolConfig=_tool_config(talk, caches),
        additionalModelRequestFields=extra,
        outputConfig=_output(talk),
    )


def _sampling(
    talk: Conversation, notes: Notes, is_thinking: bool, claude: ClaudeModel | None
) -> dict[str, Any]:
    if claude is not None:
        return sampling(talk, notes, is_thinking, claude.takes_sampling)
    if talk.top_k is not None:
        notes.drop("top_k", "the model takes none")
    temperature = None if talk.temperature is None else min(talk.temperature, 1)
    return given(temperature=temperature, top_p=talk.top_p)


def _reasoning(talk: Conversation, model: str, limit: int | None, notes: Notes) -> dict[str, Any]:
    if talk.reasoning is None or talk.reasoning.effort == "none":
        return {}
    if claude_model(model) is not None:
        thinking = claude_thinking(talk, model, USUAL if limit is None else limit)
        if not thinking:
            notes.drop("reasoning", "the model can't think in this turn")
        return thinking
    if "nova-2" in model:
        effort = effort_of(talk.reasoning, limit)
        # A high effort of Nova's allows no limit of tokens, so medium is the most it is asked for.
        word = _NOVA_EFFORTS.get(effort, "medium")
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}}
    notes.drop("reasoning", "the model does not think")
    return {}


def _blocks(parts: tuple[Part, ...], notes: Notes, caches: bool) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for part in parts:
        block = _block(part, notes)
        if block is None:
            continue
        blocks.append(block)
        cache = "" if isinstance(part, Thinking) else getattr(part, "cache", "")
        if cache and caches:
            blocks.append(_cache_point(cache))
    return blocks


def _cache_point(cache: str) -> dict[str, Any]:
    return {"cachePoint": given(type="default", ttl="1h" if cache == "1h" else None)}


def _block(part: Part, notes: Notes) -> dict[str, Any] | None:
    if isinstance(part, Media):
        return media.to_converse(part, notes)
    if isinstance(part, ToolUse):
        return {
            "toolUse": {
                "toolUseId": plain_id(part.id),
                "name": part.name,
                "input": object_from(part.arguments),
            }
        }
    if isinstance(part, ToolResult):
        return _result(part, notes)
    if isinstance(part, Thinking):
        return _thought(part)
    return {"text": part.text} if part.text.strip() else None


def _result(result: ToolResult, notes: Notes) -> dict[str, Any]:
    content = [block for inner in result.parts if (block := _block(inner, notes)) is not None]
    made: dict[str, Any] = {
        "toolUseId": plain_id(result.id),
        "content": content or [{"text": EMPTY}],
    }
    if result.is_error:
        made["status"] = "error"
    return {"toolResult": made}


def _thought(part: Thinking) -> dict[str, Any] | None:
    seal = part.seal
    if seal is None or seal.origin != ANTHROPIC_FAMILY:
        return None
    if seal.is_whole:
        return {"reasoningContent": {"redactedContent": seal.value}}
    return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": seal.value}}}


def _tool_config(talk: Conversation, caches: bool) -> dict[str, Any]:
    """Return the tools and the choice. Calls in the history demand tools even where none is to be called."""
    called = {
        part.name: Tool(part.name)
        for message in talk.messages
        for part in message.parts
        if isinstance(part, ToolUse)
    }
    choice = talk.tool_choice
    is_none = choice is not None and choice.mode == "none"
    tools = () if is_none and not called else talk.tools or tuple(called.values())
    if not tools:
        return {}
    listed: list[dict[str, Any]] = []
    for tool in tools:
        listed.append({"toolSpec": _tool(tool)})
        if tool.cache and caches:
            listed.append(_cache_point(tool.cache))
    made: dict[str, Any] = {"tools": listed}
    if choice is not None and not is_none and talk.tools:
        made["toolChoice"] = (
            {"tool": {"name": choice.names[0]}} if choice.names else {choice.mode: {}}
        )
    return made


def _tool(tool: Tool) -> dict[str, Any]:
    schema = tool.schema or {"type": "object", "properties": {}}
    return {
        **given(name=tool.name, description=tool.description or None, strict=tool.is_strict),
        "inputSchema": {"json": schema},
    }


def _output(talk: Conversation) -> dict[str, Any] | None:
    form = talk.format
    if form is None:
        return None
    schema = given(
        schema=json_text(form.schema),
        name=form.name or "answer",
        description=form.description or None,
    )
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
