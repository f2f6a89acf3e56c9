"""Which texts of requests and answers are looked at, in each dialect, and how they are replaced."""

import json

import pytest
from hypothesis import given

from proxy.guarding.texts import with_texts
from proxy.splice_at import becoming, edited, with_member
from rules.guardrails.texts import Unreadable, answer_texts, request_texts
from tests.unit.proxy.test_splice import STYLES, VALUES, written

REQUESTS = {
    "chat": {
        "model": "skip",
        "messages": [
            {"role": "system", "content": "T1"},
            {"role": "user", "name": "skip", "content": [{"type": "text", "text": "T2"}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:skip"}}]},
            {
                "role": "assistant",
                "tool_calls": [{"id": "skip", "function": {"name": "skip", "arguments": "T3"}}],
            },
            {"role": "tool", "tool_call_id": "skip", "content": "T4"},
        ],
        "tools": [{"function": {"description": "skip"}}],
    },
    "messages": {
        "system": [{"type": "text", "text": "T1", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "skip", "signature": "s"}],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "skip", "name": "skip", "input": {"name": "T2"}}
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "s", "content": "T3"}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "T4"},
                    },
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "skip"},
                    },
                ],
            },
        ],
    },
    "responses": {
        "instructions": "T1",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "T2"}]},
            {"type": "function_call", "name": "skip", "call_id": "skip", "arguments": "T3"},
            {"type": "function_call_output", "call_id": "skip", "output": "T4"},
            {"type": "reasoning", "encrypted_content": "skip", "summary": []},
            {"type": "additional_tools", "tools": [{"name": "skip", "description": "skip"}]},
        ],
    },
    "responses, plain": {"input": "T1"},
    "gemini": {
        "systemInstruction": {"parts": [{"text": "T1"}]},
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "T2"}, {"inlineData": {"mimeType": "i", "data": "skip"}}],
            },
            {
                "parts": [
                    {
                        "functionCall": {"name": "skip", "args": {"id": "T3"}},
                        "thoughtSignature": "skip",
                    }
                ]
            },
            {"parts": [{"functionResponse": {"name": "skip", "response": {"output": "T4"}}}]},
        ],
    },
    "embeddings": {"input": ["T1", "T2"]},
    "completions": {"prompt": "T1", "suffix": "T2"},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_texts_of_a_request_are_found_and_replaced(name) -> None:
    body = json.dumps(REQUESTS[name]).encode()
    found = request_texts(body)
    assert [t.text for t in found] == [f"T{n + 1}" for n in range(len(found))]
    assert found
    changed = with_texts(body, {t.path: f"<{t.text}>" for t in found})
    expected = body
    for t in found:
        expected = expected.replace(b'"%b"' % t.text.encode(), b'"<%b>"' % t.text.encode())
    assert changed == expected


ANSWERS = {
    "chat": {
        "id": "skip",
        "choices": [
            {"message": {"role": "assistant", "content": "T1", "refusal": "T2"}},
            {
                "message": {
                    "tool_calls": [{"id": "skip", "function": {"name": "skip", "arguments": "T3"}}]
                }
            },
        ],
    },
    "messages": {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "T1"},
            {"type": "tool_use", "id": "skip", "name": "skip", "input": {"a": ["T2"]}},
        ],
    },
    "responses": {
        "instructions": "skip",
        "output": [
            {"type": "message", "id": "skip", "content": [{"type": "output_text", "text": "T1"}]}
        ],
    },
    "gemini": {"candidates": [{"content": {"role": "model", "parts": [{"text": "T1"}]}}]},
    "transcription": {"text": "T1"},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_texts_of_an_answer_are_found(name) -> None:
    found = answer_texts(ANSWERS[name])
    assert [t.text for t in found] == [f"T{n + 1}" for n in range(len(found))]
    assert found
    inside = answer_texts([ANSWERS[name]])
    assert [t.path for t in inside] == [(0, *t.path) for t in found]


def test_only_the_address_of_a_file_is_passed_over_and_no_text_that_looks_like_one() -> None:
    said = "data:text/plain;base64,aGVsbG8="
    parts = [{"type": "text", "text": said}, {"type": "image_url", "image_url": {"url": said}}]
    file = {"type": "file", "file": {"filename": "a.txt", "file_data": said}}
    body = {"messages": [{"content": said}, {"content": [*parts, file]}]}
    body |= {"prediction": {"type": "content", "content": "T"}}
    assert [t.text for t in request_texts(json.dumps(body).encode())] == [
        *(said, said, "a.txt", "T")
    ]
    choices = [{"message": {"content": said, "images": [{"image_url": {"url": said}}]}}]
    assert [t.text for t in answer_texts({"choices": choices})] == [said]


PROBABILITIES = {
    "chat": ({"choices": [{"message": {"content": "T"}, "logprobs": {"content": ["T"]}}]}, None),
    "completions": ({"choices": [{"text": "T", "logprobs": {"tokens": ["T"]}}]}, None),
    "responses": ({"output": [{"content": [{"text": "T", "logprobs": [{"token": "T"}]}]}]}, []),
    "gemini": (
        {
            "candidates": [
                {"content": {"parts": [{"text": "T"}]}, "logprobsResult": {"chosen": ["T"]}}
            ]
        },
        None,
    ),
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_a_text_that_is_replaced_takes_the_probabilities_of_its_tokens_along(name) -> None:
    answer, gone = PROBABILITIES[name]
    (text,) = answer_texts(answer)
    changed = json.loads(with_texts(json.dumps(answer).encode(), {text.path: "new"}))
    assert '"T"' not in json.dumps(changed)
    assert json.dumps(gone) in json.dumps(changed)
    asked = b'{"logprobs": true, "top_logprobs": 2, "messages": [{"content": "T"}]}'
    assert with_texts(asked, {("messages", 0, "content"): "T"}) == asked


def test_signed_thinking_is_looked_at_in_answers_only() -> None:
    block = {"type": "thinking", "thinking": "hmm", "signature": "s"}
    assert [t.is_signed for t in answer_texts({"content": [block]})] == [True]
    body = json.dumps({"messages": [{"role": "assistant", "content": [block]}]}).encode()
    assert request_texts(body) == []
    # Vendors who sign nothing take thoughts of anybody's.
    told = json.dumps({"messages": [{"content": [{"type": "thinking", "thinking": "x"}]}]})
    assert [t.text for t in request_texts(told.encode())] == ["x"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b'{"messages":[{"content":"a","content":"b"}]}', b"[" * 9999),
        b'{"messages":[{"content":"a"}],"Messages":[{"content":"b"}]}',
        '{"messages":[],"meſſages":[{"content":"b"}]}'.encode(),
    ],
)
def test_what_cannot_be_told_is_not_guessed(body) -> None:
    with pytest.raises(Unreadable):
        request_texts(body)


def test_a_place_is_written_as_people_write_it() -> None:
    (text,) = request_texts(b'{"messages":[{"content":[{"type":"text","text":"x"}]}]}')
    assert text.place == "messages[0].content[0].text"


def with_values(text, values) -> bytes:
    return edited(text, {path: becoming(value) for path, value in values.items()})


@given(VALUES, VALUES, VALUES, STYLES)
def test_a_value_deep_inside_is_replaced_and_nothing_else(before, after, value, style) -> None:
    tree = {"a": before, "b": [after, {"c": value, "d": [1]}], "e": after}
    text = written(tree, style)
    new = with_values(text, {("b", 1, "c"): b'"new"', ("e",): b"7"})
    assert json.loads(new.decode("utf-8", "surrogatepass")) == {
        "a": before,
        "b": [after, {"c": "new", "d": [1]}],
        "e": 7,
    }
    assert with_values(
        text, {("b", 9): b"1", ("nothing", 0): b"1", ("a", "x", "y"): b"1"}
    ) == text or isinstance(before, dict)
    assert edited(text, {("b", 1): lambda inner: inner, ("a",): lambda inner: inner}) == text


def test_a_member_that_is_there_twice_is_replaced_twice() -> None:
    assert (
        with_values(b'{"a":{"b":1},"a":{"b":2}}', {("a", "b"): b"3"})
        == b'{"a":{"b":3},"a":{"b":3}}'
    )


def test_a_member_is_added_at_the_end() -> None:
    assert with_member(b"{ }", b"x", b"1") == b'{ "x":1}'
    assert with_member(b'{"a":1 }', b"x", b"1") == b'{"a":1 ,"x":1}'
