"""The stage that translates answers, and what of a request is translated before it is sent."""

from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.pipeline.endings import MALFORMED_STREAM, BrokenAnswer
from proxy.pipeline.foreign import Way
from proxy.providers.provider import Upstream
from proxy.translation.lane import AnswerStream, Untranslatable
from proxy.translation.neutral import Context
from rules.output_limits import most_output

MAX_WHOLE_BYTES = 32 * 1024 * 1024
"""The longest answer that is translated as a whole; it is held until its end."""
PARAMS_DROPPED = b"x-langwatch-params-dropped"
_EVENTS = b"text/event-stream"
_ONE_APIS_OWN = (b"anthropic-", b"openai-", b"x-goog-")
"""Headers of one API, which mean nothing to another."""

Headers = list[tuple[bytes, bytes]]


class StreamTranslator:
    """Turns a provider's stream into the client's, event by event."""

    at_boundary = True

    def __init__(self, stream: AnswerStream) -> None:
        self._stream = stream

    @property
    def has_ended(self) -> bool:
        """What ends the client's dialect has been returned."""
        return self._stream.has_ended

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Return what the pieces complete. Raises BrokenAnswer."""
        try:
            return self._stream.take(pieces)
        except Untranslatable as error:
            raise BrokenAnswer(MALFORMED_STREAM, str(error)) from None

    def finish(self) -> list[bytes]:
        """Return what the clean end completes. Raises BrokenAnswer."""
        try:
            return self._stream.finish()
        except Untranslatable as error:
            raise BrokenAnswer(MALFORMED_STREAM, str(error)) from None

    def error(self, code: str, message: str) -> bytes:
        """Return the client's own event for a stream that broke."""
        return self._stream.error(code, message)


class WholeTranslator:
    """Keeps an answer until its end and returns it translated: a JSON body, or a provider's refusal."""

    at_boundary = True

    def __init__(self, way: Way, context: Context, status: int) -> None:
        self._way = way
        self._context = context
        self._status = status
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self.has_ended = False

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Keep the pieces. Raises BrokenAnswer when they are too many."""
        self._size_bytes += sum(map(len, pieces))
        if self._size_bytes > MAX_WHOLE_BYTES:
            raise BrokenAnswer(MALFORMED_STREAM, "its answer is too long to be translated")
        self._pieces += pieces
        return []

    def finish(self) -> list[bytes]:
        """Return the whole answer. Raises BrokenAnswer when it is not what its dialect allows."""
        body = b"".join(self._pieces)
        translation = self._way.translation
        self.has_ended = True
        if self._status >= 300:
            return [translation.error_body(self._status, body)]
        try:
            if self._context.is_streamed:
                return translation.whole_as_stream(body, self._context)
            return [translation.whole(body, self._context)]
        except Untranslatable as error:
            raise BrokenAnswer(MALFORMED_STREAM, str(error)) from None


def translated_body(gateway: Gateway, call: Call, way: Way, model: str) -> bytes:
    """Return the body for the provider, and keep with the call what its answer needs.

    Raises Refused: BAD_REQUEST, UNSUPPORTED_PARAMETER.
    """
    context = Context(
        # A name with a provider in front is told as the provider's own.
        model=model if "/" in call.ask.model else call.ask.model,
        answer_id=call.identity.request_id.removeprefix("req_"),
        created=int(gateway.now_s()),
        is_streamed=call.ask.is_streamed,
        is_array=call.ask.is_streamed and not _asks_events(call),
    )
    most = most_output(call.required_lane().binding.type, model)
    made = way.translation.request(call.body, model, most, context=context)
    call.translated = made.context
    if made.dropped:
        call.note("dropped", list(made.dropped))
    return made.body


def _asks_events(call: Call) -> bool:
    query: bytes = call.scope["query_string"]
    return call.dialect.name != "gemini" or b"alt=sse" in query.split(b"&")


def translated_query(call: Call, way: Way) -> bytes:
    """Return the query for the provider: the caller's own is of another API."""
    return b"alt=sse" if way.wire.name == "gemini" and call.ask.is_streamed else b""


def neutral_headers(headers: Headers) -> Headers:
    """Return the headers, of a request or an answer, that are not of one API alone."""
    return [header for header in headers if not header[0].startswith(_ONE_APIS_OWN)]


def translate_answer(gateway: Gateway, call: Call) -> None:
    """Put a translator in front of the client where the provider speaks another dialect."""
    lane, upstream = call.required_lane(), call.upstream
    way = lane.way
    if way is None or upstream is None:
        return
    if call.translated is None:
        # The answer was kept from an earlier call, so this one's request was not sent.
        translated_body(
            gateway, call, way, lane.destination(call.model, call.ask.is_streamed).wanted.model
        )
    if call.translated is not None:
        call.converters = (_translator(way, call.translated, upstream), *call.converters)


def _translator(
    way: Way, context: Context, upstream: Upstream
) -> StreamTranslator | WholeTranslator:
    if upstream.status < 300 and context.is_streamed and _media(upstream) == _EVENTS:
        return StreamTranslator(way.translation.stream(context))
    return WholeTranslator(way, context, upstream.status)


def _media(upstream: Upstream) -> bytes:
    for name, value in upstream.headers:
        if name == b"content-type":
            return value.partition(b";")[0].strip().lower()
    return b""


def translated_headers(headers: Headers, context: Context, status: int) -> Headers:
    """Return the headers of an answer, with the type that it has for the client, and what was left out."""
    kept = [header for header in neutral_headers(headers) if header[0] != b"content-type"]
    is_events = status < 300 and context.is_streamed and not context.is_array
    kept.append((b"content-type", _EVENTS if is_events else b"application/json"))
    if context.dropped:
        kept.append((PARAMS_DROPPED, ", ".join(context.dropped).encode("ascii", "replace")))
    return kept
