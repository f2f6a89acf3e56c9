"""Usage is read whole from any cut of an answer, later fields over earlier ones, and None is not 0."""

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects import anthropic_messages, openai_chat
from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.dialects.dialect import merged, token_count
from proxy.dialects.meters import (
    MAX_BODY_COPY_BYTES,
    BlindMeter,
    BodyMeter,
    HidingMeter,
    InflatingMeter,
    StreamMeter,
    meter_for,
)
from proxy.dialects.openai_chat import OPENAI_CHAT


def event(value: object, name: str = "") -> bytes:
    start = f"event: {name}\n".encode() if name else b""
    return start + b"data: " + orjson.dumps(value) + b"\n\n"


def chunk(**more: object) -> bytes:
    return event({"id": "c1", "model": "gpt-4o-2024-08-06", "choices": [], **more})


USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 60},
}
CHAT = (
    chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}], usage=None)
    + chunk(
        choices=[{"index": 0, "delta": {"content": "héllo"}, "finish_reason": None}], usage=None
    )
    + chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None)
    + chunk(usage=USAGE)
    + b"data: [DONE]\n\n"
)
MESSAGES = (
    event(
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "model": "claude",
                "usage": {
                    "input_tokens": 10,
                    "cache_creation_input_tokens": 7,
                    "cache_read_input_tokens": 5,
                    "cache_creation": {
                        "ephemeral_5m_input_tokens": 4,
                        "ephemeral_1h_input_tokens": 3,
                    },
                    "output_tokens": 1,
                },
            },
        },
        "message_start",
    )
    + event({"type": "ping"}, "ping")
    + event(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "héllo"},
        }
    )
    + event(
        {"type": "message_delta", "delta": {}, "usage": {"input_tokens": None, "output_tokens": 20}}
    )
    + event({"type": "message_stop"}, "message_stop")
)


def pieces(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_chat_usage_is_read_from_any_cut(places) -> None:
    meter = StreamMeter(OPENAI_CHAT)
    cut = pieces(CHAT, places)
    assert [meter.take([piece]) for piece in cut] == [[piece] for piece in cut]
    meter.finish()
    reading = meter.reading
    assert reading.usage == USAGE
    assert (reading.answer_id, reading.model) == ("c1", "gpt-4o-2024-08-06")
    assert reading.visible_bytes == len("héllo".encode())
    assert meter.is_whole
    assert meter.at_boundary
    assert openai_chat.counts(reading.usage) == (40, 20, 60, 0, 0, True)


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_message_usage_is_read_from_any_cut(places) -> None:
    meter = StreamMeter(ANTHROPIC_MESSAGES)
    cut = pieces(MESSAGES, places)
    assert [meter.take([piece]) for piece in cut] == [[piece] for piece in cut]
    reading = meter.reading
    assert meter.is_whole
    assert reading.visible_bytes == len("héllo".encode())
    assert reading.usage is not None
    assert anthropic_messages.counts(reading.usage) == (10, 20, 5, 4, 3, True)


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_hidden_usage_leaves_what_the_client_would_have_seen(places) -> None:
    meter = HidingMeter(OPENAI_CHAT)
    shown = b"".join(b"".join(meter.take([piece])) for piece in pieces(CHAT, places))
    shown += b"".join(meter.finish())
    wanted = CHAT.replace(chunk(usage=USAGE), b"").replace(b',"usage":null', b"")
    assert shown == wanted
    assert meter.reading.usage == USAGE
    assert meter.is_whole


def test_hiding_passes_an_event_that_is_too_long_to_hold() -> None:
    meter = HidingMeter(OPENAI_CHAT)
    long = chunk(choices=[{"index": 0, "delta": {"content": "x" * 1_500_000}}])
    data = chunk() + long + CHAT
    shown = b"".join(
        b"".join(meter.take([data[i : i + 40_000]])) for i in range(0, len(data), 40_000)
    )
    assert long in shown
    assert shown.endswith(b"data: [DONE]\n\n")
    assert meter.reading.usage == USAGE


@pytest.mark.parametrize("kind", [StreamMeter, HidingMeter])
def test_nothing_of_a_malformed_event_is_passed(kind) -> None:
    meter = kind(OPENAI_CHAT)
    good, bad = chunk(), b'data: {"id":"c1","cho\n\n'
    assert meter.take([good, bad, good]) == [good]
    assert meter.malformed
    assert meter.at_boundary


@pytest.mark.parametrize("data", [b"data: [1, 2]\n\n", b"data: 7\n\n", b": note\n\n", b"data:\n\n"])
def test_an_event_of_another_form_is_the_clients_to_judge(data) -> None:
    meter = StreamMeter(OPENAI_CHAT)
    assert meter.take([data]) == [data]
    assert not meter.malformed


def test_a_body_is_read_at_its_end() -> None:
    meter = BodyMeter(OPENAI_CHAT)
    answer = orjson.dumps(
        {"id": "c", "model": "m", "choices": [{"message": {"content": "hi"}}], "usage": USAGE}
    )
    assert meter.take([answer[:9], answer[9:]]) == [answer[:9], answer[9:]]
    assert meter.finish() == []
    assert meter.reading.usage == USAGE


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        (OPENAI_CHAT, {"choices": [{"message": {"role": "assistant", "content": "hi"}}]}),
        (ANTHROPIC_MESSAGES, {"content": [{"type": "text", "text": "hi"}]}),
    ],
)
def test_the_text_of_a_body_without_usage_is_measured(dialect, answer) -> None:
    meter = BodyMeter(dialect)
    meter.take([orjson.dumps(answer)])
    meter.finish()
    assert meter.reading.usage is None
    assert meter.reading.visible_bytes == 2


def test_a_body_beyond_the_limit_is_counted_and_not_kept() -> None:
    meter = BodyMeter(OPENAI_CHAT)
    for _ in range(9):
        meter.take([b"x" * (MAX_BODY_COPY_BYTES // 8)])
    assert not meter._pieces
    meter.finish()
    assert meter.reading.usage is None
    assert meter.reading.visible_bytes == 9 * (MAX_BODY_COPY_BYTES // 8)


def test_the_meter_follows_media_type_and_coding() -> None:
    stream = (b"content-type", b"Text/Event-Stream; charset=utf-8")
    assert isinstance(meter_for(OPENAI_CHAT, [stream], False), StreamMeter)
    assert isinstance(meter_for(OPENAI_CHAT, [stream], True), HidingMeter)
    assert isinstance(meter_for(OPENAI_CHAT, [], True), BodyMeter)
    coded = [stream, (b"content-encoding", b"gzip")]
    assert isinstance(meter_for(OPENAI_CHAT, coded, True), InflatingMeter)
    assert isinstance(meter_for(OPENAI_CHAT, [(b"content-encoding", b"br")], False), BlindMeter)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({}, (None, None, 0, 0, 0, True)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, 0, 0, 0, True)),
        ({"prompt_tokens": "12", "completion_tokens": "3"}, (12, 3, 0, 0, 0, True)),
        ({"prompt_tokens": 10, "completion_tokens": None}, (10, None, 0, 0, 0, True)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (None, None, 0, 0, 0, True)),
        # Reasoning left out of the completion but not out of the total is output all the same.
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40},
            (10, 30, 0, 0, 0, False),
        ),
        # More cached than sent cannot be: all of it is billed as fresh.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 11},
            },
            (10, 5, 0, 0, 0, False),
        ),
    ],
)
def test_chat_counts(usage, counts) -> None:
    assert openai_chat.counts(usage) == counts


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"input_tokens": 4, "output_tokens": 0}, (4, 0, 0, 0, 0, True)),
        ({"input_tokens": 4, "cache_creation_input_tokens": 9}, (4, None, 0, 9, 0, True)),
        (
            {
                "cache_creation_input_tokens": 9,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 2,
                    "ephemeral_1h_input_tokens": 3,
                },
            },
            # Four tokens have no lifetime: the dearer one is billed.
            (None, None, 0, 2, 7, False),
        ),
        (
            {"cache_creation": {"ephemeral_1h_input_tokens": 3}},
            (None, None, 0, 0, 3, True),
        ),
    ],
)
def test_message_counts(usage, counts) -> None:
    assert anthropic_messages.counts(usage) == counts


def test_merging_keeps_what_a_later_null_does_not_say() -> None:
    old = {"a": 1, "b": {"c": 2, "d": 3}}
    assert merged(old, {"a": None, "b": {"d": 4}, "e": 0}) == {
        "a": 1,
        "b": {"c": 2, "d": 4},
        "e": 0,
    }
    assert merged(old, None) == old
    assert old == {"a": 1, "b": {"c": 2, "d": 3}}


@given(st.one_of(st.integers(), st.text(), st.floats(), st.booleans(), st.none()))
def test_a_token_count_is_a_count_or_nothing(value) -> None:
    count = token_count(value)
    assert count is None or 0 <= count < 1 << 53
