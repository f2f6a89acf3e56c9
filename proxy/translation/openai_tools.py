"""What OpenAI's two dialects say alike in requests: functions, the choice among them, the answer's format."""

from typing import Any

from proxy.translation.neutral import Format, Tool, ToolChoice
from proxy.translation.rules import Notes
from proxy.translation.shapes import a_flag, a_list, a_text, an_object, bad


def read_function(function: dict[str, Any], where: str) -> Tool:
    """Return a function as OpenAI declares it, in chat below ``function`` and in Responses flat."""
    schema = function.get("parameters")
    return Tool(
        a_text(function.get("name"), f"{where}.name"),
        a_text(function.get("description"), f"{where}.description"),
        None if schema is None else an_object(schema, f"{where}.parameters"),
        a_flag(function.get("strict"), f"{where}.strict"),
    )


def plain_choice(word: str) -> ToolChoice:
    """Return the choice that OpenAI says in one word. Raises Refused: BAD_REQUEST."""
    modes = {"auto": "auto", "none": "none", "required": "any"}
    if word not in modes:
        raise bad("tool_choice", "one of none, auto, required, or an object")
    return ToolChoice(modes[word])


def allowed_choice(allowed: dict[str, Any], notes: Notes) -> ToolChoice:
    """Return a choice limited to some tools. Raises Refused: UNSUPPORTED_PARAMETER towards Claude's dialects."""
    if notes.wire in ("anthropic_messages", "bedrock_converse"):
        raise notes.refusal("tool_choice.allowed_tools", "tools can't be limited to some of them")
    names = []
    for tool in a_list(allowed.get("tools"), "tool_choice.tools"):
        tool = an_object(tool, "tool_choice.tools[]")
        function = tool.get("function")
        named = function if isinstance(function, dict) else tool
        names.append(a_text(named.get("name"), "tool_choice.tools[].name"))
    mode = "any" if allowed.get("mode") == "required" else "auto"
    return ToolChoice(mode, tuple(names))


def read_format(value: object, where: str) -> Format | None:
    """Return an answer's format as chat says it, or Responses, which says the same one level higher."""
    if value is None:
        return None
    form = an_object(value, where)
    kind = form.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Format()
    if kind != "json_schema":
        raise bad(f"{where}.type", "one of text, json_object, json_schema")
    inner = form.get("json_schema", form)
    inner = an_object(inner, f"{where}.json_schema")
    return Format(
        an_object(inner.get("schema") or {}, f"{where}.schema"),
        a_text(inner.get("name"), f"{where}.name"),
        a_text(inner.get("description"), f"{where}.description"),
        a_flag(inner.get("strict"), f"{where}.strict"),
    )
