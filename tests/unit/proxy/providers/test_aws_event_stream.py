"""AWS event streams: decoded at every cut, checked, bounded; damage is found out."""

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.aws_event_stream import BadEventStream, EventDecoder, EventMessage
from tests.provider.clouds import event_message

KIND = {":event-type": "chunk", ":message-type": "event"}
MESSAGES = [
    event_message(KIND, b'{"bytes":"e30="}'),
    event_message({}, b""),
    event_message({**KIND, "naïve": "日本"}, "🦉".encode() * 9),
]
WHOLE = b"".join(MESSAGES)


def decoded(pieces: list[bytes]) -> list[EventMessage]:
    decoder = EventDecoder()
    found = [message for piece in pieces for message in decoder.feed(piece)]
    assert decoder.is_empty
    return found


def test_reads_what_botocore_reads() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(WHOLE)
    theirs = [EventMessage(dict(event.headers), event.payload) for event in buffer]
    assert decoded([WHOLE]) == theirs


def test_every_cut_gives_the_same_messages() -> None:
    expected = decoded([WHOLE])
    for cut in range(1, len(WHOLE)):
        assert decoded([WHOLE[:cut], WHOLE[cut:]]) == expected
    assert decoded([WHOLE[i : i + 1] for i in range(len(WHOLE))]) == expected


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.binary(max_size=99)), max_size=5))
def test_reads_any_messages(told: list[tuple[str, bytes]]) -> None:
    stream = [event_message({":event-type": kind}, payload) for kind, payload in told]
    found = decoded([b"".join(stream)])
    assert [(m.headers[":event-type"], m.payload) for m in found] == told


def test_headers_that_are_no_texts_are_passed_over() -> None:
    values = b"\x01a\x00\x01b\x01\x01c\x02\x07\x01d\x03\x00\x07\x01e\x04\x00\x00\x00\x07"
    values += b"\x01f\x05" + b"\0" * 8 + b"\x01g\x06\x00\x02hi\x01h\x08" + b"\0" * 8
    values += b"\x01i\x09" + b"\0" * 16 + b"\x01j\x07\x00\x02hi"
    assert decoded([framed(values)])[0].headers == {"j": "hi"}


def framed(headers: bytes, payload: bytes = b"", total: int | None = None) -> bytes:
    size = 16 + len(headers) + len(payload) if total is None else total
    prelude = struct.pack(">II", size, len(headers))
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return data + struct.pack(">I", zlib.crc32(data))


@pytest.mark.parametrize("place", range(len(MESSAGES[0])))
def test_one_flipped_bit_is_found_out_or_waited_for(place: int) -> None:
    damaged = bytearray(MESSAGES[0])
    damaged[place] ^= 1
    decoder = EventDecoder()
    with pytest.raises(BadEventStream):
        decoder.feed(bytes(damaged))


@pytest.mark.parametrize(
    "headers",
    [
        b"\x05ab",
        b"\x01a\x0a",
        b"\x01a\x07\x00\x09hi",
        b"\x02\xff\xfe\x00",
        b"\x01a\x07\x00\x01\xff",
    ],
)
def test_headers_that_make_no_sense_are_refused(headers: bytes) -> None:
    with pytest.raises(BadEventStream):
        EventDecoder().feed(framed(headers))


def test_lengths_are_bounded_before_anything_is_kept() -> None:
    with pytest.raises(BadEventStream, match="longer"):
        EventDecoder(1000).feed(framed(b"", total=1001)[:12])
    with pytest.raises(BadEventStream, match="shorter"):
        EventDecoder().feed(framed(b"\x01a\x00", total=16)[:12])


@given(st.binary(max_size=200))
def test_nonsense_is_refused_or_kept_waiting(data: bytes) -> None:
    decoder = EventDecoder(4096)
    try:
        decoder.feed(data)
    except BadEventStream:
        return
    assert decoder.is_empty or len(data) < 4096
