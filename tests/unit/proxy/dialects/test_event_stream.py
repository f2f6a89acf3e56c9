"""Events are found wherever the network cuts the stream, and memory stays bounded."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.event_stream import EventSplitter, data_of

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINE = st.binary(max_size=12).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b""))


@st.composite
def streams(draw) -> tuple[bytes, list[bytes]]:
    """A stream and the data of its events."""
    text, told = b"", []
    for _ in range(draw(st.integers(0, 5))):
        data = [draw(LINE) for _ in range(draw(st.integers(1, 2)))]
        end = draw(ENDS)
        text += b"event: x" + end + b"".join(b"data: " + line + end for line in data) + end
        told.append(b"\n".join(data))
    return text, told


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@given(streams(), st.lists(st.integers(0, 10_000), max_size=8))
def test_any_cut_gives_the_same_events(stream, places) -> None:
    text, told = stream
    splitter = EventSplitter(1000)
    events = [event for piece in cut(text, places) for event in splitter.feed(piece)]
    found = [data for event in events if (data := data_of(event)) is not None]
    assert found == told
    assert b"".join(events) + splitter.tail == text


def test_byte_by_byte_gives_the_same_events() -> None:
    text = b"data: a\r\n\r\ndata: b\n\nevent: c\rdata: c\r\r: note\n\n"
    splitter = EventSplitter(1000)
    events = [event for i in range(len(text)) for event in splitter.feed(text[i : i + 1])]
    assert [data_of(event) for event in events if event.strip()] == [b"a", b"b", b"c", None]


def test_an_oversized_event_is_skipped_and_the_next_is_found() -> None:
    splitter = EventSplitter(100)
    assert splitter.feed(b"data: " + b"x" * 500) == []
    assert splitter.skipped_bytes > 400
    assert len(splitter._tail) < 100
    assert not splitter.at_boundary
    assert splitter.feed(b"y" * 500 + b"\n") == []
    assert splitter.feed(b"\ndata: next\n\n") == [b"data: next\n\n"]
    assert splitter.at_boundary


def test_a_large_event_in_small_pieces_is_scanned_once() -> None:
    splitter = EventSplitter(1 << 20)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
    assert splitter._scanned > 999_000
