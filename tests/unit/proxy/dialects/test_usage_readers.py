"""Usage, ends and errors of each API are read from any cut of its stream and from its whole answers."""

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fault import Refused
from proxy.dialects.dialect import Dialect
from proxy.dialects.gemini import GEMINI, GEMINI_COUNT, GEMINI_EMBEDDINGS
from proxy.dialects.meters import (
    MAX_BODY_COPY_BYTES,
    ArrayMeter,
    BodyMeter,
    InflatingMeter,
    StreamMeter,
    meter_for,
)
from proxy.dialects.openai_audio import OPENAI_SPEECH, OPENAI_TRANSCRIPTIONS
from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.dialects.openai_completions import OPENAI_COMPLETIONS
from proxy.dialects.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.dialects.openai_images import OPENAI_IMAGES
from proxy.dialects.openai_moderations import OPENAI_MODERATIONS
from proxy.dialects.openai_responses import OPENAI_RESPONSES

CUTS = st.lists(st.integers(0, 100_000), max_size=12)


def event(value: dict, name: str = "") -> bytes:
    start = f"event: {name}\n".encode() if name else b""
    return start + b"data: " + orjson.dumps(value) + b"\n\n"


def pieces(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


def response(**more: object) -> dict:
    return {"id": "resp_1", "model": "gpt-6.1-sol", "instructions": "x" * 90_000, **more}


RESPONSES_USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
    "output_tokens": 25,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 125,
}
RESPONSES = b"".join(
    event(value, value["type"])
    for value in (
        {"type": "response.created", "response": response(usage=None)},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"type": "response.output_item.done", "item": {"encrypted_content": "gAAAA" * 1000}},
        {"type": "response.output_text.delta", "delta": "héllo"},
        {"type": "response.function_call_arguments.delta", "delta": '{"a":1}'},
        {"type": "response.completed", "response": response(usage=RESPONSES_USAGE)},
    )
)
GEMINI_USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 20,
    "toolUsePromptTokenCount": 7,
    "totalTokenCount": 132,
}
CHUNKS = [
    {
        "candidates": [{"content": {"parts": [{"text": 'h\\"é]llo'}]}}],
        "usageMetadata": {"promptTokenCount": 100},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
    },
    {
        "candidates": [
            {
                "content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]},
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": GEMINI_USAGE,
    },
]
GEMINI_EVENTS = b"".join(event(chunk) for chunk in CHUNKS)
GEMINI_ARRAY = b"[" + b"\n,\r\n".join(orjson.dumps(c, option=orjson.OPT_INDENT_2) for c in CHUNKS)
GEMINI_ARRAY += b"\n]\n"


@given(CUTS)
def test_a_responses_stream_is_read_from_any_cut(places) -> None:
    meter = StreamMeter(OPENAI_RESPONSES)
    cut = pieces(RESPONSES, places)
    assert [meter.take([piece]) for piece in cut] == [[piece] for piece in cut]
    reading = meter.reading
    assert (reading.answer_id, reading.model) == ("resp_1", "gpt-6.1-sol")
    assert reading.visible_bytes == len('hmhéllo{"a":1}'.encode())
    assert reading.is_terminal
    assert meter.is_whole
    assert reading.usage is not None
    assert OPENAI_RESPONSES.counts(reading.usage) == (30, 25, 60, 10, 0, True)


@given(CUTS)
def test_a_gemini_stream_of_events_is_read_from_any_cut(places) -> None:
    meter = StreamMeter(GEMINI)
    for piece in pieces(GEMINI_EVENTS, places):
        assert meter.take([piece]) == [piece]
    check_gemini(meter)


@given(CUTS)
def test_a_gemini_stream_that_is_an_array_is_read_from_any_cut(places) -> None:
    meter = ArrayMeter(GEMINI)
    for piece in pieces(GEMINI_ARRAY, places):
        assert meter.take([piece]) == [piece]
    check_gemini(meter)


def test_a_gemini_stream_is_read_byte_by_byte() -> None:
    for meter, data in ((StreamMeter(GEMINI), GEMINI_EVENTS), (ArrayMeter(GEMINI), GEMINI_ARRAY)):
        for byte in data:
            meter.take([bytes([byte])])
        check_gemini(meter)


def check_gemini(meter: StreamMeter | ArrayMeter) -> None:
    reading = meter.reading
    assert (reading.answer_id, reading.model) == ("r1", "gemini-2.5-flash")
    assert reading.visible_bytes > len('h\\"é]llo'.encode())
    assert reading.is_terminal
    assert meter.is_whole
    assert reading.usage == GEMINI_USAGE
    assert GEMINI.counts(reading.usage) == (47, 25, 60, 0, 0, True)


def test_an_array_that_is_cut_is_not_whole_and_takes_an_error_only_between_elements() -> None:
    meter = ArrayMeter(GEMINI)
    assert not meter.at_boundary
    meter.take([b"["])
    assert (meter.at_boundary, meter.has_elements) == (True, False)
    meter.take([b'{"candidates": [{"finishReason": "STOP"'])
    assert not meter.at_boundary
    meter.take([b"}]}"])
    assert (meter.at_boundary, meter.has_elements) == (True, True)
    assert meter.reading.may_end
    assert not meter.is_whole
    meter.take([b"]"])
    assert meter.is_whole
    assert not meter.at_boundary


def test_nothing_of_a_malformed_element_is_passed() -> None:
    meter = ArrayMeter(GEMINI)
    assert meter.take([b"[{}", b",{nope}", b",{}"]) == [b"[{}"]
    assert meter.malformed


def test_a_last_event_too_long_to_be_read_still_ends_the_stream() -> None:
    meter = StreamMeter(OPENAI_RESPONSES)
    whole = response(output=["x" * 5_000_000], usage=RESPONSES_USAGE, user=None)
    data = event({"type": "response.completed", "response": whole}, "response.completed")
    for start in range(0, len(data), 60_000):
        meter.take([data[start : start + 60_000]])
    assert meter.reading.is_terminal
    assert meter.is_whole
    assert meter.reading.usage == RESPONSES_USAGE
    assert meter.reading.visible_bytes == 0


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [
        ("failed", {"code": "rate_limit_exceeded", "message": "m"}, "rate_limit_exceeded"),
        ("failed", None, "response_failed"),
        ("incomplete", None, ""),
    ],
)
def test_a_response_that_failed_is_ended_and_named(kind, error, code) -> None:
    meter = StreamMeter(OPENAI_RESPONSES)
    value = {"type": f"response.{kind}", "response": {"id": "r", "error": error, "usage": None}}
    meter.take([event(value, value["type"])])
    assert meter.reading.is_terminal
    assert meter.is_whole
    assert meter.reading.error_code == code


@pytest.mark.parametrize(
    ("dialect", "value", "code"),
    [
        (
            OPENAI_RESPONSES,
            {"type": "error", "code": "server_error", "message": "m"},
            "server_error",
        ),
        (OPENAI_RESPONSES, {"error": {"code": None, "type": "server_error"}}, "server_error"),
        (OPENAI_COMPLETIONS, {"error": {"code": "x"}}, "x"),
        (GEMINI, {"error": {"code": 503, "status": "UNAVAILABLE"}}, "UNAVAILABLE"),
        (OPENAI_IMAGES, {"type": "error", "error": {"code": "y"}}, "y"),
        (OPENAI_TRANSCRIPTIONS, {"error": {"type": "z"}}, "z"),
    ],
)
def test_an_error_within_a_stream_is_no_end(dialect, value, code) -> None:
    meter = StreamMeter(dialect)
    meter.take([event(value)])
    assert meter.reading.error_code == code
    assert not meter.is_whole


@pytest.mark.parametrize(
    ("dialect", "stream", "counts"),
    [
        (
            OPENAI_COMPLETIONS,
            event({"choices": [{"text": "hi", "finish_reason": "stop"}]})
            + event({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}})
            + b"data: [DONE]\n\n",
            (4, 2),
        ),
        (
            OPENAI_TRANSCRIPTIONS,
            event({"type": "transcript.text.delta", "delta": "hi"})
            + event(
                {
                    "type": "transcript.text.done",
                    "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5},
                }
            ),
            (14, 5),
        ),
        (
            OPENAI_SPEECH,
            event({"type": "speech.audio.delta", "audio": "AAAA"})
            + event(
                {"type": "speech.audio.done", "usage": {"input_tokens": 3, "output_tokens": 90}}
            ),
            (3, 90),
        ),
        (
            OPENAI_IMAGES,
            event({"type": "image_generation.partial_image", "b64_json": "A" * 100_000})
            + event(
                {
                    "type": "image_generation.completed",
                    "b64_json": "A" * 9_000_000,
                    "usage": {"input_tokens": 9, "output_tokens": 1056},
                }
            ),
            (9, 1056),
        ),
    ],
)
def test_other_streams_are_read_whole_from_small_pieces(dialect, stream, counts) -> None:
    meter = StreamMeter(dialect)
    for start in range(0, len(stream), 65_521):
        assert meter.take([stream[start : start + 65_521]])
    assert meter.is_whole
    assert meter.reading.is_terminal
    assert meter.reading.usage is not None
    assert dialect.counts(meter.reading.usage)[:2] == counts


def read(dialect: Dialect, body: bytes) -> BodyMeter:
    meter = BodyMeter(dialect)
    for start in range(0, len(body), 1_000_003):
        meter.take([body[start : start + 1_000_003]])
    meter.finish()
    return meter


@pytest.mark.parametrize(
    ("dialect", "body", "counts"),
    [
        (OPENAI_RESPONSES, response(usage=RESPONSES_USAGE, output=[]), (30, 25, 60, 10, 0, True)),
        (
            OPENAI_EMBEDDINGS,
            {"data": [], "usage": {"prompt_tokens": 8, "total_tokens": 8}},
            (8, 0, 0, 0, 0, True),
        ),
        (
            GEMINI_EMBEDDINGS,
            {"embedding": {}, "usageMetadata": {"promptTokenCount": 6}},
            (6, 0, 0, 0, 0, True),
        ),
        (
            OPENAI_IMAGES,
            {"data": [], "usage": {"input_tokens": 9, "output_tokens": 1056}},
            (9, 1056, 0, 0, 0, True),
        ),
        (OPENAI_COMPLETIONS, {"usage": {"prompt_tokens": 1}}, (1, None, 0, 0, 0, True)),
        (GEMINI, CHUNKS[1], (47, 25, 60, 0, 0, True)),
    ],
)
def test_whole_answers_tell_their_usage(dialect, body, counts) -> None:
    reading = read(dialect, orjson.dumps(body)).reading
    assert reading.usage is not None
    assert dialect.counts(reading.usage) == counts


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (OPENAI_EMBEDDINGS, {"data": [0.25] * 2_000_000, "usage": {"prompt_tokens": 8}}),
        (GEMINI_EMBEDDINGS, {"e": [0.25] * 2_000_000, "usageMetadata": {"promptTokenCount": 8}}),
        (
            OPENAI_IMAGES,
            {"data": "A" * 9_000_000, "usage": {"input_tokens": 8, "output_tokens": 0}},
        ),
    ],
)
def test_the_usage_behind_vectors_and_pictures_is_found_however_long_they_are(
    dialect, body
) -> None:
    data = orjson.dumps(body)
    assert len(data) > MAX_BODY_COPY_BYTES
    reading = read(dialect, data).reading
    assert reading.usage is not None
    assert dialect.counts(reading.usage)[:2] == (8, 0)
    assert reading.visible_bytes == 0


@pytest.mark.parametrize("end", [b'"usage": 7}', b'"usage": {"a"', b'\\"usage\\": {"a": 1}"}', b""])
def test_an_end_without_a_usage_has_none(end) -> None:
    data = b'{"data":"' + b"A" * (MAX_BODY_COPY_BYTES + 10) + b'",' + end
    assert read(OPENAI_EMBEDDINGS, data).reading.usage is None


def test_sound_and_subtitles_are_not_taken_for_text() -> None:
    assert read(OPENAI_SPEECH, b"ID3\x00\xff" * 1000).reading.visible_bytes == 0
    assert read(OPENAI_TRANSCRIPTIONS, b"1\n00:00 --> 00:01\nhi\n").reading.usage is None
    told = read(OPENAI_TRANSCRIPTIONS, b'{"text": "hi", "duration": 8.47}').reading.usage
    assert told == {"type": "duration", "seconds": 8.47}


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"promptTokenCount": 5}, (5, None, 0, 0, 0, True)),
        ({"promptTokenCount": 5, "thoughtsTokenCount": 3}, (5, 3, 0, 0, 0, True)),
        (
            {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 20},
            (5, 15, 0, 0, 0, False),
        ),
        (
            {"promptTokenCount": 5, "candidatesTokenCount": 3, "cachedContentTokenCount": 6},
            (5, 3, 0, 0, 0, False),
        ),
    ],
)
def test_gemini_counts(usage, counts) -> None:
    assert GEMINI.counts(usage) == counts


def test_the_meter_follows_what_was_asked_for() -> None:
    json_type = [(b"content-type", b"application/json; charset=UTF-8")]
    assert isinstance(meter_for(GEMINI, json_type, False, True), ArrayMeter)
    assert isinstance(meter_for(GEMINI, json_type, False, False), BodyMeter)
    assert isinstance(meter_for(OPENAI_RESPONSES, json_type, False, True), BodyMeter)
    coded = [*json_type, (b"content-encoding", b"gzip")]
    assert isinstance(meter_for(GEMINI, coded, False, True), InflatingMeter)


@pytest.mark.parametrize(
    ("dialect", "body", "ask"),
    [
        (OPENAI_RESPONSES, {"model": "m", "input": "x", "max_output_tokens": 9}, ("m", False, 9)),
        (OPENAI_RESPONSES, {"model": "m", "input": [], "stream": True}, ("m", True, None)),
        (OPENAI_EMBEDDINGS, {"model": "m", "input": [1, 2]}, ("m", False, 0)),
        (OPENAI_COMPLETIONS, {"model": "m", "prompt": "x", "n": 3}, ("m", False, 16, 3)),
        (OPENAI_COMPLETIONS, {"model": "m", "n": 2, "best_of": 5}, ("m", False, 16, 5)),
        (OPENAI_CHAT, {"model": "m", "messages": [{}], "n": 4}, ("m", False, None, 4)),
        (OPENAI_CHAT, {"model": "m", "messages": [{}], "n": "?"}, ("m", False, None, 1)),
        (OPENAI_MODERATIONS, {"input": "x"}, ("omni-moderation-latest", False, 0)),
        (OPENAI_IMAGES, {"prompt": "x", "stream": True}, ("gpt-image-1", True, None)),
        (OPENAI_SPEECH, {"model": "m", "input": "x", "voice": "v"}, ("m", False, None)),
        (
            GEMINI,
            {"contents": [{}], "generationConfig": {"maxOutputTokens": 9, "candidateCount": 2}},
            ("", False, 9, 2),
        ),
        (GEMINI, {"contents": "x", "generation_config": {"max_output_tokens": 9}}, ("", False, 9)),
        (
            GEMINI,
            {"contents": "x", "generation_config": {"candidate_count": 3}},
            ("", False, None, 3),
        ),
        (GEMINI_COUNT, {"generateContentRequest": {"contents": [{}]}}, ("", False, 0)),
        (GEMINI_EMBEDDINGS, {"content": {"parts": [{}]}}, ("", False, 0)),
        (GEMINI_EMBEDDINGS, {"requests": [{}]}, ("", False, 0)),
    ],
)
def test_the_few_fields_that_decisions_need_are_read(dialect, body, ask) -> None:
    read = dialect.read_request(orjson.dumps(body))
    assert (read.model, read.is_streamed, read.max_tokens, read.answers) == (*ask, 1)[:4]


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (OPENAI_RESPONSES, b'{"model": "m", "input": "x", "background": true}'),
        (OPENAI_RESPONSES, b'{"input": "x"}'),
        (OPENAI_EMBEDDINGS, b'{"model": "m", "input": ""}'),
        (OPENAI_EMBEDDINGS, b'{"model": "m"}'),
        (OPENAI_COMPLETIONS, b'{"prompt": "x"}'),
        (OPENAI_MODERATIONS, b'{"model": "m", "input": []}'),
        (OPENAI_IMAGES, b'{"model": "m"}'),
        (OPENAI_SPEECH, b'{"model": "m", "input": ""}'),
        (OPENAI_TRANSCRIPTIONS, b'{"model": "m"}'),
        (GEMINI, b'{"contents": [ ]}'),
        (GEMINI, b"[]"),
        (GEMINI_COUNT, b'{"contents": null}'),
        (GEMINI_EMBEDDINGS, b"{}"),
    ],
)
def test_what_is_missing_is_refused(dialect, body) -> None:
    with pytest.raises(Refused) as caught:
        dialect.read_request(body)
    assert caught.value.fault.status == 400
    assert caught.value.message


def test_geminis_body_repeats_the_model_in_three_places() -> None:
    body = b'{"model":"models/a/b", "x": {"model": "keep"}, "requests":[{"model":"models/a/b"},{}]}'
    assert orjson.loads(GEMINI_EMBEDDINGS.renamed(body, None, "b")) == {  # type: ignore[arg-type]
        "model": "models/b",
        "x": {"model": "keep"},
        "requests": [{"model": "models/b"}, {}],
    }
    whole = b'{"generateContentRequest": {"model": "models/a/b",  "contents": []}}'
    renamed = GEMINI_COUNT.renamed(whole, None, "b")  # type: ignore[arg-type]
    assert renamed == b'{"generateContentRequest": {"model": "models/b",  "contents": []}}'


def test_what_a_vendor_tells_beside_the_answer_ends_no_stream() -> None:
    beside = (
        {"type": "codex.rate_limits", "rate_limits": {"limit_reached": True}},
        {"type": "response.limit_reached", "response": {"status": "completed"}},
        {"type": "keepalive"},
    )
    meter = StreamMeter(OPENAI_RESPONSES)
    for told in beside:
        assert meter.take([event(told)])
    assert not (meter.reading.is_terminal or meter.is_whole or meter.reading.error_code)
    meter.take(
        [event({"type": "response.completed", "response": {"id": "r", "status": "completed"}})]
    )
    assert meter.is_whole
    assert meter.reading.finish_reasons == ("completed",)
