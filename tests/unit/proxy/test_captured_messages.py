"""What is kept of prompts and answers, by dialect: the same form for all, redacted, cut, without media."""

import msgspec
import pytest

from proxy.capture import without_secrets
from proxy.captured_messages import MAX_SIDE_BYTES, Exchange, Kept, kept

SECRET = "sk-ant-api03-" + "Ab3" * 20

CHAT = (
    "openai_chat",
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
        ],
    },
    [
        b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"hi "}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"there"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    ],
    {
        "choices": [
            {"message": {"role": "assistant", "content": "hi there"}, "finish_reason": "stop"}
        ]
    },
)
MESSAGES = (
    "anthropic_messages",
    {
        "model": "m",
        "max_tokens": 9,
        "system": "be brief",
        "messages": [{"role": "user", "content": "hello"}],
    },
    [
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","content":[]}}\n\n',
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"hi there"}}\n\n',
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ],
    {"content": [{"type": "text", "text": "hi there"}], "stop_reason": "end_turn"},
)
GEMINI = (
    "gemini",
    {
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
    },
    [
        b'data: {"candidates":[{"content":{"role":"model","parts":[{"text":"hi "}]}}]}\r\n\r\n',
        b'data: {"candidates":[{"content":{"parts":[{"text":"there"}]},"finishReason":"STOP"}]}\r\n\r\n',
    ],
    {"candidates": [{"content": {"parts": [{"text": "hi there"}]}, "finishReason": "STOP"}]},
)
_ITEM = {"type": "message", "content": [{"type": "output_text", "text": "hi there"}]}
RESPONSES = (
    "openai_responses",
    {"model": "m", "instructions": "be brief", "input": "hello"},
    [
        b'data: {"type":"response.output_text.delta","delta":"hi"}\n\n',
        b'data: {"type":"response.completed","response":'
        + msgspec.json.encode({"status": "completed", "output": [_ITEM]})
        + b"}\n\n",
    ],
    {"status": "completed", "output": [_ITEM]},
)


def texts(messages: str) -> list[tuple[str, str]]:
    found = []
    for message in msgspec.json.decode(messages):
        for part in message.get("parts", [message]):
            found.append((message.get("role", ""), part.get("content", "")))
    return found


def keep(dialect: str, request: object, answer: bytes = b"", is_streamed: bool = False) -> Kept:
    body = request if isinstance(request, bytes) else msgspec.json.encode(request)
    return kept(Exchange(dialect, body, answer, is_streamed), without_secrets)


@pytest.mark.parametrize("case", [CHAT, MESSAGES, GEMINI, RESPONSES], ids=lambda case: case[0])
def test_every_dialect_is_kept_in_the_same_form(case) -> None:
    dialect, request, stream, whole = case
    for answer, is_streamed in ((b"".join(stream), True), (msgspec.json.encode(whole), False)):
        found = keep(dialect, request, answer, is_streamed)
        assert texts(found.input) == [("user", "hello")]
        assert texts(found.system) == [("", "be brief")]
        assert texts(found.output) == [("assistant", "hi there")]
        assert not found.is_cut


def test_tool_calls_their_arguments_and_results_are_kept_and_redacted() -> None:
    request = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "go"},
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "t1",
                        "type": "function",
                        "function": {"name": "run", "arguments": f'{{"token":"{SECRET}"}}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "t1", "content": f"key {SECRET} works"},
        ],
    }
    found = keep("openai_chat", request)
    parts = [p for m in msgspec.json.decode(found.input) for p in m["parts"]]
    assert [part["type"] for part in parts] == ["text", "tool_call", "tool_call_response"]
    assert parts[1]["name"] == "run"
    assert SECRET not in found.input
    assert "[REDACTED:" in parts[1]["arguments"]
    assert "[REDACTED:" in parts[2]["result"][0]["content"]


def test_media_are_named_and_measured_and_never_kept() -> None:
    image = {"url": "data:image/png;base64," + "QUJD" * 50}
    linked = {"url": "https://files.example/cat.png?signature=abc"}
    content = [{"type": "image_url", "image_url": i} for i in (image, linked)]
    found = keep("openai_chat", {"model": "m", "messages": [{"role": "user", "content": content}]})
    [message] = msgspec.json.decode(found.input)
    assert [part["type"] for part in message["parts"]] == ["blob", "uri"]
    assert message["parts"][0]["base64_characters"] == 200
    assert "QUJD" not in found.input
    assert "signature" not in found.input


def test_what_is_too_long_is_cut_from_the_oldest_on() -> None:
    messages = [{"role": "user", "content": f"turn {n} " + "x" * 3000} for n in range(40)]
    found = keep("openai_chat", {"model": "m", "messages": messages})
    assert found.is_cut
    assert len(found.input.encode()) <= MAX_SIDE_BYTES
    assert "turn 39 " in found.input
    assert "turn 0 " not in found.input


def test_one_long_text_is_cut_short() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "é\u2028" * 30_000}]}
    found = keep("openai_chat", body)
    assert found.is_cut
    assert 1000 < len(found.input.encode()) <= MAX_SIDE_BYTES


@pytest.mark.parametrize("before", [100, 5000, 32_000, 65_500, 65_530, 70_000])
def test_a_secret_is_gone_wherever_the_text_is_cut(before) -> None:
    text = "-" * before + " " + SECRET + " " + "y" * 40_000
    found = keep("openai_chat", {"model": "m", "messages": [{"role": "user", "content": text}]})
    assert "Ab3" not in found.input
    assert found.is_cut


@pytest.mark.parametrize(
    "body", [b"not json " + SECRET.encode(), b'{"model":', b"\xff\xfe", b"[1]"]
)
def test_a_body_that_no_reader_takes_is_kept_as_one_redacted_text(body) -> None:
    found = keep("openai_chat", body, body, True)
    for side in (found.input, found.output):
        assert len(texts(side)) == 1
        assert SECRET not in side


def test_a_dialect_without_a_reader_is_kept_as_text() -> None:
    found = keep("openai_embeddings", {"model": "m", "input": "hello"}, b'{"data":[]}')
    assert '"input":"hello"' in texts(found.input)[0][1]


def test_what_cannot_be_redacted_is_not_returned() -> None:
    def broken(text: str) -> str:
        raise RuntimeError("no detector")

    with pytest.raises(RuntimeError):
        kept(
            Exchange("openai_chat", b'{"messages":[{"role":"user","content":"x"}]}', b"", False),
            broken,
        )
