"""Streams as bytes in time: nothing held back, merged or re-cut, and no torn end looks clean."""

import hashlib
import json
import time

import pytest

from tests.sdk.targets import Target
from tests.sdk.wire import RawRequest, exchange

LEAVE_GRACE_SECONDS = 1.0
LAST_EVENT = {
    "openai": b"data: [DONE]\n\n",
    "anthropic": b'data: {"type":"message_stop"}\n\n',
}
REQUESTS = {"openai": "opencode_chat_stream", "anthropic": "opencode_messages_stream"}


def on_the_wire(target: Target, dialect: str, script: str) -> bytes:
    request = RawRequest.read(REQUESTS[dialect])
    key = target.openai_key if dialect == "openai" else target.anthropic_key
    host = target.url.removeprefix("http://")
    return request.on_the_wire(host, key, {"x-fake-behaviour": script})


@pytest.mark.parametrize("dialect", REQUESTS)
@pytest.mark.parametrize("shape", ["", "split=15+80", "merge=2"])
def test_every_write_arrives_alone_and_before_the_next_is_written(
    target: Target, dialect: str, shape: str
) -> None:
    with exchange(target.url, on_the_wire(target, dialect, f"step,{shape}")) as stream:
        while not stream.answer.body.endswith(LAST_EVENT[dialect]):
            target.provider.step()
            stream.read_pieces(len(stream.answer.pieces) + 1)
        answer = stream.read_all()
    call = target.provider.last_call()
    assert [len(piece) for _, piece in answer.pieces] == [size for _, size in call["writes"]]
    assert hashlib.sha256(answer.body).hexdigest() == call["answer_sha256"]
    assert answer.ended_cleanly


@pytest.mark.parametrize("dialect", REQUESTS)
@pytest.mark.parametrize("script", ["reset_after=4", "cut_after=4", "bad_framing_at=4"])
def test_a_torn_stream_never_ends_cleanly(target: Target, dialect: str, script: str) -> None:
    with exchange(target.url, on_the_wire(target, dialect, f"{script},delay_ms=10")) as stream:
        try:
            answer = stream.read_all()
        except Exception as error:
            assert type(error).__module__.startswith("httptools")
            answer = stream.answer
    assert not answer.ended_cleanly
    if target.through_gateway:
        assert error_event(answer.body)
    else:
        assert answer.body.count(b"\n\n") == 4


@pytest.mark.parametrize("dialect", REQUESTS)
def test_a_clean_early_end_is_not_passed_off_as_whole(target: Target, dialect: str) -> None:
    with exchange(target.url, on_the_wire(target, dialect, "end_after=5")) as stream:
        answer = stream.read_all()
    assert b"[DONE]" not in answer.body
    assert b"message_stop" not in answer.body
    assert answer.ended_cleanly is not target.through_gateway
    assert error_event(answer.body) is target.through_gateway


@pytest.mark.parametrize("dialect", REQUESTS)
@pytest.mark.parametrize("script", ["delay_ms=20,chunks=500", "hang_after=4", "hang_head"])
def test_a_client_that_leaves_frees_the_provider(target: Target, dialect: str, script: str) -> None:
    with exchange(target.url, on_the_wire(target, dialect, script)) as stream:
        if "head" in script:
            target.provider.wait_for(lambda state: state["open_streams"] == 1)
        else:
            stream.read_pieces(3)
    left_at = time.time()
    target.provider.wait_for(lambda state: state["open_streams"] == 0, LEAVE_GRACE_SECONDS)
    call = target.provider.last_call()
    assert call["outcome"] == "client_closed"
    assert call["ended_at"] - left_at < LEAVE_GRACE_SECONDS


@pytest.mark.parametrize("dialect", REQUESTS)
def test_a_client_that_leaves_after_the_last_event_has_a_whole_answer(
    target: Target, dialect: str
) -> None:
    terminal = b"[DONE]" if dialect == "openai" else b"message_stop"
    with exchange(target.url, on_the_wire(target, dialect, "chunks=4")) as stream:
        while terminal not in stream.answer.body and stream.read_some():
            pass
    target.provider.wait_for(lambda state: state["open_streams"] == 0)
    assert target.provider.last_call()["outcome"] == "completed"


def error_event(body: bytes) -> bool:
    """Whether the last event is an error in a form that both SDK families parse."""
    last = [event for event in body.split(b"\n\n") if event][-1]
    data = next((ln for ln in last.split(b"\n") if ln.startswith(b"data: ")), b"data: null")
    try:
        told = json.loads(data.removeprefix(b"data: "))
    except ValueError:
        return False
    return isinstance(told, dict) and "error" in told
