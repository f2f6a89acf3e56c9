"""Every row of the table does what it says, towards every provider, and says so."""

import copy
from typing import Any

import pytest

from core.fault import Fault, Refused
from proxy.translation.lane import Translated, translation_between
from proxy.translation.neutral import Context
from proxy.translation.rules import CLIENTS, FATES, MAX_NAMED, TABLE, WIRES, Fate, Rule
from proxy.translation.shapes import dumps, loads

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {"name": "look", "description": "Looks.", "parameters": SCHEMA}
BASES: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "model": "x",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": FUNCTION}],
    },
    "anthropic_messages": {
        "model": "x",
        "max_tokens": 5000,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "look", "description": "Looks.", "input_schema": SCHEMA}],
    },
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "tools": [{"functionDeclarations": [FUNCTION]}],
    },
    "openai_responses": {
        "model": "x",
        "input": "hi",
        "tools": [{"type": "function", **FUNCTION}],
    },
}
MODELS = {
    "openai_chat": "gpt-5.1",
    "anthropic_messages": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "bedrock_converse": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
FORM = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
VALUES: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "messages": [{"role": "user", "content": "other"}],
        "stream": True,
        "tools": [],
        "max_completion_tokens": 77,
        "max_tokens": 77,
        "temperature": 0.5,
        "top_p": 0.5,
        "stop": ["END"],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "response_format": FORM,
        "reasoning_effort": "low",
        "frequency_penalty": 0.5,
        "presence_penalty": 0.5,
        "seed": 7,
        "logprobs": True,
        "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "labels": {"team": "a"},
        "cached_content": "cachedContents/1",
        "n": 2,
        "service_tier": "flex",
        "functions": [FUNCTION],
        "function_call": "auto",
    },
    "anthropic_messages": {
        "messages": [{"role": "user", "content": "other"}],
        "system": "Be brief.",
        "stream": True,
        "max_tokens": 77,
        "stop_sequences": ["END"],
        "tools": [],
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 5,
        "tool_choice": {"type": "any"},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "output_config.effort": "low",
        "output_config.format": {"type": "json_schema", "schema": SCHEMA},
        "output_format": {"type": "json_schema", "schema": SCHEMA},
    },
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "other"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig.maxOutputTokens": 77,
        "generationConfig.stopSequences": ["END"],
        "generationConfig.temperature": 0.5,
        "generationConfig.topP": 0.5,
        "generationConfig.topK": 5,
        "generationConfig.presencePenalty": 0.5,
        "generationConfig.frequencyPenalty": 0.5,
        "generationConfig.seed": 7,
        "generationConfig.responseLogprobs": True,
        "generationConfig.responseMimeType": "application/json",
        "generationConfig.responseSchema": {"type": "OBJECT"},
        "generationConfig.responseJsonSchema": SCHEMA,
        "generationConfig.thinkingConfig": {"thinkingBudget": 2000},
        "generationConfig.candidateCount": 2,
        "generationConfig.responseModalities": ["IMAGE"],
    },
    "openai_responses": {
        "input": "other",
        "instructions": "Be brief.",
        "stream": True,
        "max_output_tokens": 77,
        "temperature": 0.5,
        "top_p": 0.5,
        "tools": [],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "text.format": {"type": "json_schema", "name": "a", "schema": SCHEMA},
        "store": True,
        "truncation": "auto",
        "background": True,
    },
}
# Said by the path or by the gateway itself, or only together with another parameter.
UNSEEN = {"model", "stream_options", "top_logprobs", "generationConfig.logprobs"}
IN_THE_PATH = {("gemini", "stream"), ("bedrock_converse", "stream")}


def with_value(client: str, parameter: str, value: Any) -> dict[str, Any]:
    body = copy.deepcopy(BASES[client])
    outer, dot, inner = parameter.partition(".")
    if dot:
        body.setdefault(outer, {})[inner] = value
    else:
        body[outer] = value
    return body


def translated(client: str, wire: str, body: dict[str, Any], model: str = "") -> Translated:
    translation = translation_between(client, wire)
    assert translation is not None
    return translation.request(dumps(body), model or MODELS[wire], context=Context("x"))


ROWS = [(rule, wire) for rule in TABLE for wire in WIRES if rule.fates[wire] is not Fate.SAME]


@pytest.mark.parametrize(("rule", "wire"), ROWS, ids=lambda x: getattr(x, "parameter", x))
def test_a_row_of_the_table_does_what_it_says(rule: Rule, wire: str) -> None:
    fate, client = rule.fates[wire], rule.client
    value = VALUES[client].get(rule.parameter, "anything")
    body = with_value(client, rule.parameter, value)
    if fate is Fate.REFUSED:
        with pytest.raises(Refused) as caught:
            translated(client, wire, body)
        assert caught.value.fault is Fault.UNSUPPORTED_PARAMETER
        assert caught.value.facts["parameter"] == rule.parameter
        assert caught.value.facts["target"] == wire
        return
    if rule.parameter in UNSEEN:
        return
    if fate is Fate.SPECIAL:
        assert rule.note, "a special row says what is special about it"
        return
    plain = translated(client, wire, BASES[client])
    made = translated(client, wire, body)
    is_same = made.body == plain.body
    assert is_same == (fate is not Fate.MAPPED or (wire, rule.parameter) in IN_THE_PATH)
    assert made.dropped == ((rule.parameter,) if fate is Fate.DROPPED else ())
    if fate is Fate.DROPPED:
        with pytest.raises(Refused) as caught:
            translated(client, wire, {**body, "drop_tuning_params": False})
        assert caught.value.facts["parameter"] == rule.parameter


SPECIAL: list[tuple[str, str, dict[str, Any], str, tuple[str, ...] | str]] = [
    # client, wire, what is added, the words in the body, what is dropped or the parameter refused
    ("openai_chat", "anthropic_messages", {"temperature": 2}, '"temperature":1', ()),
    (
        "openai_chat",
        "anthropic_messages",
        {"temperature": 0.5, "top_p": 0.1},
        '"temperature":0.5',
        ("top_p",),
    ),
    ("openai_chat", "anthropic_messages", {"top_p": 0.5}, '"top_p":0.5', ()),
    ("openai_chat", "anthropic_messages", {"n": 1}, "", ()),
    ("openai_chat", "gemini", {"n": 3}, "", ("n",)),
    ("openai_chat", "anthropic_messages", {"service_tier": "auto"}, "", ()),
    ("openai_chat", "anthropic_messages", {"service_tier": "flex"}, "", ("service_tier",)),
    (
        "openai_chat",
        "anthropic_messages",
        {"response_format": {"type": "json_object"}},
        "",
        "response_format",
    ),
    (
        "openai_chat",
        "bedrock_converse",
        {"response_format": {"type": "json_object"}},
        "",
        "response_format",
    ),
    (
        "openai_chat",
        "gemini",
        {"response_format": {"type": "json_object"}},
        '"responseMimeType":"application/json"',
        (),
    ),
    (
        "openai_chat",
        "anthropic_messages",
        {"response_format": FORM},
        '"output_config":{"format":{"type":"json_schema"',
        (),
    ),
    (
        "openai_chat",
        "bedrock_converse",
        {"response_format": FORM},
        '"outputConfig":{"textFormat"',
        (),
    ),
    (
        "openai_chat",
        "anthropic_messages",
        {"tool_choice": "none"},
        '"tool_choice":{"type":"none"}',
        (),
    ),
    (
        "openai_chat",
        "anthropic_messages",
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        "",
        "tool_choice.allowed_tools",
    ),
    (
        "openai_chat",
        "gemini",
        {
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "look"}}],
                },
            }
        },
        '"allowedFunctionNames":["look"]',
        (),
    ),
    ("openai_chat", "anthropic_messages", {"stop": [" "]}, "", ("stop",)),
    (
        "openai_chat",
        "anthropic_messages",
        {"parallel_tool_calls": False},
        '"disable_parallel_tool_use":true',
        (),
    ),
    ("openai_chat", "gemini", {"logprobs": True, "top_logprobs": 3}, '"logprobs":3', ()),
    (
        "openai_chat",
        "gemini",
        {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
        "",
        ("tools.custom",),
    ),
    (
        "anthropic_messages",
        "openai_chat",
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "",
        ("tools.web_search_20250305",),
    ),
    (
        "anthropic_messages",
        "gemini",
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        "",
        ("tool_choice.disable_parallel_tool_use",),
    ),
    (
        "anthropic_messages",
        "bedrock_converse",
        {"top_k": 5},
        '"additionalModelRequestFields":{"top_k":5}',
        (),
    ),
    ("gemini", "openai_chat", {"tools": [{"googleSearch": {}}]}, "", ("tools.googleSearch",)),
    (
        "gemini",
        "anthropic_messages",
        {"generationConfig": {"responseMimeType": "application/json"}},
        "",
        "generationConfig.responseMimeType",
    ),
    ("gemini", "openai_chat", {"generationConfig": {"candidateCount": 1}}, "", ()),
    ("gemini", "openai_chat", {"generationConfig": {"responseModalities": ["TEXT"]}}, "", ()),
    (
        "gemini",
        "openai_chat",
        {"generationConfig": {"responseModalities": ["IMAGE"]}},
        "",
        "generationConfig.responseModalities",
    ),
    (
        "openai_responses",
        "openai_chat",
        {"store": False, "truncation": "disabled", "background": False},
        "",
        (),
    ),
    ("openai_responses", "openai_chat", {"store": True}, "", ("store",)),
    ("openai_responses", "gemini", {"background": True}, "", "background"),
    ("openai_responses", "gemini", {"tools": [{"type": "web_search"}]}, "", ("tools.web_search",)),
    ("openai_responses", "openai_chat", {"tool_choice": {"type": "mcp"}}, "", "tool_choice.mcp"),
]


@pytest.mark.parametrize(("client", "wire", "more", "words", "outcome"), SPECIAL)
def test_what_is_special_is_decided_by_the_value(
    client: str, wire: str, more: dict[str, Any], words: str, outcome: tuple[str, ...] | str
) -> None:
    body = {**copy.deepcopy(BASES[client]), **more}
    if isinstance(outcome, str):
        with pytest.raises(Refused) as caught:
            translated(client, wire, body)
        assert caught.value.facts["parameter"] == outcome
        assert outcome in caught.value.message
        return
    made = translated(client, wire, body)
    assert words in made.body.decode()
    assert made.dropped == outcome


def test_bedrock_says_no_tool_by_no_tools() -> None:
    body = {**BASES["openai_chat"], "tool_choice": "none"}
    assert b"toolConfig" not in translated("openai_chat", "bedrock_converse", body).body


@pytest.mark.parametrize("client", CLIENTS)
def test_an_unknown_parameter_is_dropped_by_a_name_that_a_header_can_carry(client: str) -> None:
    wire = "gemini" if client != "gemini" else "openai_chat"
    body = {**BASES[client], "flavour\r\nx: y": 1, "größe": 2, "": 3}
    made = translated(client, wire, body)
    assert made.dropped == ("flavour__x__y", "gr__e", "_")
    many = {**BASES[client], **{f"p{n}": 1 for n in range(100)}}
    assert len(translated(client, wire, many).dropped) == MAX_NAMED


@pytest.mark.parametrize("client", CLIENTS)
def test_a_parameter_that_is_null_is_not_said(client: str) -> None:
    wire = "gemini" if client != "gemini" else "openai_chat"
    body = {**BASES[client], "logprobs": None, "mcp_servers": None, "previous_response_id": None}
    body["cachedContent"] = None
    assert translated(client, wire, body).dropped == ()


def test_the_table_has_one_row_a_parameter() -> None:
    assert len(FATES) == len(TABLE)


def test_a_parameter_of_the_wrong_form_is_named() -> None:
    wrong = [
        ("openai_chat", {"max_tokens": "many"}, "max_completion_tokens"),
        ("openai_chat", {"temperature": "hot"}, "temperature"),
        ("openai_chat", {"tool_choice": "maybe"}, "tool_choice"),
        ("anthropic_messages", {"max_tokens": 0}, "max_tokens"),
        (
            "anthropic_messages",
            {"messages": [{"role": "robot", "content": "x"}]},
            "messages[0].role",
        ),
        ("openai_responses", {"input": 3}, "input"),
        ("gemini", {"contents": [{"role": "user", "parts": "x"}]}, "contents[0].parts"),
    ]
    for client, more, words in wrong:
        wire = "bedrock_converse"
        with pytest.raises(Refused) as caught:
            translated(client, wire, {**BASES[client], **more})
        assert caught.value.fault is Fault.BAD_REQUEST
        assert words in caught.value.message


def test_the_streaming_of_gemini_and_bedrock_is_not_in_the_body() -> None:
    body = {**BASES["openai_chat"], "stream": True}
    for wire in ("gemini", "bedrock_converse"):
        made = translated("openai_chat", wire, body)
        assert made.context.is_streamed
        assert "stream" not in loads(made.body)
