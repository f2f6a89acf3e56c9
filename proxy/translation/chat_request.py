"""OpenAI chat requests: read into the neutral form, and written from it."""

from dataclasses import replace
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
    texts,
)
from proxy.translation.thinking import (
    ANTHROPIC_FAMILY,
    GEMINI_FAMILY,
    is_openai_thinker,
    openai_effort,
    packed,
    unpacked,
)
from proxy.translation.turns import offered

_EXTENSIONS = {
    "safety_settings": "safetySettings",
    "cached_content": "cachedContent",
    "labels": "labels",
}


def read(body: dict[str, Any], notes: Notes) -> Conversation:
    """Return what a request says. Raises Refused: BAD_REQUEST, UNSUPPORTED_PARAMETER."""
    limit = body.get("max_completion_tokens")
    if limit is None:
        limit = body.get("max_tokens")
    effort = a_text(body.get("reasoning_effort"), "reasoning_effort")
    top = a_count(body.get("top_logprobs"), "top_logprobs")
    options = an_object(body.get("stream_options") or {}, "stream_options")
    system, messages = _messages(a_list(body.get("messages"), "messages"), notes)
    return Conversation(
        system=system,
        messages=messages,
        tools=_tools(body.get("tools"), notes),
        tool_choice=_choice(body.get("tool_choice"), notes),
        parallel_tools=a_flag(body.get("parallel_tool_calls"), "parallel_tool_calls"),
        max_tokens=a_count(limit, "max_completion_tokens", 1),
        temperature=a_number(body.get("temperature"), "temperature"),
        top_p=a_number(body.get("top_p"), "top_p"),
        stop=texts(body.get("stop"), "stop"),
        frequency_penalty=a_number(body.get("frequency_penalty"), "frequency_penalty"),
        presence_penalty=a_number(body.get("presence_penalty"), "presence_penalty"),
        seed=a_count(body.get("seed"), "seed", -(1 << 63)),
        top_logprobs=top or 0 if a_flag(body.get("logprobs"), "logprobs") else None,
        reasoning=Reasoning(effort) if effort else None,
        format=read_format(body.get("response_format"), "response_format"),
        is_streamed=body.get("stream") is True,
        asks_usage=options.get("include_usage") is True,
        extensions={
            new: body[old] for old, new in _EXTENSIONS.items() if body.get(old) is not None
        },
    )


def _messages(items: list[Any], notes: Notes) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    system: tuple[Text, ...] = ()
    messages: list[Message] = []
    for number, item in enumerate(items):
        where = f"messages[{number}]"
        item = an_object(item, where)
        role = a_text(item.get("role"), f"{where}.role")
        if role in ("system", "developer"):
            said = _texts(item.get("content"), f"{where}.content")
            if messages:
                messages.append(Message("system", said))
            else:
                system += said
        elif role == "user":
            messages.append(Message("user", _parts(item.get("content"), f"{where}.content", notes)))
        elif role == "assistant":
            messages.append(Message("assistant", _said(item, where, notes)))
        elif role == "tool":
            result = ToolResult(
                a_text(item.get("tool_call_id"), f"{where}.tool_call_id"),
                _texts(item.get("content"), f"{where}.content"),
            )
            if messages and all(isinstance(p, ToolResult) for p in messages[-1].parts):
                messages[-1] = Message("user", (*messages[-1].parts, result))
            else:
                messages.append(Message("user", (result,)))
        else:
            raise bad(f"{where}.role", "one of system, developer, user, assistant, tool")
    return system, tuple(messages)


def _texts(content: object, where: str) -> tuple[Text, ...]:
    if content is None or isinstance(content, str):
        return (Text(content),) if content else ()
    parts = [an_object(part, f"{where}[]") for part in a_list(content, where)]
    return tuple(Text(a_text(part.get("text"), f"{where}[].text")) for part in parts)


def _parts(content: object, where: str, notes: Notes) -> tuple[Part, ...]:
    if content is None or isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(
        _part(an_object(part, f"{where}[{n}]"), f"{where}[{n}]", notes)
        for n, part in enumerate(a_list(content, where))
    )


def _part(part: dict[str, Any], where: str, notes: Notes) -> Part:
    kind = part.get("type")
    if kind == "text":
        return Text(a_text(part.get("text"), f"{where}.text"))
    if kind == "refusal":
        return Refusal(a_text(part.get("refusal"), f"{where}.refusal"))
    if kind == "image_url":
        image = an_object(part.get("image_url"), f"{where}.image_url")
        url = a_text(image.get("url"), f"{where}.image_url.url")
        return media.from_url("image", url, detail=a_text(image.get("detail"), f"{where}.detail"))
    if kind == "input_audio":
        audio = an_object(part.get("input_audio"), f"{where}.input_audio")
        form = a_text(audio.get("format"), f"{where}.input_audio.format")
        return Media(
            "audio", f"audio/{form}", a_text(audio.get("data"), f"{where}.input_audio.data")
        )
    if kind == "file":
        file = an_object(part.get("file"), f"{where}.file")
        data = a_text(file.get("file_data"), f"{where}.file.file_data")
        if data:
            return media.from_url("document", data, name=a_text(file.get("filename"), where))
        raise notes.refusal("messages[].content[].file.file_id", "the file is kept by OpenAI")
    raise notes.refusal(f"messages[].content[].{kind}", "this kind of content is not known")


def _said(item: dict[str, Any], where: str, notes: Notes) -> tuple[Part, ...]:
    """Return what the assistant said: thinking, then words, then calls."""
    parts: list[Part] = []
    where_blocks = f"{where}.thinking_blocks"
    for block in a_list(item.get("thinking_blocks"), where_blocks):
        parts.append(_thought(an_object(block, f"{where_blocks}[]"), where_blocks))
    if not parts and (thought := item.get("reasoning_content")):
        parts.append(Thinking(a_text(thought, f"{where}.reasoning_content")))
    parts += _parts(item.get("content"), f"{where}.content", notes)
    if item.get("refusal"):
        parts.append(Refusal(a_text(item["refusal"], f"{where}.refusal")))
    for call in a_list(item.get("tool_calls"), f"{where}.tool_calls"):
        parts.append(
            _call(an_object(call, f"{where}.tool_calls[]"), f"{where}.tool_calls[]", notes)
        )
    return tuple(parts)


def _thought(block: dict[str, Any], where: str) -> Thinking:
    sealed = a_text(block.get("signature") or block.get("data"), f"{where}[].signature")
    seal = unpacked(sealed, ANTHROPIC_FAMILY) if sealed else None
    if seal is not None and block.get("type") == "redacted_thinking":
        seal = replace(seal, is_whole=True)
    return Thinking(a_text(block.get("thinking"), f"{where}[].thinking"), seal)


def _call(call: dict[str, Any], where: str, notes: Notes) -> ToolUse:
    if call.get("type", "function") != "function":
        raise notes.refusal("messages[].tool_calls[].custom", "free-text tools are not mapped here")
    function = an_object(call.get("function"), f"{where}.function")
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return ToolUse(
        a_text(call.get("id"), f"{where}.id"),
        a_text(function.get("name"), f"{where}.function.name"),
        a_text(function.get("arguments"), f"{where}.function.arguments") or "{}",
        unpacked(signature, GEMINI_FAMILY) if isinstance(signature, str) and signature else None,
    )


def _tools(value: object, notes: Notes) -> tuple[Tool, ...]:
    tools = []
    for tool in a_list(value, "tools"):
        tool = an_object(tool, "tools[]")
        if tool.get("type") != "function":
            notes.drop(f"tools.{tool.get('type')}")
            continue
        tools.append(read_function(an_object(tool.get("function"), "tools[].function"), "tools[]"))
    return tuple(tools)


def _choice(value: object, notes: Notes) -> ToolChoice | None:
    if value is None:
        return None
    if isinstance(value, str):
        return plain_choice(value)
    choice = an_object(value, "tool_choice")
    if choice.get("type") == "allowed_tools":
        return allowed_choice(
            an_object(choice.get("allowed_tools"), "tool_choice.allowed_tools"), notes
        )
    function = an_object(choice.get("function"), "tool_choice.function")
    return ToolChoice("tool", (a_text(function.get("name"), "tool_choice.function.name"),))


def write(talk: Conversation, model: str, notes: Notes, max_output: int | None) -> dict[str, Any]:
    """Return the body of a request that says the same, as far as chat can."""
    talk = offered(talk)
    limit = talk.max_tokens
    if limit is not None and max_output is not None:
        limit = min(limit, max_output)
    limit_name = "max_completion_tokens" if is_openai_thinker(model) else "max_tokens"
    effort = None
    if talk.reasoning is not None:
        effort = openai_effort(talk.reasoning, model, talk.max_tokens)
        if effort is None and (talk.reasoning.effort or talk.reasoning.budget):
            notes.drop("reasoning", "the model takes no effort")
    messages = [_system(talk.system)] if talk.system else []
    for message in talk.messages:
        messages += _written(message, notes)
    if not messages:
        raise Refused(Fault.BAD_REQUEST, "The request holds no message.")
    tools = [written_tool(tool) for tool in talk.tools]
    body = given(
        model=model,
        messages=messages,
        tools=tools,
        tool_choice=_written_choice(talk.tool_choice) if tools else None,
        parallel_tool_calls=talk.parallel_tools if tools else None,
        temperature=talk.temperature,
        top_p=talk.top_p,
        stop=list(talk.stop),
        frequency_penalty=talk.frequency_penalty,
        presence_penalty=talk.presence_penalty,
        seed=talk.seed,
        logprobs=None if talk.top_logprobs is None else True,
        top_logprobs=talk.top_logprobs or None,
        reasoning_effort=effort,
        response_format=_written_format(talk.format),
        stream=True if talk.is_streamed else None,
        stream_options={"include_usage": True} if talk.is_streamed else None,
    )
    if limit is not None:
        body[limit_name] = limit
    return body


def _system(parts: tuple[Text, ...]) -> dict[str, Any]:
    return {
        "role": "system",
        "content": _content([{"type": "text", "text": p.text} for p in parts]),
    }


def _content(parts: list[dict[str, Any]]) -> object:
    if len(parts) == 1 and parts[0]["type"] == "text":
        return parts[0]["text"]
    return parts


def _written(message: Message, notes: Notes) -> list[dict[str, Any]]:
    if message.role == "system":
        return [_system(tuple(p for p in message.parts if isinstance(p, Text)))]
    if message.role == "assistant":
        return _written_answer(message)
    made: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            words = [{"type": "text", "text": p.text} for p in part.parts if isinstance(p, Text)]
            shown = [p for p in part.parts if isinstance(p, Media)]
            content = _content(words) if words else ("The result follows." if shown else "")
            made.append({"role": "tool", "tool_call_id": part.id, "content": content})
            rest += [media.to_chat(p, notes) for p in shown]
        elif isinstance(part, Text):
            rest.append({"type": "text", "text": part.text})
        elif isinstance(part, Media):
            rest.append(media.to_chat(part, notes))
    if rest:
        made.append({"role": "user", "content": _content(rest)})
    return made


def _written_answer(message: Message) -> list[dict[str, Any]]:
    words = [{"type": "text", "text": p.text} for p in message.parts if isinstance(p, Text)]
    calls = [written_call(p) for p in message.parts if isinstance(p, ToolUse)]
    refusal = "".join(p.text for p in message.parts if isinstance(p, Refusal))
    if not words and not calls and not refusal:
        return []
    answer: dict[str, Any] = {"role": "assistant", "content": _content(words) if words else None}
    if refusal:
        answer["refusal"] = refusal
    if calls:
        answer["tool_calls"] = calls
    return [answer]


def written_call(call: ToolUse) -> dict[str, Any]:
    """Return a tool call as chat says it, in requests and answers."""
    made: dict[str, Any] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.seal is not None:
        made["extra_content"] = {"google": {"thought_signature": packed(call.seal, GEMINI_FAMILY)}}
    return made


def written_tool(tool: Tool) -> dict[str, Any]:
    """Return a function as chat declares it."""
    function = given(name=tool.name, description=tool.description or None, strict=tool.is_strict)
    if tool.schema is not None:
        function["parameters"] = tool.schema
    return {"type": "function", "function": function}


def _written_choice(choice: ToolChoice | None) -> object:
    if choice is None:
        return None
    if choice.names:
        return {"type": "function", "function": {"name": choice.names[0]}}
    return "required" if choice.mode == "any" else choice.mode


def _written_format(form: Format | None) -> dict[str, Any] | None:
    if form is None:
        return None
    if form.schema is None:
        return {"type": "json_object"}
    inner = given(
        name=form.name or "answer", description=form.description or None, strict=form.is_strict
    )
    return {"type": "json_schema", "json_schema": {**inner, "schema": form.schema}}
