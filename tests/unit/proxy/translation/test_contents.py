"""What conversations hold: pictures, papers, results, tools of all kinds, thinking; and the tools' own turns."""

import base64
from pathlib import Path
from typing import Any

import pytest

from core.fault import Fault, Refused
from proxy.translation import gemini_answer, messages_answer
from proxy.translation.lane import Translated, translation_between
from proxy.translation.neutral import Context, Reasoning, Seal
from proxy.translation.sequence import Sequencer, fold
from proxy.translation.shapes import dumps, loads
from proxy.translation.thinking import (
    claude_model,
    effort_of_budget,
    gemini_thinking,
    openai_effort,
    packed,
    packed_base64,
    unpacked,
    unpacked_base64,
)
from tests.unit.proxy.translation.talks import THOUGHTFUL

ROOT = Path(__file__).resolve().parents[4]
PDF = "JVBERi0xLjQ="
MODELS = {
    "openai_chat": "gpt-4o",
    "anthropic_messages": "claude-sonnet-4-5",
    "gemini": "gemini-3-pro-preview",
    "bedrock_converse": "anthropic.claude-sonnet-4-5",
}


def translated(client: str, wire: str, body: dict[str, Any], model: str = "") -> Translated:
    translation = translation_between(client, wire)
    assert translation is not None
    return translation.request(dumps(body), model or MODELS[wire], context=Context("x", "req1"))


def asked(client: str, wire: str, body: dict[str, Any], model: str = "") -> Any:
    return loads(translated(client, wire, body, model).body)


def chat(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "x", "messages": [{"role": "user", "content": list(parts)}], **more}


def messages(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    turn = {"role": "user", "content": list(blocks)}
    return {"model": "x", "max_tokens": 5000, "messages": [turn], **more}


def test_a_picture_goes_by_value_or_by_address() -> None:
    data = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"},
    }
    link = {"type": "image_url", "image_url": {"url": "https://host/a.png"}}
    blocks = asked("openai_chat", "anthropic_messages", chat(data, link))["messages"][0]["content"]
    assert [block["source"] for block in blocks] == [
        {"type": "base64", "media_type": "image/png", "data": "AAAA"},
        {"type": "url", "url": "https://host/a.png"},
    ]
    parts = asked("openai_chat", "gemini", chat(data, link))["contents"][0]["parts"]
    assert parts == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://host/a.png"}},
    ]
    blocks = asked("openai_chat", "bedrock_converse", chat(data))["messages"][0]["content"]
    assert blocks == [{"image": {"format": "png", "source": {"bytes": "AAAA"}}}]
    with pytest.raises(Refused) as caught:
        translated("openai_chat", "bedrock_converse", chat(link))
    assert caught.value.fault is Fault.UNSUPPORTED_PARAMETER
    assert "send the data itself" in caught.value.message


def test_a_paper_goes_as_pdf_or_as_text() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    text = {"type": "text", "media_type": "text/plain", "data": "Words."}
    body = messages(
        {"type": "document", "source": pdf, "title": "a.pdf"}, {"type": "document", "source": text}
    )
    assert asked("anthropic_messages", "openai_chat", body)["messages"][0]["content"] == [
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        },
        {"type": "text", "text": "Words."},
    ]
    assert asked("anthropic_messages", "bedrock_converse", body)["messages"][0]["content"] == [
        {"document": {"format": "pdf", "name": "a pdf", "source": {"bytes": PDF}}},
        {"document": {"format": "txt", "name": "document", "source": {"text": "Words."}}},
    ]
    file = {
        "type": "file",
        "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
    }
    (block,) = asked("openai_chat", "anthropic_messages", chat(file))["messages"][0]["content"]
    assert block == {"type": "document", "source": pdf, "title": "a.pdf"}


@pytest.mark.parametrize(
    ("client", "part"),
    [
        ("openai_chat", {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}),
        ("openai_chat", {"type": "file", "file": {"file_id": "file-1"}}),
        ("openai_chat", {"type": "hologram"}),
        ("anthropic_messages", {"type": "image", "source": {"type": "file", "file_id": "f"}}),
        ("anthropic_messages", {"type": "hologram"}),
    ],
)
def test_content_that_can_not_be_said_is_refused_by_name(client: str, part: dict[str, Any]) -> None:
    body = chat(part) if client == "openai_chat" else messages(part)
    with pytest.raises(Refused) as caught:
        translated(client, "bedrock_converse", body)
    assert caught.value.fault is Fault.UNSUPPORTED_PARAMETER
    assert "messages[].content" in str(caught.value.facts["parameter"])


def test_a_sound_goes_to_gemini() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}
    (part,) = asked("openai_chat", "gemini", chat(sound))["contents"][0]["parts"]
    assert part == {"inlineData": {"mimeType": "audio/wav", "data": "AA"}}


RESULT_TURN = [
    {"role": "user", "content": "go"},
    {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": 1}},
            {"type": "tool_use", "id": "toolu_2", "name": "fail", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "and?"},
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "content": [
                    {"type": "text", "text": "seen"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AA"},
                    },
                ],
            },
            {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": True, "content": "no"},
        ],
    },
]


def test_results_of_tools_come_first_and_their_pictures_after_them() -> None:
    body = {"model": "x", "max_tokens": 50, "messages": RESULT_TURN}
    turns = asked("anthropic_messages", "openai_chat", body)["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "tool", "user"]
    assert turns[1]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"a":1}'}
    assert (turns[2]["content"], turns[3]["content"]) == ("seen", "no")
    assert [part["type"] for part in turns[4]["content"]] == ["text", "image_url"]
    parts = asked("anthropic_messages", "gemini", body)["contents"][2]["parts"]
    answered = [part["functionResponse"] for part in parts if "functionResponse" in part]
    assert [(a["name"], a["response"]) for a in answered] == [
        ("look", {"output": "seen"}),
        ("fail", {"error": "no"}),
    ]
    blocks = asked("anthropic_messages", "bedrock_converse", body)["messages"][2]["content"]
    assert "image" in blocks[0]["toolResult"]["content"][1]
    assert blocks[1]["toolResult"]["status"] == "error"


def test_bedrock_hears_of_tools_that_were_called_even_where_none_is_offered() -> None:
    body = {"model": "x", "max_tokens": 50, "messages": RESULT_TURN}
    config = asked("anthropic_messages", "bedrock_converse", body)["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["look", "fail"]
    assert "toolChoice" not in config


def test_ids_and_names_are_made_to_fit_and_names_come_back() -> None:
    name = "mcp__server__" + "x" * 80
    call = {"id": "call:1|fc.2", "type": "function", "function": {"name": "f", "arguments": "oops"}}
    body = {
        "model": "x",
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call:1|fc.2", "content": "done"},
        ],
    }
    turns = asked("openai_chat", "anthropic_messages", body)["messages"]
    assert turns[1]["content"][0]["id"] == turns[2]["content"][0]["tool_use_id"] == "call_1_fc_2"
    assert turns[1]["content"][0]["input"] == {"raw": "oops"}
    tool = {"name": name, "input_schema": {"type": "object"}}
    made = translated(
        "anthropic_messages", "openai_chat", messages({"type": "text", "text": "x"}, tools=[tool])
    )
    short = loads(made.body)["tools"][0]["function"]["name"]
    assert len(short) == 64
    assert made.context.names == {short: name}


def test_cache_marks_become_cache_points_for_those_models_that_take_them() -> None:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = messages(
        {"type": "text", "text": "x", **mark},
        system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        tools=[{"name": "t", "input_schema": {"type": "object"}, **mark}],
    )
    made = asked("anthropic_messages", "bedrock_converse", body)
    long = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert made["messages"][0]["content"] == [{"text": "x"}, long]
    assert made["system"] == [{"text": "s"}, {"cachePoint": {"type": "default"}}]
    assert made["toolConfig"]["tools"][1] == long
    other = translated("anthropic_messages", "bedrock_converse", body, "meta.llama4")
    assert b"cachePoint" not in other.body
    assert other.dropped == ()


CODEX = {
    "model": "x",
    "instructions": "Be an agent.",
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "medium", "summary": "auto"},
    "input": [
        {
            "type": "additional_tools",
            "role": "developer",
            "tools": [
                {
                    "type": "namespace",
                    "name": "fs",
                    "description": "Files.",
                    "tools": [
                        {"type": "function", "name": "read", "parameters": {"type": "object"}},
                        {
                            "type": "custom",
                            "name": "patch",
                            "description": "Patches.",
                            "format": {
                                "type": "grammar",
                                "syntax": "lark",
                                "definition": "start: /.+/",
                            },
                        },
                    ],
                }
            ],
        },
        {
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "Rules."}],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Fix it."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAB"},
        {
            "type": "custom_tool_call",
            "call_id": "c1",
            "namespace": "fs",
            "name": "patch",
            "input": "*** a",
        },
        {
            "type": "function_call",
            "call_id": "c2",
            "namespace": "fs",
            "name": "read",
            "arguments": "{}",
        },
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
        {"type": "function_call_output", "call_id": "c2", "output": "text"},
    ],
}


def test_free_text_and_namespaces_of_codex_become_functions_and_come_back() -> None:
    made = translated("openai_responses", "anthropic_messages", CODEX)
    body = loads(made.body)
    assert [tool["name"] for tool in body["tools"]] == ["fs__read", "fs__patch"]
    assert "lark grammar" in body["tools"][1]["description"]
    assert [block["text"] for block in body["system"]] == ["Be an agent.", "Rules."]
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use", "tool_use"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "*** a"}
    assert "gAAAAB" not in made.body.decode()
    answer = {
        "id": "msg_1",
        "content": [
            {"type": "tool_use", "id": "t1", "name": "fs__patch", "input": {"input": "*** b"}},
            {"type": "tool_use", "id": "t2", "name": "fs__read", "input": {"p": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    translation = translation_between("openai_responses", "anthropic_messages")
    assert translation is not None
    patch, read = loads(translation.whole(dumps(answer), made.context))["output"]
    assert (patch["type"], patch["namespace"], patch["name"], patch["input"]) == (
        "custom_tool_call",
        "fs",
        "patch",
        "*** b",
    )
    assert (read["type"], read["namespace"], read["arguments"]) == (
        "function_call",
        "fs",
        '{"p":1}',
    )


def sent_back(client: str, wire: str, spoken: Any) -> dict[str, Any]:
    """The next request of a client that sends the answer back unaltered."""
    translation = translation_between(client, wire)
    assert translation is not None
    whole = spoken.write_whole(fold(Sequencer().take(THOUGHTFUL)), Context("m", "req1"))
    made = loads(translation.whole(dumps(whole), Context("m", "req1")))
    if client == "openai_chat":
        return {
            "model": "x",
            "messages": [{"role": "user", "content": "q"}, made["choices"][0]["message"]],
        }
    if client == "anthropic_messages":
        turn = {"role": "assistant", "content": made["content"]}
        return {
            "model": "x",
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "q"}, turn],
        }
    if client == "gemini":
        return {
            "contents": [
                {"role": "user", "parts": [{"text": "q"}]},
                made["candidates"][0]["content"],
            ]
        }
    return {"model": "x", "input": [{"role": "user", "content": "q"}, *made["output"]]}


@pytest.mark.parametrize("client", ["openai_chat", "gemini", "openai_responses"])
def test_claudes_signatures_return_to_claude_through_every_client(client: str) -> None:
    body = sent_back(client, "anthropic_messages", messages_answer)
    blocks = asked(client, "anthropic_messages", body)["messages"][1]["content"]
    assert blocks[:2] == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmF0dXJl"},
        {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="},
    ]
    other = translated(client, "gemini" if client != "gemini" else "openai_chat", body)
    assert b"c2lnbmF0dXJl" not in other.body
    assert b"cmVkYWN0ZWQ" not in other.body


@pytest.mark.parametrize("client", ["openai_chat", "anthropic_messages", "openai_responses"])
def test_geminis_signatures_return_to_gemini_on_the_call_they_belong_to(client: str) -> None:
    body = sent_back(client, "gemini", gemini_answer)
    parts = asked(client, "gemini", body)["contents"][1]["parts"]
    (call,) = [part for part in parts if "functionCall" in part]
    assert call["thoughtSignature"] == "dGhvdWdodA=="
    assert b"dGhvdWdodA" not in translated(client, "bedrock_converse", body).body


def test_a_call_that_gemini_did_not_sign_is_exempt() -> None:
    body = {"model": "x", "max_tokens": 50, "messages": RESULT_TURN}
    parts = asked("anthropic_messages", "gemini", body)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [
        "skip_thought_signature_validator",
        None,
    ]
    older = asked("anthropic_messages", "gemini", body, "gemini-2.5-pro")
    assert "thoughtSignature" not in older["contents"][1]["parts"][0]


@pytest.mark.parametrize("home", ["anthropic", "gemini", "openai"])
@pytest.mark.parametrize("origin", ["anthropic", "gemini", "openai"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_seal_is_read_as_it_was_packed(home: str, origin: str, is_whole: bool) -> None:
    seal = Seal(origin, "abc.def+/=", is_whole)
    # What is at home is whole by the kind of its block, and is not marked.
    expected = Seal(origin, seal.value) if origin == home else seal
    assert unpacked(packed(seal, home), home) == expected
    expected = Seal(origin, seal.value) if origin == "gemini" else seal
    assert unpacked_base64(packed_base64(seal)) == expected
    base64.b64decode(packed_base64(Seal(origin, "abcd", is_whole)), validate=True)


CLAUDES = [
    ("claude-3-opus-20240229", (3, 0)),
    ("claude-3-5-sonnet-20241022", (3, 5)),
    ("claude-sonnet-4-20250514", (4, 0)),
    ("claude-opus-4-1-20250805", (4, 1)),
    ("us.anthropic.claude-haiku-4-5-20251001-v1:0", (4, 5)),
    ("claude-opus-5-5", (5, 5)),
    ("anthropic/claude-sonnet-4.6", (4, 6)),
]


@pytest.mark.parametrize(("name", "version"), CLAUDES)
def test_a_claude_is_known_by_its_name(name: str, version: tuple[int, int]) -> None:
    claude = claude_model(name)
    assert claude is not None
    assert claude.version == version
    assert claude_model("gpt-4o") is None


THINKING = [
    # model, effort, max_tokens, tool choice, what is asked of Claude
    ("claude-sonnet-4-5", "high", 11024, None, {"type": "enabled", "budget_tokens": 9024}),
    ("claude-sonnet-4-5", "max", 11024, None, {"type": "enabled", "budget_tokens": 11023}),
    ("claude-sonnet-4-5", "low", 1000, None, None),
    ("claude-sonnet-4-5", "none", 9000, None, None),
    ("claude-sonnet-4-5", "high", 9000, "required", None),
    ("claude-3-5-haiku", "high", 9000, None, None),
    ("claude-opus-4-6", "high", 9000, None, {"type": "adaptive"}),
]


@pytest.mark.parametrize(("model", "effort", "limit", "choice", "expected"), THINKING)
def test_an_effort_becomes_what_the_claude_understands(
    model: str, effort: str, limit: int, choice: str | None, expected: dict[str, Any] | None
) -> None:
    tools = [{"type": "function", "function": {"name": "t"}}]
    more = {} if choice is None else {"tool_choice": choice, "tools": tools}
    body = chat(
        {"type": "text", "text": "x"}, reasoning_effort=effort, max_tokens=limit, temperature=0.3
    )
    made = translated("openai_chat", "anthropic_messages", {**body, **more}, model)
    value = loads(made.body)
    assert value.get("thinking") == expected
    assert ("temperature" in value) == (expected is None)
    if expected is None and effort != "none":
        assert "reasoning_effort" in made.dropped


def test_an_adaptive_claude_hears_the_effort_itself() -> None:
    for model, effort, word in [
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-opus-4-7", "xhigh", "xhigh"),
        ("claude-opus-4-6", "minimal", "low"),
        ("claude-opus-4-6", "max", "max"),
    ]:
        body = chat({"type": "text", "text": "x"}, reasoning_effort=effort)
        assert asked("openai_chat", "anthropic_messages", body, model)["output_config"] == {
            "effort": word
        }


def test_an_older_claude_does_not_think_on_in_a_turn_that_began_without() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "t", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ]
    body = {"model": "x", "messages": turns, "reasoning_effort": "high"}
    made = translated("openai_chat", "anthropic_messages", body)
    assert "thinking" not in loads(made.body)
    assert made.dropped == ("reasoning_effort",)
    turns[1]["thinking_blocks"] = [{"type": "thinking", "thinking": "t", "signature": "c2ln"}]
    assert "thinking" in asked("openai_chat", "anthropic_messages", body)


@pytest.mark.parametrize(
    ("budget", "limit", "word"),
    [
        (1024, 32000, "low"),
        (14000, 32000, "medium"),
        (31000, 32000, "high"),
        (5000, 1024, "high"),
        (0, 99, "none"),
    ],
)
def test_a_budget_becomes_the_nearest_effort(budget: int, limit: int, word: str) -> None:
    assert effort_of_budget(budget, limit) == word


@pytest.mark.parametrize(
    ("model", "effort", "word"),
    [
        ("gpt-4o", "high", None),
        ("o3", "xhigh", "high"),
        ("gpt-5.2", "xhigh", "xhigh"),
        ("gpt-5", "minimal", "minimal"),
        ("gpt-5.1", "minimal", "low"),
        ("gpt-5.1", "none", "none"),
        ("o3", "none", None),
        ("gpt-6.1-sol", "max", "xhigh"),
        ("openai/gpt-oss-120b", "low", "low"),
        ("llama-4", "low", None),
    ],
)
def test_an_effort_is_told_to_models_that_know_the_word(
    model: str, effort: str, word: str | None
) -> None:
    assert openai_effort(Reasoning(effort), model, None) == word


def test_gemini_thinks_by_budget_or_by_level() -> None:
    assert gemini_thinking(Reasoning("medium"), "gemini-2.5-flash", None) == {
        "thinkingBudget": 8192,
        "includeThoughts": True,
    }
    assert gemini_thinking(Reasoning("none"), "gemini-2.5-flash", None) == {"thinkingBudget": 0}
    assert gemini_thinking(Reasoning("none"), "gemini-2.5-pro", None) == {"thinkingBudget": 128}
    assert gemini_thinking(Reasoning("minimal"), "gemini-3-pro-preview", None) == {
        "thinkingLevel": "LOW",
        "includeThoughts": True,
    }
    assert gemini_thinking(Reasoning("high", is_shown=False), "gemini-3.5-flash", None) == {
        "thinkingLevel": "HIGH"
    }
    assert gemini_thinking(Reasoning("high"), "gemini-2.0-flash", None) == {}


def test_nova_thinks_on_bedrock_and_llama_does_not() -> None:
    body = chat({"type": "text", "text": "x"}, reasoning_effort="high", temperature=0.5, top_p=0.5)
    made = asked("openai_chat", "bedrock_converse", body, "amazon.nova-2-lite-v1:0")
    assert made["additionalModelRequestFields"] == {
        "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}
    }
    assert made["inferenceConfig"]["topP"] == 0.5
    llama = translated("openai_chat", "bedrock_converse", body, "meta.llama4")
    assert llama.dropped == ("reasoning_effort",)


def test_the_limit_of_an_answer_is_always_said_to_claude_and_never_above_the_models() -> None:
    body = chat({"type": "text", "text": "x"})
    chat_to_claude = translation_between("openai_chat", "anthropic_messages")
    assert chat_to_claude is not None
    for asked_for, most, limit in ((None, 8192, 8192), (None, None, 32000), (100, 8192, 100)):
        given = body | ({} if asked_for is None else {"max_tokens": asked_for})
        made = chat_to_claude.request(dumps(given), "claude-x", most, context=Context("x"))
        assert loads(made.body)["max_tokens"] == limit
    translation = translation_between("anthropic_messages", "openai_chat")
    assert translation is not None
    made = translation.request(
        dumps(messages({"type": "text", "text": "x"})), "gpt-4o", 4000, context=Context("x")
    )
    assert loads(made.body)["max_tokens"] == 4000


def test_schemas_of_googles_become_json_schemas() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "tags": {
                "type": "ARRAY",
                "items": {"type": "STRING", "nullable": True},
                "max_items": "3",
            }
        },
        "property_ordering": ["tags"],
        "any_of": [{"type": "NULL"}],
    }
    body = {
        "contents": [{"parts": [{"text": "x"}]}],
        "system_instruction": {"parts": [{"text": "s"}]},
        "tools": [{"function_declarations": [{"name": "f", "parameters": schema}]}],
    }
    made = asked("gemini", "openai_chat", body)
    assert made["messages"][0] == {"role": "system", "content": "s"}
    assert made["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": {"type": ["string", "null"]}, "maxItems": 3}
        },
        "anyOf": [{"type": "null"}],
    }


def test_results_without_ids_find_their_calls_by_name_and_order() -> None:
    calls = [{"functionCall": {"name": n, "args": {"n": i}}} for i, n in enumerate(["a", "a", "b"])]
    results = [
        {"functionResponse": {"name": n, "response": {"output": n}}} for n in ("a", "a", "b")
    ]
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "x"}]},
            {"role": "model", "parts": calls},
            {"role": "user", "parts": results},
        ]
    }
    turns = asked("gemini", "openai_chat", body)["messages"]
    made = [call["id"] for call in turns[1]["tool_calls"]]
    assert len(set(made)) == 3
    assert [turn["tool_call_id"] for turn in turns[2:]] == made


ERRORS = [
    (b'{"error":{"message":"Bad key","type":"x","code":"invalid_api_key"}}', "Bad key"),
    (b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}', "Slow down"),
    (b'{"error":{"code":400,"message":"Bad schema","status":"INVALID_ARGUMENT"}}', "Bad schema"),
    (b'[{"error":{"code":400,"message":"In a list","status":"INVALID_ARGUMENT"}}]', "In a list"),
    (
        b'{"message":"The model is not ready","__type":"ModelNotReadyException"}',
        "The model is not ready",
    ),
    (b"plain words", "plain words"),
    (b"<html>no</html>", "did not say why"),
    (b"", "did not say why"),
]


@pytest.mark.parametrize(("body", "words"), ERRORS)
@pytest.mark.parametrize(
    "client", ["openai_chat", "anthropic_messages", "gemini", "openai_responses"]
)
def test_an_error_keeps_its_words_in_the_clients_form(client: str, body: bytes, words: str) -> None:
    wire = "bedrock_converse"
    translation = translation_between(client, wire)
    assert translation is not None
    made = loads(translation.error_body(429, body))
    assert words in made["error"]["message"]
    if client == "anthropic_messages":
        assert made["type"] == "error"
        assert made["error"]["type"] == "rate_limit_error"
    elif client == "gemini":
        assert (made["error"]["code"], made["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    else:
        assert made["error"]["type"] == "rate_limit_error"


def claude_code_turn() -> dict[str, Any]:
    text = (ROOT / "fixtures/exchanges/requests/claude_code_turn.http").read_bytes()
    body: dict[str, Any] = loads(text.split(b"\n\n", 1)[1].strip())
    return body


GOLDEN = [
    ("anthropic_messages", wire) for wire in ("openai_chat", "gemini", "bedrock_converse")
] + [
    ("openai_responses", wire)
    for wire in ("openai_chat", "anthropic_messages", "gemini", "bedrock_converse")
]


@pytest.mark.parametrize(("client", "wire"), GOLDEN)
def test_a_turn_of_a_coding_tool_reads_as_it_was_agreed(client: str, wire: str) -> None:
    body = claude_code_turn() if client == "anthropic_messages" else CODEX
    made = translated(client, wire, body)
    kept = loads((ROOT / "fixtures/translation" / f"{client}_to_{wire}.json").read_bytes())
    assert {"dropped": list(made.dropped), "body": loads(made.body)} == kept
