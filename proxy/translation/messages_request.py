"""Anthropic Messages requests: read into the neutral form, and written from it."""

from typing import Any

from core.fault import Fault, Refused
from proxy.translation import media
from proxy.translation.neutral import (
    Conversation,
    Format,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Seal,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from proxy.translation.rules import Notes
from proxy.translation.shapes import (
    a_count,
    a_flag,
    a_list,
    a_number,
    a_text,
    an_object,
    bad,
    given,
    json_text,
    object_from,
    texts,
)
from proxy.translation.thinking import ANTHROPIC_FAMILY, claude_model, claude_thinking, unpacked
from proxy.translation.turns import alternating, hoisted, offered, plain_id, reattached
from rules.output_limits import USUAL


def read(body: dict[str, Any], notes: Notes) -> Conversation:
    """Return what a request says. Raises Refused: BAD_REQUEST, UNSUPPORTED_PARAMETER."""
    output = an_object(body.get("output_config") or {}, "output_config")
    form = output.get("format") or body.get("output_format")
    choice, parallel = _choice(body.get("tool_choice"))
    return Conversation(
        system=_system(body.get("system"), "system"),
        messages=tuple(
            _message(an_object(item, f"messages[{n}]"), f"messages[{n}]", notes)
            for n, item in enumerate(a_list(body.get("messages"), "messages"))
        ),
        tools=_tools(body.get("tools"), notes),
        tool_choice=choice,
        parallel_tools=parallel,
        max_tokens=a_count(body.get("max_tokens"), "max_tokens", 1),
        temperature=a_number(body.get("temperature"), "temperature"),
        top_p=a_number(body.get("top_p"), "top_p"),
        top_k=a_count(body.get("top_k"), "top_k"),
        stop=texts(body.get("stop_sequences"), "stop_sequences"),
        reasoning=_reasoning(body.get("thinking"), output.get("effort")),
        format=None if form is None else _format(an_object(form, "output_config.format")),
        is_streamed=body.get("stream") is True,
    )


def _system(value: object, where: str) -> tuple[Text, ...]:
    if value is None or isinstance(value, str):
        return (Text(value),) if value else ()
    blocks = [an_object(block, f"{where}[]") for block in a_list(value, where)]
    return tuple(_text(block, where) for block in blocks)


def _text(block: dict[str, Any], where: str) -> Text:
    return Text(a_text(block.get("text"), f"{where}[].text"), _cache(block))


def _cache(block: dict[str, Any]) -> str:
    control = block.get("cache_control")
    if not isinstance(control, dict):
        return ""
    return "1h" if control.get("ttl") == "1h" else "5m"


def _message(item: dict[str, Any], where: str, notes: Notes) -> Message:
    role = item.get("role")
    content = item.get("content")
    if role == "system":
        return Message("system", _system(content, f"{where}.content"))
    if role not in ("user", "assistant"):
        raise bad(f"{where}.role", "one of user, assistant, system")
    if isinstance(content, str):
        return Message(role, (Text(content),))
    parts: list[Part] = []
    for number, block in enumerate(a_list(content, f"{where}.content")):
        place = f"{where}.content[{number}]"
        part = _part(an_object(block, place), place, notes)
        if part is not None:
            parts.append(part)
    return Message(role, reattached(parts))


def _part(block: dict[str, Any], where: str, notes: Notes) -> Part | None:
    kind = str(block.get("type"))
    if kind == "text":
        return _text(block, where)
    if kind in ("image", "document"):
        return _media(kind, block, where, notes)
    if kind == "tool_use":
        return ToolUse(
            a_text(block.get("id"), f"{where}.id"),
            a_text(block.get("name"), f"{where}.name"),
            json_text(an_object(block.get("input") or {}, f"{where}.input")),
            cache=_cache(block),
        )
    if kind == "tool_result":
        return _result(block, where, notes)
    if kind == "thinking":
        signature = a_text(block.get("signature"), f"{where}.signature")
        seal = unpacked(signature, ANTHROPIC_FAMILY) if signature else None
        return Thinking(a_text(block.get("thinking"), f"{where}.thinking"), seal)
    if kind == "redacted_thinking":
        seal = unpacked(a_text(block.get("data"), f"{where}.data"), ANTHROPIC_FAMILY)
        return Thinking("", Seal(seal.origin, seal.value, True))
    if kind in _SERVER_BLOCKS or kind.endswith("_tool_result"):
        # What Anthropic's own tools did in earlier turns; its outcome is in the text that followed.
        notes.drop(f"messages[].content[].{kind}")
        return None
    raise notes.refusal(f"messages[].content[].{kind}", "this kind of content has no counterpart")


_SERVER_BLOCKS = frozenset({"server_tool_use", "mcp_tool_use", "compaction", "tool_reference"})


def _media(kind: str, block: dict[str, Any], where: str, notes: Notes) -> Media:
    source = an_object(block.get("source"), f"{where}.source")
    title, cache = a_text(block.get("title"), f"{where}.title"), _cache(block)
    form = source.get("type")
    if form == "url":
        return Media(
            kind, url=a_text(source.get("url"), f"{where}.source.url"), name=title, cache=cache
        )
    data = source.get("data")
    if form == "base64":
        media_type = a_text(source.get("media_type"), f"{where}.source.media_type")
        return Media(
            kind, media_type, a_text(data, f"{where}.source.data"), name=title, cache=cache
        )
    if form == "text":
        return Media(
            kind, "text/plain", text=a_text(data, f"{where}.source.data"), name=title, cache=cache
        )
    raise notes.refusal(
        f"messages[].content[].source.{form}", "only what is sent along can be passed on"
    )


def _result(block: dict[str, Any], where: str, notes: Notes) -> ToolResult:
    content = block.get("content")
    parts: list[Text | Media] = []
    if isinstance(content, str):
        parts.append(Text(content))
    else:
        for number, inner in enumerate(a_list(content, f"{where}.content")):
            part = _part(an_object(inner, where), f"{where}.content[{number}]", notes)
            if isinstance(part, Text | Media):
                parts.append(part)
    return ToolResult(
        a_text(block.get("tool_use_id"), f"{where}.tool_use_id"),
        tuple(parts),
        a_flag(block.get("is_error"), f"{where}.is_error") is True,
        _cache(block),
    )


def _tools(value: object, notes: Notes) -> tuple[Tool, ...]:
    tools = []
    for tool in a_list(value, "tools"):
        tool = an_object(tool, "tools[]")
        if tool.get("type") not in (None, "custom"):
            notes.drop(f"tools.{tool['type']}")
            continue
        schema = tool.get("input_schema")
        tools.append(
            Tool(
                a_text(tool.get("name"), "tools[].name"),
                a_text(tool.get("description"), "tools[].description"),
                None if schema is None else an_object(schema, "tools[].input_schema"),
                a_flag(tool.get("strict"), "tools[].strict"),
                _cache(tool),
            )
        )
    return tuple(tools)


def _choice(value: object) -> tuple[ToolChoice | None, bool | None]:
    if value is None:
        return None, None
    choice = an_object(value, "tool_choice")
    serial = a_flag(
        choice.get("disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use"
    )
    parallel = None if serial is None else not serial
    kind = choice.get("type")
    if kind == "tool":
        return ToolChoice("tool", (a_text(choice.get("name"), "tool_choice.name"),)), parallel
    if kind not in ("auto", "any", "none"):
        raise bad("tool_choice.type", "one of auto, any, tool, none")
    return ToolChoice(kind), parallel


def _reasoning(thinking: object, effort: object) -> Reasoning | None:
    word = a_text(effort, "output_config.effort")
    if thinking is None:
        return Reasoning(word, is_shown=False) if word else None
    config = an_object(thinking, "thinking")
    kind = config.get("type")
    if kind == "disabled":
        return Reasoning("none")
    display = config.get("display")
    shown = None if display is None else display != "omitted"
    if kind == "enabled":
        budget = a_count(config.get("budget_tokens"), "thinking.budget_tokens", 1)
        return Reasoning(word, budget, shown)
    return Reasoning(word, is_shown=shown)


def _format(form: dict[str, Any]) -> Format:
    return Format(an_object(form.get("schema") or {}, "output_config.format.schema"))


def write(talk: Conversation, model: str, notes: Notes, max_output: int | None) -> dict[str, Any]:
    """Return the body of a request that says the same, as far as Messages can."""
    talk = offered(hoisted(talk))
    claude = claude_model(model)
    limit = talk.max_tokens
    if limit is None:
        limit = USUAL if max_output is None else max_output
    elif max_output is not None:
        limit = min(limit, max_output)
    if talk.format is not None and talk.format.schema is None:
        raise notes.refusal("format", "it takes JSON only with a schema")
    thinking = claude_thinking(talk, model, limit)
    if not thinking and talk.reasoning is not None and talk.reasoning.effort != "none":
        notes.drop("reasoning", "the model can't think in this turn")
    messages = [
        {"role": m.role, "content": blocks}
        for m in alternating(talk.messages)
        if (blocks := _blocks(m, notes))
    ]
    if not messages:
        raise Refused(Fault.BAD_REQUEST, "The request holds no message but instructions.")
    tools = [_written_tool(tool) for tool in talk.tools]
    output = thinking.get("output_config", {})
    if talk.format is not None:
        output = {**output, "format": {"type": "json_schema", "schema": talk.format.schema}}
    return {
        **given(
            model=model,
            max_tokens=limit,
            system=[_written_text(p) for p in talk.system if p.text],
            messages=messages,
            tools=tools,
            tool_choice=_written_choice(talk) if tools else None,
            stop_sequences=_stop(talk.stop, notes),
            thinking=thinking.get("thinking"),
            output_config=output,
            stream=True if talk.is_streamed else None,
        ),
        **sampling(talk, notes, bool(thinking), claude is None or claude.takes_sampling),
    }


def sampling(
    talk: Conversation, notes: Notes, is_thinking: bool, takes_sampling: bool
) -> dict[str, Any]:
    """Return temperature, top_p and top_k as Claude takes them: none while it thinks, not two at once."""
    made: dict[str, Any] = {}
    takes = takes_sampling and not is_thinking
    if talk.temperature is not None:
        if takes:
            made["temperature"] = min(talk.temperature, 1)
        elif talk.temperature != 1:
            notes.drop("temperature", "Claude takes none while it thinks")
    if talk.top_p is not None:
        if takes and talk.temperature is None:
            made["top_p"] = talk.top_p
        elif talk.top_p != 1:
            notes.drop("top_p", "Claude takes it neither beside a temperature nor while it thinks")
    if talk.top_k is not None:
        if takes:
            made["top_k"] = talk.top_k
        else:
            notes.drop("top_k", "Claude takes none while it thinks")
    return made


def _stop(words: tuple[str, ...], notes: Notes) -> list[str]:
    kept = [word for word in words if word.strip()]
    if len(kept) < len(words):
        notes.drop("stop", "a stop sequence must hold more than blanks")
    return kept


def _written_text(part: Text) -> dict[str, Any]:
    return _marked({"type": "text", "text": part.text}, part.cache)


def _marked(block: dict[str, Any], cache: str) -> dict[str, Any]:
    if cache:
        ttl = {"ttl": "1h"} if cache == "1h" else {}
        block["cache_control"] = {"type": "ephemeral", **ttl}
    return block


def _blocks(message: Message, notes: Notes) -> list[dict[str, Any]]:
    blocks = []
    for part in message.parts:
        block = _block(part, notes)
        if block is not None:
            blocks.append(block)
    return blocks


def _block(part: Part, notes: Notes) -> dict[str, Any] | None:
    if isinstance(part, Text):
        return _written_text(part) if part.text else None
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text} if part.text else None
    if isinstance(part, Media):
        return _marked(media.to_messages(part, notes), part.cache)
    if isinstance(part, ToolUse):
        made: dict[str, Any] = {
            "type": "tool_use",
            "id": plain_id(part.id),
            "name": part.name,
            "input": object_from(part.arguments),
        }
        return _marked(made, part.cache)
    if isinstance(part, ToolResult):
        content = [block for inner in part.parts if (block := _block(inner, notes)) is not None]
        made = given(type="tool_result", tool_use_id=plain_id(part.id), content=content)
        if part.is_error:
            made["is_error"] = True
        return _marked(made, part.cache)
    return written_thinking(part)


def written_thinking(part: Thinking) -> dict[str, Any] | None:
    """Return a block of thinking that Claude itself has sealed; others' it would refuse."""
    seal = part.seal
    if seal is None or seal.origin != ANTHROPIC_FAMILY:
        return None
    if seal.is_whole:
        return {"type": "redacted_thinking", "data": seal.value}
    return {"type": "thinking", "thinking": part.text, "signature": seal.value}


def _written_tool(tool: Tool) -> dict[str, Any]:
    made = given(name=tool.name, description=tool.description or None, strict=tool.is_strict)
    made["input_schema"] = tool.schema or {"type": "object", "properties": {}}
    return _marked(made, tool.cache)


def _written_choice(talk: Conversation) -> dict[str, Any] | None:
    choice = talk.tool_choice
    serial = (
        {}
        if talk.parallel_tools is None
        else {"disable_parallel_tool_use": not talk.parallel_tools}
    )
    if choice is None:
        return {"type": "auto", **serial} if serial else None
    if choice.mode == "none":
        return {"type": "none"}
    if choice.names:
        return {"type": "tool", "name": choice.names[0], **serial}
    return {"type": choice.mode, **serial}
