"""What must hold for any bytes at all, one function a reader. Raising is failing; returning is passing.

Each takes bytes of which it uses the first few as choices, so that a corpus file is a plain file.
"""

import msgspec

from core.fault import Refused
from proxy.captured_messages import MAX_SIDE_BYTES, Exchange, kept
from proxy.dialects.dialect import Dialect, Reading
from proxy.dialects.event_stream import EventSplitter, data_of
from proxy.dialects.meters import BodyMeter, HidingMeter, StreamMeter
from proxy.routes import TABLE
from proxy.splice import members, renamed_model, with_usage_asked, without_null_usage
from proxy.translation.lane import Translation, Untranslatable, translation_between
from proxy.translation.neutral import Context
from proxy.translation.rules import CLIENTS, WIRES
from proxy.transport.limits import PoolLimits, ServerLimits
from proxy.transport.request import RequestReader
from proxy.transport.response import MalformedResponse, ResponseReader

DIALECTS: list[Dialect] = sorted(
    {id(route.dialect): route.dialect for route in TABLE if route.dialect is not None}.values(),
    key=lambda dialect: dialect.name,
)
TRANSLATIONS: list[Translation] = [
    found for c in CLIENTS for w in WIRES if (found := translation_between(c, w)) is not None
]
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_LIMITS = ServerLimits(max_header_bytes=2048, max_request_line_bytes=512, max_small_chunks=32)


def pieces_of(data: bytes) -> tuple[bytes, list[bytes]]:
    """The payload, and the same cut up in the way that the first byte says."""
    step, payload = (data[0] % 23 + 1 if data else 1), data[1:]
    return payload, [payload[start : start + step] for start in range(0, len(payload), step)]


def dialect_of(data: bytes) -> tuple[Dialect, bytes]:
    """A dialect, chosen by the first byte, and the rest."""
    return DIALECTS[(data[0] if data else 0) % len(DIALECTS)], data[1:]


def events(data: bytes) -> None:
    """A stream gives the same events however it is cut up."""
    payload, pieces = pieces_of(data)
    whole, cut = EventSplitter(4096), EventSplitter(4096)
    expected = whole.feed(payload)
    found = [event for piece in pieces for event in cut.feed(piece)]
    if len(payload) <= 4096:
        # Behind a CR the cut hides whether an LF belongs to it, so that LF may open the next event.
        assert b"".join(found) + cut.tail == b"".join(expected) + whole.tail == payload
        assert _data(found) == _data(expected)


def _data(events: list[bytes]) -> list[bytes]:
    return [data for event in events if (data := data_of(event)) is not None]


def stream_meter(data: bytes) -> None:
    """A meter beside a stream reads it alike however it is cut, and what it passes is what came in."""
    dialect, rest = dialect_of(data)
    payload, pieces = pieces_of(rest)
    one, many = StreamMeter(dialect), StreamMeter(dialect)
    passed = b"".join(one.take([payload]))
    shown = b"".join(many.take(pieces))
    assert payload.startswith(passed)
    assert payload.startswith(shown)
    assert bool(one.malformed) == bool(many.malformed)
    if not one.malformed:
        one.finish()
        many.finish()
        assert passed == shown == payload
        assert one.reading == many.reading
        _counted(dialect, one.reading)


def hiding_meter(data: bytes) -> None:
    """A meter that hides usage never makes bytes up, and passes the same however the stream is cut."""
    dialect, rest = dialect_of(data)
    payload, pieces = pieces_of(rest)
    one, many = HidingMeter(dialect), HidingMeter(dialect)
    passed = b"".join(one.take([payload]))
    shown = b"".join(many.take(pieces))
    if not one.malformed and not many.malformed:
        passed += b"".join(one.finish())
        shown += b"".join(many.finish())
        # An LF that a cut parted from its CR opens the next event, and goes or stays with that.
        assert passed == shown or b"\r" in payload
    assert len(passed) <= len(payload)


def body_meter(data: bytes) -> None:
    """An unstreamed answer of any form passes as it came and leaves counts or nothing."""
    dialect, rest = dialect_of(data)
    payload, pieces = pieces_of(rest)
    meter = BodyMeter(dialect)
    assert b"".join(meter.take(pieces)) == payload
    meter.finish()
    _counted(dialect, meter.reading)


def usage(data: bytes) -> None:
    """A usage object of any form gives counts that are none or not negative."""
    dialect, rest = dialect_of(data)
    try:
        told = msgspec.json.decode(rest)
    except _UNREADABLE:
        return
    if isinstance(told, dict):
        _counted(dialect, Reading(usage=told))


def _counted(dialect: Dialect, reading: Reading) -> None:
    if reading.usage is None:
        return
    told = dialect.counts(reading.usage)
    for count in told[:5]:
        assert count is None or (type(count) is int and count >= 0)
    assert type(told.is_consistent) is bool


def request(data: bytes) -> None:
    """A request body of any form is read or refused; one that is read can be spliced."""
    dialect, body = dialect_of(data)
    try:
        ask = dialect.read_request(body)
    except Refused:
        return
    assert isinstance(ask.model, str)
    try:
        told = msgspec.json.decode(body)
    except _UNREADABLE:
        return
    if isinstance(told, dict):
        _spliced(body, told)


def splice(data: bytes) -> None:
    """Whatever JSON object is spliced is the same object afterwards, but for what was asked for."""
    try:
        told = msgspec.json.decode(data)
    except _UNREADABLE:
        without_null_usage(data)
        return
    if isinstance(told, dict):
        _spliced(data, told)


def _spliced(body: bytes, told: dict[str, object]) -> None:
    assert {member.name for member in members(body)} == set(told)
    renamed = msgspec.json.decode(renamed_model(body, 'other"\\model'))
    assert renamed == told | ({"model": 'other"\\model'} if "model" in told else {})
    options = told.get("stream_options")
    is_asking = isinstance(options, dict) and options.get("include_usage") is not None
    if told and not is_asking and (options is None or isinstance(options, dict)):
        asked = msgspec.json.decode(with_usage_asked(body))
        assert asked["stream_options"] == (options or {}) | {"include_usage": True}
        assert {n: v for n, v in asked.items() if n != "stream_options"} == {
            n: v for n, v in told.items() if n != "stream_options"
        }


def http_request(data: bytes) -> None:
    """Bytes of a client give the same requests and the same refusal however they are cut up."""
    payload, pieces = pieces_of(data)
    assert _requests([payload]) == _requests(pieces)


def _requests(pieces: list[bytes]) -> object:
    reader = RequestReader(_LIMITS)
    for piece in pieces:
        reader.feed(piece)
    for asked in reader.ready:
        assert not (asked.chunked and asked.content_length is not None)
        assert all(b"\n" not in v and b"\r" not in v and b"\0" not in v for _, v in asked.headers)
    seen = [(r.method, r.target, r.headers, b"".join(r.pieces), r.complete) for r in reader.ready]
    return seen, reader.error and reader.error.status


def http_response(data: bytes) -> None:
    """Bytes of an upstream are a response or are said to be malformed; no header holds a line break."""
    _, pieces = pieces_of(data)
    reader = ResponseReader(PoolLimits(max_header_bytes=2048))
    try:
        for piece in pieces:
            reader.feed(piece)
        reader.end_of_stream()
    except MalformedResponse:
        return
    if reader.head_complete:
        assert 200 <= reader.status <= 999
        assert all(b"\n" not in v and b"\r" not in v and b"\0" not in v for _, v in reader.headers)


def _pair(data: bytes) -> tuple[Translation, bytes]:
    return TRANSLATIONS[(data[0] if data else 0) % len(TRANSLATIONS)], data[1:]


def translated_request(data: bytes) -> None:
    """A request of any form is translated into JSON, or refused."""
    translation, body = _pair(data)
    try:
        made = translation.request(body, "model-there", context=Context("model-here"))
    except Refused:
        return
    assert isinstance(msgspec.json.decode(made.body), dict)


def translated_stream(data: bytes) -> None:
    """A stream gives the client the same bytes however it is cut up, or is untranslatable either way."""
    translation, rest = _pair(data)
    payload, pieces = pieces_of(rest)
    whole, cut = _translated(translation, [payload]), _translated(translation, pieces)
    assert whole == cut or b"\r" in payload


def _translated(translation: Translation, pieces: list[bytes]) -> bytes | None:
    stream = translation.stream(Context("model-here", is_streamed=True))
    try:
        return b"".join([*stream.take(pieces), *stream.finish()])
    except Untranslatable:
        return None


def translated_answer(data: bytes) -> None:
    """A whole answer of any form is translated into JSON, or untranslatable; an error always is translated."""
    translation, body = _pair(data)
    assert isinstance(msgspec.json.decode(translation.error_body(400, body)), dict)
    try:
        made = translation.whole(body, Context("model-here"))
    except Untranslatable:
        return
    assert isinstance(msgspec.json.decode(made), dict)


def captured(data: bytes) -> None:
    """Whatever was asked and answered, what is kept of it is JSON within its bound, and redaction sees all of it."""
    dialect, rest = dialect_of(data)
    payload, is_streamed = rest[1:], bool(rest[:1] > b"\x7f")
    for exchange in (
        Exchange(dialect.name, payload, b"", is_streamed),
        Exchange(dialect.name, b"{}", payload, is_streamed),
    ):
        found = kept(exchange, lambda text: text.replace("secret", "[gone]"))
        for text in (found.input, found.output, found.system):
            assert len(text.encode()) <= MAX_SIDE_BYTES + 1024
            assert "secret" not in text
            assert not text or isinstance(msgspec.json.decode(text), list)


TARGETS = {
    function.__name__: function
    for function in (
        events,
        stream_meter,
        hiding_meter,
        body_meter,
        usage,
        request,
        splice,
        http_request,
        http_response,
        translated_request,
        translated_stream,
        translated_answer,
        captured,
    )
}


def every(data: bytes) -> None:
    """One target, chosen by the first byte: what the ordinary test run fuzzes, in one process."""
    functions = list(TARGETS.values())
    functions[(data[0] if data else 0) % len(functions)](data[1:])
