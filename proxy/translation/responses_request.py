"""OpenAI Responses requests, read into the neutral form. No provider is asked in it by way of translation."""

from dataclasses import dataclass, field
from typing import Any

from proxy.translation import media
from proxy.translation.neutral import (
    Conversation,
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
from proxy.translation.openai_tools import (
    allowed_choice,
    plain_choice,
    read_format,
    read_function,
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
)
from proxy.translation.thinking import OPENAI_FAMILY, unpacked
from proxy.translation.turns import alternating, reattached

_FREE_TEXT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}
_CALLS = frozenset({"function_call", "custom_tool_call"})
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


@dataclass(slots=True)
class _Reading:
    """What has been read of a request so far."""

    notes: Notes
    system: list[Text] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    custom: set[str] = field(default_factory=set)
    namespaces: dict[str, tuple[str, str]] = field(default_factory=dict)


def read(body: dict[str, Any], notes: Notes) -> Conversation:
    """Return what a request says. Raises Refused: BAD_REQUEST, UNSUPPORTED_PARAMETER."""
    reading = _Reading(notes)
    instructions = a_text(body.get("instructions"), "instructions")
    if instructions:
        reading.system.append(Text(instructions))
    _tools(body.get("tools"), "", reading)
    _input(body.get("input"), reading)
    text = an_object(body.get("text") or {}, "text")
    limit = a_count(body.get("max_output_tokens"), "max_output_tokens", 1)
    return Conversation(
        system=tuple(reading.system),
        messages=tuple(Message(m.role, reattached(m.parts)) for m in alternating(reading.messages)),
        tools=tuple(reading.tools),
        tool_choice=_choice(body.get("tool_choice"), notes),
        parallel_tools=a_flag(body.get("parallel_tool_calls"), "parallel_tool_calls"),
        max_tokens=limit,
        temperature=a_number(body.get("temperature"), "temperature"),
        top_p=a_number(body.get("top_p"), "top_p"),
        reasoning=_reasoning(body.get("reasoning")),
        format=read_format(text.get("format"), "text.format"),
        is_streamed=body.get("stream") is True,
        custom_tools=frozenset(reading.custom),
        namespaces=reading.namespaces,
    )


def _reasoning(value: object) -> Reasoning | None:
    if value is None:
        return None
    config = an_object(value, "reasoning")
    shown = config.get("summary") is not None or config.get("generate_summary") is not None
    effort = a_text(config.get("effort"), "reasoning.effort")
    return Reasoning(effort, is_shown=shown) if effort or shown else None


def _input(value: object, reading: _Reading) -> None:
    if isinstance(value, str):
        reading.messages.append(Message("user", (Text(value),)))
        return
    if value is None:
        raise bad("input", "a text or a list")
    for number, item in enumerate(a_list(value, "input")):
        where = f"input[{number}]"
        item = an_object(item, where)
        kind = str(item.get("type") or ("message" if "role" in item else None))
        if kind == "message":
            _message(item, where, reading)
        elif kind in _CALLS:
            _add("assistant", _call(item, where, reading), reading)
        elif kind in _RESULTS:
            _add("user", _result(item, where, reading.notes), reading)
        elif kind == "reasoning":
            _add("assistant", _thought(item, where), reading)
        elif kind == "additional_tools":
            _tools(item.get("tools"), "", reading)
        else:
            raise reading.notes.refusal(f"input[].{kind}", "this kind of item has no counterpart")


def _add(role: str, part: Part, reading: _Reading) -> None:
    reading.messages.append(Message(role, (part,)))


def _message(item: dict[str, Any], where: str, reading: _Reading) -> None:
    role = item.get("role")
    content = item.get("content")
    if isinstance(content, str):
        parts: tuple[Part, ...] = (Text(content),)
    else:
        parts = tuple(
            _part(an_object(part, f"{where}.content[]"), f"{where}.content[]", reading.notes)
            for part in a_list(content, f"{where}.content")
        )
    if role in ("system", "developer"):
        said = tuple(part for part in parts if isinstance(part, Text))
        if reading.messages:
            reading.messages.append(Message("system", said))
        else:
            reading.system += said
    elif role in ("user", "assistant"):
        reading.messages.append(Message(role, parts))
    else:
        raise bad(f"{where}.role", "one of user, assistant, system, developer")


def _part(part: dict[str, Any], where: str, notes: Notes) -> Text | Media | Refusal:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text"):
        return Text(a_text(part.get("text"), f"{where}.text"))
    if kind == "refusal":
        return Refusal(a_text(part.get("refusal"), f"{where}.refusal"))
    if kind == "input_image" and part.get("image_url"):
        detail = a_text(part.get("detail"), f"{where}.detail")
        return media.from_url(
            "image", a_text(part["image_url"], f"{where}.image_url"), detail=detail
        )
    if kind == "input_file" and (part.get("file_data") or part.get("file_url")):
        url = a_text(part.get("file_data") or part.get("file_url"), f"{where}.file_data")
        return media.from_url(
            "document", url, name=a_text(part.get("filename"), f"{where}.filename")
        )
    if kind in ("input_image", "input_file"):
        raise notes.refusal("input[].content[].file_id", "the file is kept by OpenAI")
    raise notes.refusal(f"input[].content[].{kind}", "this kind of content has no counterpart")


def _flat(item: dict[str, Any], where: str, reading: _Reading) -> str:
    name = a_text(item.get("name"), f"{where}.name")
    space = a_text(item.get("namespace"), f"{where}.namespace")
    if not space:
        return name
    flat = f"{space}__{name}"
    reading.namespaces[flat] = (space, name)
    return flat


def _call(item: dict[str, Any], where: str, reading: _Reading) -> ToolUse:
    name = _flat(item, where, reading)
    if item["type"] == "custom_tool_call":
        reading.custom.add(name)
        arguments = json_text({"input": a_text(item.get("input"), f"{where}.input")})
    else:
        arguments = a_text(item.get("arguments"), f"{where}.arguments") or "{}"
    return ToolUse(a_text(item.get("call_id"), f"{where}.call_id"), name, arguments)


def _result(item: dict[str, Any], where: str, notes: Notes) -> ToolResult:
    call_id = a_text(item.get("call_id"), f"{where}.call_id")
    output = item.get("output")
    if isinstance(output, str):
        return ToolResult(call_id, (Text(output),) if output else ())
    parts = [
        _part(an_object(part, f"{where}.output[]"), f"{where}.output[]", notes)
        for part in a_list(output, f"{where}.output")
    ]
    return ToolResult(call_id, tuple(part for part in parts if isinstance(part, Text | Media)))


def _thought(item: dict[str, Any], where: str) -> Thinking:
    summary = [an_object(part, f"{where}.summary[]") for part in a_list(item.get("summary"), where)]
    text = "".join(a_text(part.get("text"), f"{where}.summary[].text") for part in summary)
    sealed = a_text(item.get("encrypted_content"), f"{where}.encrypted_content")
    if not sealed:
        return Thinking(text)
    seal = unpacked(sealed, OPENAI_FAMILY)
    is_whole = seal.is_whole or seal.origin == OPENAI_FAMILY
    return Thinking(text, Seal(seal.origin, seal.value, is_whole))


def _tools(value: object, space: str, reading: _Reading) -> None:
    for tool in a_list(value, "tools"):
        tool = an_object(tool, "tools[]")
        kind = tool.get("type")
        if kind == "namespace" and not space:
            _tools(tool.get("tools"), a_text(tool.get("name"), "tools[].name"), reading)
        elif kind == "function" or kind == "custom":
            named = {**tool, **given(namespace=space or None)}
            made = read_function(tool, "tools[]") if kind == "function" else _custom(tool)
            flat = _flat(named, "tools[]", reading)
            if kind == "custom":
                reading.custom.add(flat)
            reading.tools.append(Tool(flat, made.description, made.schema, made.is_strict))
        else:
            reading.notes.drop(f"tools.{kind}")


def _custom(tool: dict[str, Any]) -> Tool:
    """Return a tool of free text as a function of one text; its grammar becomes part of its description."""
    description = a_text(tool.get("description"), "tools[].description")
    form = tool.get("format")
    if isinstance(form, dict) and form.get("type") == "grammar":
        grammar = a_text(form.get("definition"), "tools[].format.definition")
        syntax = a_text(form.get("syntax"), "tools[].format.syntax")
        description += f"\n\nThe input follows this {syntax} grammar:\n{grammar}"
    return Tool(a_text(tool.get("name"), "tools[].name"), description.strip(), dict(_FREE_TEXT))


def _choice(value: object, notes: Notes) -> ToolChoice | None:
    if value is None:
        return None
    if isinstance(value, str):
        return plain_choice(value)
    choice = an_object(value, "tool_choice")
    kind = choice.get("type")
    if kind == "allowed_tools":
        return allowed_choice(choice, notes)
    if kind in ("function", "custom"):
        return ToolChoice("tool", (a_text(choice.get("name"), "tool_choice.name"),))
    raise notes.refusal(f"tool_choice.{kind}", "the tool is one that OpenAI runs")
