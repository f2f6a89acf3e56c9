"""A guarded stream: no part of a secret gets out, what is not concerned passes byte for byte, in every dialect."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fault import Fault
from proxy.dialects.event_stream import data_of
from tests.unit.proxy.guarding.streams import (
    MARK,
    SECRET,
    STREAMS,
    chat,
    check,
    event,
    guarded,
    messages,
    passed,
    responses,
)

LEAST_TELLING = 10
"""Of a key, so many characters are no word of anything else."""


@pytest.fixture(params=STREAMS)
def stream(request: pytest.FixtureRequest):
    return STREAMS[request.param]


def texts(out: bytes) -> str:
    """Everything in a stream that is a text, joined."""
    found: list[str] = []

    def walk(value) -> None:
        if isinstance(value, str):
            found.append(value)
        for inner in value.values() if isinstance(value, dict) else ():
            walk(inner)
        for inner in value if isinstance(value, list) else ():
            walk(inner)

    for piece in out.split(b"\n\n"):
        data = data_of(piece)
        if data and data != b"[DONE]":
            walk(orjson.loads(data))
    return "".join(found)


def leaks(out: bytes) -> bool:
    said = texts(out)
    return any(
        SECRET[i : i + LEAST_TELLING] in said for i in range(len(SECRET) - LEAST_TELLING + 1)
    )


def test_a_secret_cut_at_every_offset_is_blocked_before_any_of_it_is_out(stream) -> None:
    dialect, make = stream
    before, after = "word " * 30, " word" * 30
    for cut in range(1, len(SECRET)):
        parts = [before, SECRET[:cut], SECRET[cut:], after]
        guard, judge = guarded(dialect, check(action="block"))
        out, refused = passed(guard, make(parts))
        assert refused is not None
        assert refused.fault is Fault.GUARDRAIL_BLOCKED
        assert not leaks(out)
        assert SECRET[:4] not in texts(out)
        assert judge.entries[0]["verdict"] == "block"


def test_a_secret_cut_at_every_offset_is_redacted_everywhere(stream) -> None:
    dialect, make = stream
    before, after = "word " * 30, " word" * 30
    for cut in range(1, len(SECRET)):
        parts = [before, SECRET[:cut], SECRET[cut:], after]
        guard, judge = guarded(dialect, check())
        out, refused = passed(guard, make(parts))
        assert refused is None
        assert not leaks(out)
        assert texts(out) == texts(b"".join(make([before, MARK, "", after])))
        assert judge.entries[0]["verdict"] == "modify"
        assert guard.has_ended or dialect == "gemini"


@settings(max_examples=40)
@given(st.integers(1, 7), st.integers(0, 90), st.sampled_from(sorted(STREAMS)))
def test_in_pieces_of_any_size_nothing_leaks(size, before, name) -> None:
    dialect, make = STREAMS[name]
    text = "a " * before + SECRET + " and more" * 20
    guard, _ = guarded(dialect, check(action="block"))
    out, refused = passed(guard, make([text[i : i + size] for i in range(0, len(text), size)]))
    assert refused is not None
    assert not leaks(out)


@settings(max_examples=60)
@given(
    st.lists(st.text(max_size=50), max_size=20),
    st.sampled_from(sorted(STREAMS)),
    st.integers(1, 400),
)
def test_what_nothing_matches_passes_byte_for_byte(parts, name, cut) -> None:
    dialect, make = STREAMS[name]
    whole = b"".join(make(parts))
    guard, judge = guarded(dialect, check("keywords", keywords=["\u0001never\u0001"]))
    out, refused = passed(guard, [whole[i : i + cut] for i in range(0, len(whole), cut)])
    assert refused is None
    assert out == whole
    assert judge.entries[0]["verdict"] == "pass"


def test_only_the_events_concerned_change(stream) -> None:
    dialect, make = stream
    events = make(["one ", SECRET, " two"])
    guard, _ = guarded(dialect, check())
    out, _ = passed(guard, events)
    for single in events:
        assert SECRET.encode() in single or single in out


def test_text_is_let_go_while_more_is_to_come() -> None:
    guard, _ = guarded("openai_chat", check())
    events = chat(["word " * 10] * 8)
    out = [b"".join(guard.take([one])) for one in events]
    assert out[0] != b""
    assert sum(map(bool, out[1:8])) >= 3


def chunk(**delta: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": delta}]})


def thought(text: str, **more: bool) -> bytes:
    return event({"candidates": [{"content": {"parts": [{"text": text} | more]}}]})


@pytest.mark.parametrize(
    ("dialect", "thoughts", "answers"),
    [
        ("openai_chat", chunk(reasoning_content="hmm " * 10), chunk(content="word " * 10)),
        ("gemini", thought("hmm " * 10, thought=True), thought("word " * 10)),
    ],
    ids=["chat", "gemini"],
)
def test_an_answer_does_not_wait_for_the_end_of_it_behind_its_thoughts(
    dialect, thoughts, answers
) -> None:
    guard, _ = guarded(dialect, check())
    out = b"".join(b"".join(guard.take([one])) for one in [thoughts] * 8 + [answers] * 8)
    assert out.count(thoughts) == 8
    assert out.count(answers) >= 4


def test_what_goes_on_after_something_else_is_judged_with_what_came_before() -> None:
    half = len(SECRET) // 2
    mixed = [chunk(content=SECRET[:half]), chunk(reasoning="hm"), chunk(content=SECRET[half:])]
    guard, _ = guarded("openai_chat", check(action="block"))
    out, refused = passed(guard, [*mixed, b"data: [DONE]\n\n"])
    assert refused is not None
    assert SECRET[half:] not in texts(out)
    guard, _ = guarded("openai_chat", check())
    assert SECRET[half:] not in texts(passed(guard, [*mixed, b"data: [DONE]\n\n"])[0])


def test_what_beside_a_text_repeats_it_goes_when_the_text_changes() -> None:
    told = {"content": [{"token": "fine", "logprob": -0.1}]}
    secret = {"content": [{"token": SECRET, "logprob": -0.1}]}
    choice = {"index": 0, "delta": {"content": "fine "}, "logprobs": told}
    events = [
        event({"choices": [choice]}),
        event({"choices": [choice | {"delta": {"content": SECRET}, "logprobs": secret}]}),
    ]
    guard, _ = guarded("openai_chat", check())
    out, _ = passed(guard, events)
    assert not leaks(out)
    assert events[0] in out and out.count(b'"logprobs":null') == 1
    delta = {"type": "response.output_text.delta", "item_id": "m", "delta": SECRET}
    guard, _ = guarded("openai_responses", check())
    out, _ = passed(guard, [event(delta | {"logprobs": [{"token": SECRET}]})])
    assert not leaks(out) and b'"logprobs":[]' in out
    segment = {"segment": {"text": f"It is {SECRET}."}}
    grounded = {"groundingMetadata": {"groundingSupports": [segment]}}
    guard, _ = guarded("gemini", check())
    assert not leaks(passed(guard, [event({"candidates": [grounded]})])[0])


@pytest.mark.parametrize(
    "sign", [event({"type": "ping"}, "ping"), b": PROCESSING\n\n", b"event: ping\n\n"]
)
def test_signs_of_life_do_not_wait_behind_what_is_held(sign) -> None:
    parts = ['{"path": "a', '"}']
    whole = messages(parts, "tool_use", "input_json_delta")
    whole.insert(3, sign)
    guard, _ = guarded("anthropic_messages", check())
    out = [b"".join(guard.take([one])) for one in whole]
    assert (out[2], out[3]) == (b"", sign)
    assert b"".join(out) + b"".join(guard.finish()) == b"".join([*whole[:2], sign, *whole[2:3]]) + (
        b"".join(whole[4:])
    )
    guard, _ = guarded("anthropic_messages", check())
    assert passed(guard, [b"".join([sign, *messages(["fine"])])])[0].startswith(sign)


def test_thinking_that_is_signed_is_blocked_and_not_changed() -> None:
    guard, judge = guarded("anthropic_messages", check())
    out, refused = passed(guard, messages([SECRET], "thinking", "thinking_delta"))
    assert refused is not None
    assert not leaks(out)
    assert judge.entries[0]["verdict"] == "block"


def test_the_echo_of_the_request_is_not_an_answer() -> None:
    guard, _ = guarded("openai_responses", check("keywords", "block", keywords=["kind"]))
    assert passed(guard, responses(["fine"]))[1] is None


def test_several_choices_are_judged_apart() -> None:
    def chunk(index: int, text: str) -> bytes:
        return event({"choices": [{"index": index, "delta": {"content": text}}]})

    half = len(SECRET) // 2
    mixed = [chunk(0, SECRET[:half]), chunk(1, "hi"), chunk(0, SECRET[half:]), b"data: [DONE]\n\n"]
    guard, _ = guarded("openai_chat", check(action="block"))
    assert passed(guard, mixed)[1] is not None
    apart = [chunk(0, SECRET[:half]), chunk(1, SECRET[half:]), b"data: [DONE]\n\n"]
    guard, _ = guarded("openai_chat", check("keywords", "block", keywords=[SECRET]))
    assert passed(guard, apart)[1] is None


def test_data_over_several_lines_is_rewritten_too() -> None:
    data = orjson.dumps(
        {"choices": [{"index": 0, "delta": {"content": SECRET}}]}, option=orjson.OPT_INDENT_2
    )
    lines = b"".join(b"data: %b\n" % line for line in data.splitlines())
    guard, _ = guarded("openai_chat", check())
    out, refused = passed(guard, [b": note\nid: 7\n" + lines + b"\n", b"data: [DONE]\n\n"])
    assert refused is None
    assert not leaks(out)
    assert MARK in texts(out)
    assert out.startswith(b": note\nid: 7\n")


@pytest.mark.parametrize(
    "before", [b"event: data:x\n", b": data: x\n", b"\xef\xbb\xbf", b"id:data:\r\n"]
)
def test_a_line_that_speaks_of_data_hides_none(before) -> None:
    data = orjson.dumps({"choices": [{"index": 0, "delta": {"content": SECRET}}]})
    guard, _ = guarded("openai_chat", check())
    out, refused = passed(guard, [before + b"data: %b\n\n" % data, b"data: [DONE]\n\n"])
    assert refused is None
    assert SECRET.encode() not in out
    assert out.startswith(before)


def test_a_text_with_half_a_character_is_rewritten_too() -> None:
    data = orjson.dumps({"choices": [{"index": 0, "delta": {"content": SECRET}}]})
    data = data.replace(b'"content":"', b'"content":"\\ud83d ')
    guard, _ = guarded("openai_chat", check())
    out, refused = passed(guard, [b"data: %b\n\n" % data, b"data: [DONE]\n\n"])
    assert refused is None
    assert SECRET.encode() not in out
    assert b"\\ud83d" in out


@pytest.mark.parametrize("on_failure", ["fail_closed", "fail_open"])
def test_an_event_that_cannot_be_read_passes_only_where_that_was_chosen(on_failure) -> None:
    guard, judge = guarded("openai_chat", check(on_failure=on_failure))
    out, refused = passed(guard, [b"data: {not json}\n\n", b"data: [DONE]\n\n"])
    assert judge.entries[0]["verdict"] == "not_evaluated"
    assert (refused is None) == (on_failure == "fail_open")
    assert (b"not json" in out) == (on_failure == "fail_open")


def test_an_event_too_long_to_be_kept_never_passes() -> None:
    guard, _ = guarded("openai_chat", check(on_failure="fail_open"))
    out, refused = passed(guard, [b"data: " + b"x" * 5_000_000])
    assert refused is not None
    assert out == b""


def test_a_member_that_is_there_twice_cannot_be_read() -> None:
    guard, _ = guarded("openai_chat", check())
    event_ = b'data: {"choices":[{"delta":{"content":"%b","content":"x"}}]}\n\n' % SECRET.encode()
    out, refused = passed(guard, [event_])
    assert refused is not None
    assert out == b""
