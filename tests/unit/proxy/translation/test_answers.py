"""Answers come through whole: at any cut of the stream, in the order each vendor promises, as its SDK reads them."""

import itertools
from dataclasses import replace
from typing import Any

import anthropic.types
import openai.types.chat
import openai.types.responses
import pytest
from google.genai import types as gemini_types
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.translation import chat_answer, gemini_answer, messages_answer
from proxy.translation.lane import AnswerStream, Untranslatable, translation_between
from proxy.translation.neutral import (
    Answer,
    ArgumentsDelta,
    Context,
    Done,
    Event,
    Failure,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ThinkingDelta,
    Tokens,
    ToolStart,
    ToolUse,
)
from proxy.translation.rules import CLIENTS
from proxy.translation.sequence import Sequencer, fold
from proxy.translation.shapes import dumps, loads
from tests.unit.proxy.translation.strict import (
    check_chat,
    check_gemini,
    check_messages,
    check_responses,
)
from tests.unit.proxy.translation.talks import DIALECTS, THOUGHTFUL, answers

SPOKEN: dict[str, Any] = {
    "openai_chat": chat_answer,
    "anthropic_messages": messages_answer,
    "gemini": gemini_answer,
}
CONTEXT = Context("the-model", "req1", 1_790_000_000)
WHOLE: dict[str, Any] = {
    "openai_chat": openai.types.chat.ChatCompletion,
    "anthropic_messages": anthropic.types.Message,
    "gemini": gemini_types.GenerateContentResponse,
    "openai_responses": openai.types.responses.Response,
}
CHECKS = {
    "openai_chat": lambda data: check_chat(data, True),
    "anthropic_messages": check_messages,
    "gemini": check_gemini,
    "openai_responses": check_responses,
}
CONVERSE = b"".join(
    b"event: %b\ndata: %b\n\n" % (name.encode(), dumps(value))
    for name, value in [
        ("messageStart", {"role": "assistant", "p": "abc"}),
        (
            "contentBlockDelta",
            {"delta": {"reasoningContent": {"text": "Hm."}}, "contentBlockIndex": 0},
        ),
        (
            "contentBlockDelta",
            {"delta": {"reasoningContent": {"signature": "c2ln"}}, "contentBlockIndex": 0},
        ),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockDelta", {"delta": {"text": "Grüezi 🦉"}, "contentBlockIndex": 1}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        (
            "contentBlockStart",
            {"start": {"toolUse": {"toolUseId": "t1", "name": "look"}}, "contentBlockIndex": 2},
        ),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": '{"a"'}}, "contentBlockIndex": 2}),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": ":1}"}}, "contentBlockIndex": 2}),
        ("contentBlockStop", {"contentBlockIndex": 2}),
        ("messageStop", {"stopReason": "tool_use"}),
        (
            "metadata",
            {
                "usage": {
                    "inputTokens": 3,
                    "outputTokens": 4,
                    "totalTokens": 12,
                    "cacheReadInputTokens": 5,
                    "cacheWriteInputTokens": 6,
                    "cacheDetails": [{"ttl": "1h", "inputTokens": 2}],
                }
            },
        ),
    ]
)


def told(dialect: str, events: list[Event], context: Context = CONTEXT) -> bytes:
    """The stream in which a provider of the dialect tells these events."""
    writer = SPOKEN[dialect].Writer(context)
    return b"".join(map(writer.write, Sequencer().take(events)))


def read(dialect: str, data: bytes) -> Answer:
    reader, sequence = SPOKEN[dialect].Reader(), Sequencer()
    stream = AnswerStream(reader, _Keeper())
    stream._sequence = sequence
    keeper = stream._writer
    stream.take([data])
    stream.finish()
    return fold(keeper.events)


class _Keeper:
    """A writer that keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> bytes:
        self.events.append(event)
        return b""

    def error(self, code: str, message: str, kind: str = "") -> bytes:
        return b""


def stream(client: str, wire: str, context: Context = CONTEXT) -> AnswerStream:
    translation = translation_between(client, wire)
    assert translation is not None
    return translation.stream(context)


def through(client: str, wire: str, pieces: list[bytes], context: Context = CONTEXT) -> bytes:
    lane = stream(client, wire, context)
    return b"".join(lane.take(pieces) + lane.finish())


def nameless(answer: Answer) -> Answer:
    return replace(answer, model="", id="")


@pytest.mark.parametrize("dialect", DIALECTS)
@given(events=answers())
@settings(max_examples=15)
def test_what_is_written_is_read_back(dialect: str, events: list[Event]) -> None:
    original = fold(Sequencer().take(events))
    assert nameless(read(dialect, told(dialect, events))) == nameless(original)
    whole = dumps(SPOKEN[dialect].write_whole(original, CONTEXT))
    again = fold(Sequencer().take(SPOKEN[dialect].read_whole(loads(whole))))
    assert nameless(again) == nameless(original)


@pytest.mark.parametrize("client", CLIENTS)
@given(events=answers(), places=st.lists(st.integers(0, 10_000), max_size=4), data=st.data())
@settings(max_examples=15)
def test_a_translated_stream_is_strict_at_any_cut_and_loses_nothing(
    client: str, events: list[Event], places: list[int], data: st.DataObject
) -> None:
    wire = data.draw(st.sampled_from([d for d in DIALECTS if d != client]))
    body = told(wire, events)
    marks = sorted({place % (len(body) + 1) for place in places} | {0, len(body)})
    pieces = [body[a:b] for a, b in itertools.pairwise(marks)]
    made = through(client, wire, pieces)
    CHECKS[client](made)
    if client in SPOKEN:
        assert nameless(read(client, made)) == nameless(fold(Sequencer().take(events)))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("wire", DIALECTS)
def test_thinking_of_every_kind_comes_through_as_each_sdk_reads_it(client: str, wire: str) -> None:
    if client == wire:
        return
    body = told(wire, THOUGHTFUL)
    CHECKS[client](through(client, wire, [body]))
    translation = translation_between(client, wire)
    assert translation is not None
    whole = SPOKEN[wire].write_whole(fold(Sequencer().take(THOUGHTFUL)), CONTEXT)
    WHOLE[client].model_validate(loads(translation.whole(dumps(whole), CONTEXT)))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_stream_of_bedrock_is_strict_at_every_offset(client: str) -> None:
    expected = through(client, "bedrock_converse", [CONVERSE])
    CHECKS[client](expected)
    for place in range(0, len(CONVERSE), 2 if client == "openai_chat" else 9):
        pieces = [CONVERSE[:place], CONVERSE[place:]]
        assert through(client, "bedrock_converse", pieces) == expected


@pytest.mark.parametrize("wire", DIALECTS)
def test_every_offset_of_a_stream_gives_the_same_bytes(wire: str) -> None:
    body = told(wire, THOUGHTFUL)
    clients = itertools.cycle([client for client in CLIENTS if client != wire])
    expected = {c: through(c, wire, [body]) for c in CLIENTS if c != wire}
    # The cutting is the same for all; one of them is cut everywhere.
    places = range(0, len(body), 1 if wire == "gemini" else 6)
    for place, client in zip(places, clients, strict=False):
        assert through(client, wire, [body[:place], body[place:]]) == expected[client]
    one_by_one = [body[n : n + 1] for n in range(len(body))]
    for client, whole in expected.items():
        assert through(client, wire, one_by_one) == whole


def test_the_tokens_of_bedrock_are_split_by_class() -> None:
    made = through("anthropic_messages", "bedrock_converse", [CONVERSE])
    (usage,) = [
        loads(line[6:])["usage"]
        for line in made.splitlines()
        if b'"message_delta"' in line and line.startswith(b"data")
    ]
    assert usage["input_tokens"] == 3
    assert usage["cache_read_input_tokens"] == 5
    assert usage["cache_creation"] == {
        "ephemeral_5m_input_tokens": 4,
        "ephemeral_1h_input_tokens": 2,
    }


def chunk(*deltas: dict[str, Any], reason: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason} for delta in deltas]
    return b"data: " + dumps({"id": "c1", "model": "m", "choices": choices}) + b"\n\n"


def call(index: int, arguments: str, name: str = "") -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": name} if name else {})}
    announced = {"id": f"call_{index}", "type": "function"} if name else {}
    return {"tool_calls": [{"index": index, **announced, "function": function}]}


def test_calls_told_in_turns_are_put_one_after_the_other() -> None:
    body = b"".join(
        [
            chunk(call(0, '{"a":', "one")),
            chunk(call(1, '{"b":', "two")),
            chunk(call(0, "1}")),
            chunk(call(1, "2}")),
            chunk(call(2, "{}", "three")),
            chunk({}, reason="tool_calls"),
            b"data: [DONE]\n\n",
        ]
    )
    made = through("anthropic_messages", "openai_chat", [body])
    check_messages(made)
    parts = read("anthropic_messages", made).parts
    assert [(p.name, p.arguments) for p in parts if isinstance(p, ToolUse)] == [
        ("one", '{"a":1}'),
        ("two", '{"b":2}'),
        ("three", "{}"),
    ]


def test_a_call_without_arguments_gets_an_empty_object() -> None:
    body = chunk(call(0, "", "now")) + chunk({}, reason="stop") + b"data: [DONE]\n\n"
    made = read("anthropic_messages", through("anthropic_messages", "openai_chat", [body]))
    assert made.parts == (ToolUse("call_0", "now", "{}"),)
    assert made.stop.reason is StopReason.TOOLS


def test_an_answer_that_stops_without_a_reason_was_cut_off() -> None:
    made = through("anthropic_messages", "openai_chat", [chunk({"content": "half"})])
    check_messages(made)
    assert read("anthropic_messages", made).stop.reason is StopReason.LENGTH


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("openai_chat", b'data: {"error":{"type":"provider_error"'),
        ("anthropic_messages", b"event: content_block_stop"),
        ("gemini", b'data: {"error":{"code":502'),
        ("openai_responses", b"event: error"),
    ],
)
def test_a_broken_stream_ends_with_the_clients_own_error(client: str, expected: bytes) -> None:
    wire = "openai_chat" if client != "openai_chat" else "gemini"
    lane = stream(client, wire)
    events: list[Event] = [Start("a", "m"), TextDelta("half")]
    lane.take([told(wire, events)])
    broken = lane.error("upstream_mid_stream_failure", "It broke off.")
    assert broken.startswith(expected)
    assert b"It broke off." in broken
    assert b"message_stop" not in broken
    assert b"[DONE]" not in broken


@pytest.mark.parametrize("client", [c for c in CLIENTS if c != "anthropic_messages"])
def test_a_providers_own_error_event_is_told_once_and_ends_the_stream(client: str) -> None:
    lane = stream(client, "anthropic_messages")
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    body = b"event: error\ndata: %b\n\n" % dumps(failure)
    made = b"".join(lane.take([body]))
    assert b"Overloaded" in made
    assert lane.is_over
    assert not lane.has_ended
    assert lane.take([body]) == []
    assert lane.finish() == []
    assert lane.error("x", "y") == b""


def test_an_exception_in_bedrocks_stream_is_an_error_of_the_clients() -> None:
    lane = stream("anthropic_messages", "bedrock_converse")
    made = b"".join(lane.take([b'event: throttlingException\ndata: {"message":"Too many"}\n\n']))
    assert b"event: error" in made
    assert b"Too many" in made


def test_an_event_that_is_not_json_can_not_be_translated() -> None:
    with pytest.raises(Untranslatable):
        stream("gemini", "openai_chat").take([b"data: {oops\n\n"])
    translation = translation_between("gemini", "openai_chat")
    assert translation is not None
    with pytest.raises(Untranslatable):
        translation.whole(b"<html>", CONTEXT)


def test_an_endless_event_can_not_be_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.translation.lane.MAX_EVENT_BYTES", 100)
    with pytest.raises(Untranslatable):
        stream("gemini", "openai_chat").take([b"data: {", b"x" * 200])


def test_a_stream_of_gemini_without_sse_is_one_array() -> None:
    body = told("openai_chat", THOUGHTFUL)
    made = through("gemini", "openai_chat", [body], replace(CONTEXT, is_array=True))
    chunks = loads(made)
    assert len(chunks) > 2
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


def test_thinking_is_told_to_those_who_ask_and_its_proof_to_all() -> None:
    body = told("anthropic_messages", THOUGHTFUL)
    hidden = replace(CONTEXT, shows_thinking=False)
    for client in ("gemini", "openai_responses"):
        made = through(client, "anthropic_messages", [body], hidden)
        CHECKS[client](made)
        assert b"Let me" not in made
        assert b"Let me" in through(client, "anthropic_messages", [body])


def test_usage_is_told_to_a_chat_client_that_asks() -> None:
    body = told("anthropic_messages", [Start("a"), TextDelta("x"), Tokens(1, 2, 3), Done()])
    silent = through(
        "openai_chat", "anthropic_messages", [body], replace(CONTEXT, asks_usage=False)
    )
    check_chat(silent, False)
    asked = through("openai_chat", "anthropic_messages", [body])
    assert b'"prompt_tokens":4,"completion_tokens":2,"total_tokens":6' in asked
    assert b'"cached_tokens":3' in asked


@pytest.mark.parametrize("client", CLIENTS)
def test_what_was_dropped_is_told_with_the_usage(client: str) -> None:
    wire = "anthropic_messages" if client != "anthropic_messages" else "gemini"
    context = replace(CONTEXT, dropped=("seed",))
    if client == "gemini":
        return
    made = through(client, wire, [told(wire, THOUGHTFUL)], context)
    assert b'"extra_fields":{"params_dropped":["seed"]}' in made


def test_events_out_of_order_are_put_in_order() -> None:
    made = Sequencer().take(
        [
            TextDelta("a"),
            ThinkingDelta("b"),
            ArgumentsDelta("{}"),
            ToolStart("", "t"),
            Failure("", "", "x"),
            Done(),
        ]
    )
    kinds = [type(event).__name__ for event in made]
    assert kinds == [
        "Start",
        "TextDelta",
        "BlockEnd",
        "ThinkingDelta",
        "BlockEnd",
        "ToolStart",
        "ArgumentsDelta",
        "BlockEnd",
        "ToolStart",
        "ArgumentsDelta",
        "BlockEnd",
        "Failure",
    ]


def test_the_stop_sequence_is_told() -> None:
    body = told(
        "anthropic_messages", [Start(), TextDelta("x"), Stop(StopReason.SEQUENCE, "END"), Done()]
    )
    assert read("anthropic_messages", body).stop == Stop(StopReason.SEQUENCE, "END")
    assert b'"finish_reason":"stop"' in through("openai_chat", "anthropic_messages", [body])
