"""A translation between two dialects, as the pipeline uses it: a request there, an answer back, an error back.

Pure: bytes in, bytes out. The client's side and the provider's side never meet but in the neutral form.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from core.fault import Fault, Refused
from proxy.dialects.dialect import UNREADABLE
from proxy.dialects.event_stream import EventSplitter, data_of
from proxy.translation import (
    chat_answer,
    chat_request,
    converse_answer,
    converse_request,
    gemini_answer,
    gemini_request,
    messages_answer,
    messages_request,
    responses_answer,
    responses_items,
    responses_request,
)
from proxy.translation.errors import read_error, write_error
from proxy.translation.neutral import (
    Answer,
    Context,
    Conversation,
    Done,
    Event,
    Failure,
    Reasoning,
)
from proxy.translation.rules import (
    CHAT,
    CLIENTS,
    CONVERSE,
    GEMINI,
    MESSAGES,
    OWN_SWITCH,
    RESPONSES,
    WIRES,
    Notes,
    judge,
)
from proxy.translation.sequence import Sequencer, fold
from proxy.translation.shapes import dict_in, dumps, loads
from proxy.translation.turns import fitted_names, without_attribution

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""The longest event of a provider that is translated; Gemini tells a whole image in one."""
_LONGEST_TOOL_NAME = {CHAT: 64, MESSAGES: 128, GEMINI: 64, CONVERSE: 64}
_SHOWN_UNASKED = frozenset({CHAT})
"""Where thinking is an extra member that nobody has to read; elsewhere it is told to those who ask."""


class Untranslatable(Exception):
    """The provider's answer is not what its dialect allows."""


class Translated(NamedTuple):
    """A request for the provider, what was left out of it, and what its answer needs."""

    body: bytes
    dropped: tuple[str, ...]
    context: Context


class _Reader(Protocol):
    def event(self, name: str, data: bytes, /) -> list[Event]: ...

    def end(self) -> list[Event]: ...


class _Writer(Protocol):
    def write(self, event: Event) -> bytes: ...

    def error(self, code: str, message: str, kind: str = ..., /) -> bytes: ...


class _Client(NamedTuple):
    """A client's side of a dialect."""

    read: Callable[[dict[str, Any], Notes], Conversation]
    writer: Callable[[Context], _Writer]
    write_whole: Callable[[Answer, Context], dict[str, Any]]


class _Wire(NamedTuple):
    """A provider's side of a dialect."""

    write: Callable[[Conversation, str, Notes, int | None], dict[str, Any]]
    reader: Callable[[], _Reader]
    read_whole: Callable[[dict[str, Any]], list[Event]]


CLIENT_SIDES: dict[str, _Client] = {
    CHAT: _Client(chat_request.read, chat_answer.Writer, chat_answer.write_whole),
    MESSAGES: _Client(messages_request.read, messages_answer.Writer, messages_answer.write_whole),
    GEMINI: _Client(gemini_request.read, gemini_answer.Writer, gemini_answer.write_whole),
    RESPONSES: _Client(
        responses_request.read, responses_answer.Writer, responses_items.write_whole
    ),
}
WIRE_SIDES: dict[str, _Wire] = {
    CHAT: _Wire(chat_request.write, chat_answer.Reader, chat_answer.read_whole),
    MESSAGES: _Wire(messages_request.write, messages_answer.Reader, messages_answer.read_whole),
    GEMINI: _Wire(gemini_request.write, gemini_answer.Reader, gemini_answer.read_whole),
    CONVERSE: _Wire(converse_request.write, converse_answer.Reader, converse_answer.read_whole),
}


class AnswerStream:
    """Translates one stream, piece by piece as it arrives, wherever the network cut it."""

    def __init__(self, reader: _Reader, writer: _Writer) -> None:
        self._reader = reader
        self._writer = writer
        self._sequence = Sequencer()
        self._splitter = EventSplitter(MAX_EVENT_BYTES)
        self.has_ended = False
        """The client has been told the end. An error is not one."""

    @property
    def is_over(self) -> bool:
        """The client has been told the end, or the provider's own error; nothing more is written."""
        return self._sequence.is_over

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Return what the pieces complete, for the client. Raises Untranslatable."""
        made = []
        for piece in pieces:
            told = b"".join(map(self._told, self._splitter.feed(piece)))
            if self._splitter.skipped_bytes:
                raise Untranslatable(f"an event is longer than {MAX_EVENT_BYTES} bytes")
            if told:
                made.append(told)
        return made

    def finish(self) -> list[bytes]:
        """Return what the clean end of the body completes. Raises Untranslatable."""
        told = b""
        if (tail := self._splitter.tail).strip():
            told = self._told(tail)
        told += self._written(self._reader.end())
        return [told] if told else []

    def error(self, code: str, message: str) -> bytes:
        """Return the client's own error event, which ends a broken stream; empty when it has ended."""
        if self.is_over:
            return b""
        return self._writer.error(code, message)

    def _told(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None or not data.strip():
            return b""
        try:
            return self._written(self._reader.event(_name_of(event), data))
        except UNREADABLE as error:
            raise Untranslatable(f"an event is not JSON: {error}") from None

    def _written(self, events: list[Event]) -> bytes:
        return b"".join(map(self._one, self._sequence.take(events)))

    def _one(self, event: Event) -> bytes:
        if isinstance(event, Failure):
            code = event.code or event.type or "provider_error"
            return self._writer.error(code, event.message or "The provider broke off.")
        self.has_ended = isinstance(event, Done)
        return self._writer.write(event)


def _name_of(event: bytes) -> str:
    for line in event.splitlines():
        if line.startswith(b"event:"):
            return line[6:].strip().decode("utf-8", "replace")
    return ""


@dataclass(frozen=True, slots=True)
class Translation:
    """The way from one client dialect to one wire dialect and back."""

    client: str
    wire: str

    def request(
        self,
        body: bytes,
        model: str,
        max_output: int | None = None,
        *,
        context: Context,
    ) -> Translated:
        """Return the request for the provider.

        ``model`` is its name there, ``max_output`` the most tokens it can answer with, None when that is
        not known. ``context`` says how the client calls the model and what its ids are made of.
        Raises Refused: BAD_REQUEST, or UNSUPPORTED_PARAMETER for what can be neither said nor left out.
        """
        value = _object_of(body)
        notes = Notes(self.client, self.wire, value.get(OWN_SWITCH) is not False)
        if self.client == GEMINI:
            value = gemini_request.normal({n: v for n, v in value.items() if n != OWN_SWITCH})
        judge(value, notes)
        talk = without_attribution(CLIENT_SIDES[self.client].read(value, notes))
        if self.client == GEMINI:
            talk = replace(talk, is_streamed=context.is_streamed)
        if self.wire != GEMINI:
            talk = replace(talk, extensions={})
        if talk.parallel_tools is False and self.wire in (GEMINI, CONVERSE):
            notes.drop("parallel_tools", "it has no word for one call at a time")
        talk, names = fitted_names(talk, _LONGEST_TOOL_NAME[self.wire])
        made = WIRE_SIDES[self.wire].write(talk, model, notes, max_output)
        dropped = tuple(notes.dropped)
        context = replace(
            context,
            is_streamed=talk.is_streamed,
            asks_usage=talk.asks_usage,
            shows_thinking=self.client in _SHOWN_UNASKED or _is_shown(self.client, talk.reasoning),
            names=names,
            custom_tools=talk.custom_tools,
            namespaces=talk.namespaces,
            dropped=dropped,
        )
        return Translated(dumps(made), dropped, context)

    def stream(self, context: Context) -> AnswerStream:
        """Return what translates the provider's stream."""
        return AnswerStream(
            WIRE_SIDES[self.wire].reader(), CLIENT_SIDES[self.client].writer(context)
        )

    def whole(self, body: bytes, context: Context) -> bytes:
        """Return the client's answer for the provider's whole one. Raises Untranslatable."""
        answer = fold(self._events(body))
        return dumps(CLIENT_SIDES[self.client].write_whole(answer, context))

    def whole_as_stream(self, body: bytes, context: Context) -> list[bytes]:
        """Return the stream that a client asked for where the provider gave a whole answer. Raises Untranslatable."""
        writer = CLIENT_SIDES[self.client].writer(context)
        return [b"".join(map(writer.write, self._events(body)))]

    def _events(self, body: bytes) -> list[Event]:
        try:
            events = WIRE_SIDES[self.wire].read_whole(dict_in(loads(body)))
        except UNREADABLE as error:
            raise Untranslatable(f"the answer is not JSON: {error}") from None
        return Sequencer().take(events)

    def error_body(self, status: int, body: bytes) -> bytes:
        """Return the provider's error as the client's dialect says it, with the provider's message."""
        return write_error(self.client, status, read_error(body))


def _object_of(body: bytes) -> dict[str, Any]:
    try:
        value = loads(body)
    except UNREADABLE as error:
        raise Refused(Fault.BAD_REQUEST, f"The request body is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise Refused(Fault.BAD_REQUEST, "The request body must be a JSON object.")
    return value


def _is_shown(client: str, reasoning: Reasoning | None) -> bool:
    """Say whether a client asked to read the thinking: Anthropic's do unless they say no, others say yes."""
    if reasoning is None:
        return False
    return reasoning.is_shown is not False if client == MESSAGES else reasoning.is_shown is True


_ALL = {
    (client, wire): Translation(client, wire)
    for client in CLIENTS
    for wire in WIRES
    if client != wire
}


def translation_between(client: str, wire: str) -> Translation | None:
    """Return the translation for a client's dialect and a provider's; None for one and the same, and unknown ones."""
    return _ALL.get((client, wire))
