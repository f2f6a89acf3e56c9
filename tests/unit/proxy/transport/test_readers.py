"""The readers: however bytes are cut up, the same messages come out."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from proxy.transport.limits import PoolLimits, ServerLimits
from proxy.transport.request import RequestReader
from proxy.transport.response import MalformedResponse, ResponseReader

NAMES = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True).map(lambda name: b"X-" + name)
VALUES = st.from_regex(
    rb"([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,20}[!-~\x80-\xff])?)?", fullmatch=True
)
BODIES = st.binary(max_size=200)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body = draw(BODIES)
    lines = [
        b"POST /" + draw(st.from_regex(rb"[a-z0-9/?=&%]{0,20}", fullmatch=True)) + b" HTTP/1.1",
        b"Host: a",
    ]
    lines += [
        name + b": " + value for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    ]
    if not draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body
    lines.append(b"Transfer-Encoding: chunked")
    step = draw(st.integers(1, 50))
    chunks = [body[start : start + step] for start in range(0, len(body), step)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"\r\n".join(lines) + b"\r\n\r\n" + framed + b"0\r\n\r\n"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


def outcome(pieces: list[bytes]) -> object:
    reader = RequestReader(ServerLimits())
    for piece in pieces:
        reader.feed(piece)
    seen = [
        (r.method, r.target, r.headers, b"".join(r.pieces), r.complete, r.keep_alive)
        for r in reader.ready
    ]
    return seen, reader.error and reader.error.status


PLACES = st.lists(st.integers(0, 100_000), max_size=30)


@given(st.lists(requests(), min_size=1, max_size=3).map(b"".join), PLACES)
def test_any_split_of_requests_gives_the_same_requests(data: bytes, places: list[int]) -> None:
    whole = outcome([data])
    assert whole[1] is None  # type: ignore[index]
    assert outcome(cut(data, places)) == whole
    assert outcome([bytes([byte]) for byte in data]) == whole


@given(requests(), st.integers(0, 10_000), st.binary(min_size=1, max_size=3), PLACES)
def test_any_split_of_damaged_requests_gives_the_same_verdict(
    data: bytes, place: int, noise: bytes, places: list[int]
) -> None:
    at = place % len(data)
    damaged = data[:at] + noise + data[at + len(noise) :]
    assert outcome(cut(damaged, places))[1] == outcome([damaged])[1]  # type: ignore[index]


@given(st.binary(max_size=300))
def test_no_bytes_make_the_request_reader_fail(data: bytes) -> None:
    outcome([data])


@given(BODIES, st.booleans(), PLACES)
def test_any_split_of_a_response_gives_the_same_response(
    body: bytes, chunked: bool, places: list[int]
) -> None:
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    sent = (
        (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n" if chunked else body
    )
    data = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\n" + framing + b"\r\n\r\n" + sent
    )
    reader = ResponseReader(PoolLimits())
    reader.expect(False)
    for piece in cut(data, places):
        reader.feed(piece)
    assert (reader.status, b"".join(reader.take()), reader.complete, reader.reusable) == (
        200,
        body,
        True,
        True,
    )
    assert reader.headers[0] == (b"x-a", b"b")


@given(st.binary(max_size=300))
def test_no_bytes_make_the_response_reader_fail_otherwise_than_by_saying_so(data: bytes) -> None:
    reader = ResponseReader(PoolLimits())
    reader.expect(False)
    try:
        reader.feed(data)
    except MalformedResponse:
        assert not reader.complete
