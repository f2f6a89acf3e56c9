"""Gemini generateContent requests: read into the neutral form, and written from it."""

from typing import Any

from core.fault import Fault, Refused
from proxy.translation import media
from proxy.translation.gemini_schema import camel_keys, json_schema
from proxy.translation.neutral import (
    Conversation,
    Format,
    Media,
    Message,
    Part,
    Reasoning,
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
from proxy.translation.thinking import (
    GEMINI_FAMILY,
    gemini_thinking,
    packed_base64,
    unpacked_base64,
)
from proxy.translation.turns import alternating, hoisted, names_of_calls

UNSIGNED = "skip_thought_signature_validator"
"""What Google documents as the signature of a call that no model of theirs has signed."""
_NATIVE_TOOLS = "functionDeclarations"


def normal(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request with all names of Google's own in camel case; both spellings are allowed."""
    return {**camel_keys(body)}


def read(body: dict[str, Any], notes: Notes) -> Conversation:
    """Return what a request says. Raises Refused: BAD_REQUEST, UNSUPPORTED_PARAMETER.

    ``body`` is ``normal``. Whether it is streamed is said by the path, not here.
    """
    config = an_object(body.get("generationConfig") or {}, "generationConfig")
    instruction = body.get("systemInstruction")
    choice = _choice(body.get("toolConfig"))
    counts = config.get("responseLogprobs") is True
    return Conversation(
        system=() if instruction is None else _instruction(instruction),
        messages=_messages(a_list(body.get("contents"), "contents"), notes),
        tools=_tools(body.get("tools"), notes),
        tool_choice=choice,
        max_tokens=a_count(config.get("maxOutputTokens"), "generationConfig.maxOutputTokens", 1),
        temperature=a_number(config.get("temperature"), "generationConfig.temperature"),
        top_p=a_number(config.get("topP"), "generationConfig.topP"),
        top_k=_rounded(a_number(config.get("topK"), "generationConfig.topK")),
        stop=texts(config.get("stopSequences"), "generationConfig.stopSequences"),
        frequency_penalty=a_number(config.get("frequencyPenalty"), "frequencyPenalty"),
        presence_penalty=a_number(config.get("presencePenalty"), "presencePenalty"),
        seed=a_count(config.get("seed"), "generationConfig.seed", -(1 << 31)),
        top_logprobs=a_count(config.get("logprobs"), "logprobs") or 0 if counts else None,
        reasoning=_reasoning(config.get("thinkingConfig")),
        format=_format(config),
    )


def _rounded(value: float | None) -> int | None:
    return None if value is None else int(value)


def _instruction(value: object) -> tuple[Text, ...]:
    if isinstance(value, str):
        return (Text(value),)
    parts = a_list(an_object(value, "systemInstruction").get("parts"), "systemInstruction.parts")
    return tuple(
        Text(a_text(an_object(p, "systemInstruction.parts[]").get("text"), "text")) for p in parts
    )


class _Calls:
    """Gives calls without an id one, and finds it again for the result that names only the function."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []
        self._made = 0

    def begun(self, name: str, call_id: str) -> str:
        self._made += 1
        call_id = call_id or f"call_{self._made}"
        self._open.append((name, call_id))
        return call_id

    def ended(self, name: str, call_id: str) -> str:
        for entry in self._open:
            if entry[1] == call_id if call_id else entry[0] == name:
                self._open.remove(entry)
                return entry[1]
        return call_id or name


def _messages(contents: list[Any], notes: Notes) -> tuple[Message, ...]:
    calls = _Calls()
    messages = []
    for number, content in enumerate(contents):
        where = f"contents[{number}]"
        content = an_object(content, where)
        role = content.get("role") or "user"
        if role not in ("user", "model", "function"):
            raise bad(f"{where}.role", "one of user, model")
        parts: list[Part] = []
        for index, part in enumerate(a_list(content.get("parts"), f"{where}.parts")):
            place = f"{where}.parts[{index}]"
            made = _part(an_object(part, place), place, calls, notes)
            if isinstance(made, Thinking) and parts and _is_unsealed(parts[-1]):
                # A stream tells the text and its proof in parts of their own.
                made = Thinking(parts.pop().text + made.text, made.seal)  # type: ignore[union-attr]
            if made is not None:
                parts.append(made)
        messages.append(Message("assistant" if role == "model" else "user", tuple(parts)))
    return tuple(messages)


def _is_unsealed(part: Part) -> bool:
    return isinstance(part, Thinking) and part.seal is None


def _part(part: dict[str, Any], where: str, calls: _Calls, notes: Notes) -> Part | None:
    signature = part.get("thoughtSignature")
    seal = unpacked_base64(signature) if isinstance(signature, str) and signature else None
    if part.get("thought") is True:
        return Thinking(a_text(part.get("text"), f"{where}.text"), seal)
    if "text" in part:
        return Text(a_text(part["text"], f"{where}.text"))
    if "inlineData" in part:
        blob = an_object(part["inlineData"], f"{where}.inlineData")
        kind = a_text(blob.get("mimeType"), f"{where}.inlineData.mimeType")
        return Media(
            media.kind_of(kind), kind, a_text(blob.get("data"), f"{where}.inlineData.data")
        )
    if "fileData" in part:
        file = an_object(part["fileData"], f"{where}.fileData")
        kind = a_text(file.get("mimeType"), f"{where}.fileData.mimeType")
        url = a_text(file.get("fileUri"), f"{where}.fileData.fileUri")
        return Media(media.kind_of(kind), kind, url=url)
    if "functionCall" in part:
        call = an_object(part["functionCall"], f"{where}.functionCall")
        name = a_text(call.get("name"), f"{where}.functionCall.name")
        call_id = calls.begun(name, a_text(call.get("id"), f"{where}.functionCall.id"))
        arguments = json_text(an_object(call.get("args") or {}, f"{where}.functionCall.args"))
        if seal is not None and seal.value == UNSIGNED:
            seal = None
        return ToolUse(call_id, name, arguments, seal)
    if "functionResponse" in part:
        return _result(
            an_object(part["functionResponse"], f"{where}.functionResponse"), calls, where
        )
    if part.keys() & {"executableCode", "codeExecutionResult", "toolCall", "toolResponse"}:
        notes.drop(f"contents[].parts[].{next(iter(part))}")
        return None
    if not part.keys() - {"thoughtSignature", "thought"}:
        return None
    raise notes.refusal(
        f"contents[].parts[].{next(iter(part))}", "this kind of content has no counterpart"
    )


def _result(response: dict[str, Any], calls: _Calls, where: str) -> ToolResult:
    name = a_text(response.get("name"), f"{where}.functionResponse.name")
    call_id = calls.ended(name, a_text(response.get("id"), f"{where}.functionResponse.id"))
    value = an_object(response.get("response") or {}, f"{where}.functionResponse.response")
    is_error = list(value) == ["error"]
    inner: object = value
    if list(value) in (["output"], ["result"], ["error"]):
        inner = next(iter(value.values()))
    text = inner if isinstance(inner, str) else json_text(inner)
    return ToolResult(call_id, (Text(text),) if text else (), is_error)


def _tools(value: object, notes: Notes) -> tuple[Tool, ...]:
    tools = []
    for group in a_list(value, "tools"):
        group = an_object(group, "tools[]")
        for name in group:
            if name != _NATIVE_TOOLS and group[name] is not None:
                notes.drop(f"tools.{name}")
        for function in a_list(group.get(_NATIVE_TOOLS), "tools[].functionDeclarations"):
            function = an_object(function, "tools[].functionDeclarations[]")
            schema = function.get("parametersJsonSchema")
            if schema is None and function.get("parameters") is not None:
                schema = json_schema(function["parameters"])
            tools.append(
                Tool(
                    a_text(function.get("name"), "functionDeclarations[].name"),
                    a_text(function.get("description"), "functionDeclarations[].description"),
                    None
                    if schema is None
                    else an_object(schema, "functionDeclarations[].parameters"),
                )
            )
    return tuple(tools)


def _choice(value: object) -> ToolChoice | None:
    if value is None:
        return None
    config = an_object(value, "toolConfig").get("functionCallingConfig")
    if config is None:
        return None
    config = an_object(config, "toolConfig.functionCallingConfig")
    names = texts(config.get("allowedFunctionNames"), "allowedFunctionNames")
    mode = str(config.get("mode") or "AUTO").upper()
    modes = {"AUTO": "auto", "ANY": "any", "NONE": "none", "VALIDATED": "auto"}
    if mode not in modes:
        return None
    if mode == "ANY" and len(names) == 1:
        return ToolChoice("tool", names)
    return ToolChoice(modes[mode], names)


def _reasoning(value: object) -> Reasoning | None:
    if value is None:
        return None
    config = an_object(value, "generationConfig.thinkingConfig")
    shown = a_flag(config.get("includeThoughts"), "thinkingConfig.includeThoughts")
    level = a_text(config.get("thinkingLevel"), "thinkingConfig.thinkingLevel").lower()
    budget = a_count(config.get("thinkingBudget"), "thinkingConfig.thinkingBudget", -1)
    if budget == 0:
        return Reasoning("none", is_shown=shown)
    if budget == -1:
        budget = None
    return Reasoning(level, budget, shown)


def _format(config: dict[str, Any]) -> Format | None:
    schema = config.get("responseJsonSchema")
    if schema is None and config.get("responseSchema") is not None:
        schema = json_schema(config["responseSchema"])
    if schema is not None:
        return Format(an_object(schema, "generationConfig.responseSchema"))
    return Format() if config.get("responseMimeType") == "application/json" else None


def write(talk: Conversation, model: str, notes: Notes, max_output: int | None) -> dict[str, Any]:
    """Return the body of a request that says the same; model and streaming are said by the path."""
    talk = hoisted(talk)
    names = names_of_calls(talk.messages)
    wants_seals = "gemini-3" in model
    contents = [
        {"role": "model" if m.role == "assistant" else "user", "parts": parts}
        for m in alternating(talk.messages)
        if (parts := _parts(m, names, wants_seals))
    ]
    if not contents:
        raise Refused(Fault.BAD_REQUEST, "The request holds no message but instructions.")
    limit = talk.max_tokens
    if limit is not None and max_output is not None:
        limit = min(limit, max_output)
    tools = [_written_tool(tool) for tool in talk.tools]
    return given(
        systemInstruction=given(parts=[{"text": p.text} for p in talk.system if p.text]),
        contents=contents,
        tools=[{_NATIVE_TOOLS: tools}] if tools else None,
        toolConfig=_written_choice(talk.tool_choice) if tools else None,
        generationConfig=_config(talk, model, limit),
        **talk.extensions,
    )


def _config(talk: Conversation, model: str, limit: int | None) -> dict[str, Any]:
    form = talk.format
    thinking = None
    if talk.reasoning is not None:
        thinking = gemini_thinking(talk.reasoning, model, talk.max_tokens)
    return given(
        maxOutputTokens=limit,
        temperature=talk.temperature,
        topP=talk.top_p,
        topK=talk.top_k,
        stopSequences=list(talk.stop),
        frequencyPenalty=talk.frequency_penalty,
        presencePenalty=talk.presence_penalty,
        seed=talk.seed,
        responseLogprobs=None if talk.top_logprobs is None else True,
        logprobs=talk.top_logprobs or None,
        thinkingConfig=thinking,
        responseMimeType=None if form is None else "application/json",
        responseJsonSchema=None if form is None else form.schema,
    )


def _parts(message: Message, names: dict[str, str], wants_seals: bool) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    has_call = False
    for part in message.parts:
        if isinstance(part, ToolUse):
            # Parallel calls share the signature of the first of them.
            needs = wants_seals and not has_call
            has_call = True
            parts.append(written_call(part, needs))
        elif isinstance(part, ToolResult):
            parts += _written_result(part, names)
        elif isinstance(part, Media):
            parts.append(media.to_gemini(part))
        elif isinstance(part, Thinking):
            if part.seal is not None and part.seal.origin == GEMINI_FAMILY:
                parts.append(_thought(part.text, part.seal))
        elif part.text:
            parts.append({"text": part.text})
    return parts


def _thought(text: str, seal: Seal) -> dict[str, Any]:
    return {"text": text, "thought": True, "thoughtSignature": packed_base64(seal)}


def written_call(call: ToolUse, needs_seal: bool = False) -> dict[str, Any]:
    """Return a part that calls a function; one that needs a seal and has none of Gemini's gets the exempt one."""
    made: dict[str, Any] = {
        "functionCall": {"id": call.id, "name": call.name, "args": object_from(call.arguments)}
    }
    if call.seal is not None and call.seal.origin == GEMINI_FAMILY:
        made["thoughtSignature"] = call.seal.value
    elif needs_seal:
        made["thoughtSignature"] = UNSIGNED
    return made


def _written_result(result: ToolResult, names: dict[str, str]) -> list[dict[str, Any]]:
    text = "".join(part.text for part in result.parts if isinstance(part, Text))
    response = {
        "id": result.id,
        "name": names.get(result.id, result.id),
        "response": {"error" if result.is_error else "output": text},
    }
    shown = [media.to_gemini(part) for part in result.parts if isinstance(part, Media)]
    return [{"functionResponse": response}, *shown]


def _written_tool(tool: Tool) -> dict[str, Any]:
    made = given(name=tool.name, description=tool.description or None)
    if tool.schema is not None:
        made["parametersJsonSchema"] = tool.schema
    return made


def _written_choice(choice: ToolChoice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    mode = {"auto": "AUTO", "none": "NONE", "any": "ANY", "tool": "ANY"}[choice.mode]
    if choice.mode == "auto" and choice.names:
        mode = "VALIDATED"
    return {"functionCallingConfig": given(mode=mode, allowedFunctionNames=list(choice.names))}
