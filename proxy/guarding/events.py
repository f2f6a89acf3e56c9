"""Finds the texts in the events of a stream: which of them go on one from another, and when they are complete.

One reader a dialect. What a reader does not know by its form is looked at as a text that stands alone.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

from proxy.splice_at import Path
from rules.guardrails.hold_back import Piece
from rules.guardrails.texts import ANSWER_PLACES, Text, leaves, parsed

Pieces = list[Piece[Path]]
_ARGUMENTS = ("arguments", "input", "partial_json")


class Told(NamedTuple):
    """What one event says: its texts, which channels it completes, and whether it ends the stream.

    ``closes`` names channels, or what several of them begin with.
    """

    pieces: Pieces
    closes: tuple[Hashable, ...] = ()
    closes_all: bool = False
    is_end: bool = False
    is_sign_of_life: bool = False
    """It keeps the connection from looking dead, and says nothing else."""


NOTHING = Told([])
SIGN_OF_LIFE = Told([], is_sign_of_life=True)
Reader = Callable[[bytes], Told]
"""Takes the data of one event. Raises Unreadable when it is not JSON."""


def reader_for(dialect: str) -> Reader:
    """Return the reader of a dialect by its name."""
    return _READERS.get(dialect, read_unknown)


def _alone(value: Any, path: Path, is_signed: bool = False) -> Pieces:
    return [_piece(text) for text in leaves(value, path, is_signed=is_signed)]


def _piece(text: Text) -> Piece[Path]:
    return Piece(text.text, text.path, is_signed=text.is_signed)


def _going_on(value: Any, path: Path, index: Any) -> Pieces:
    """Return the texts of what is not known by its form; each goes on from the one in its place of the event before."""
    return [
        Piece(
            text.text,
            text.path,
            (index, *text.path[len(path) - 1 :]),
            is_signed=text.is_signed,
            is_aside=True,
        )
        for text in leaves(value, path)
    ]


def read_chat(data: bytes) -> Told:
    """Read a chunk of OpenAI chat completions, or of completions."""
    if data.strip() == b"[DONE]":
        return Told([], closes_all=True, is_end=True)
    chunk = parsed(data)
    pieces: Pieces = []
    closes: list[Hashable] = []
    for number, choice in enumerate(_list(chunk, "choices")):
        if not isinstance(choice, dict):
            continue
        index, at = choice.get("index", number), ("choices", number)
        if isinstance(choice.get("text"), str):
            pieces.append(Piece(choice["text"], (*at, "text"), (index, "text")))
        delta = choice.get("delta")
        if isinstance(delta, dict):
            pieces += _chat_delta(delta, index, (*at, "delta"))
        pieces += _alone(choice.get("message"), (*at, "message"))
        if choice.get("finish_reason") is not None:
            closes.append(index)
    return Told(pieces, tuple(closes))


def _chat_delta(delta: dict[str, Any], index: Any, at: Path) -> Pieces:
    pieces: Pieces = []
    for name, value in delta.items():
        if name in ("role", "id", "name", "type"):
            continue
        if isinstance(value, str):
            pieces.append(Piece(value, (*at, name), (index, name)))
        elif name == "tool_calls" and isinstance(value, list):
            for number, call in enumerate(value):
                pieces += _tool_call(call, index, (*at, name, number))
        elif name == "function_call":
            pieces += _tool_call({"function": value}, index, (*at,), "function_call")
        else:
            pieces += _going_on(value, (*at, name), index)
    return pieces


def _tool_call(call: Any, index: Any, at: Path, member: str = "function") -> Pieces:
    if not isinstance(call, dict):
        return []
    pieces: Pieces = []
    for kind, name in (("function", "arguments"), ("custom", "input")):
        inner = call.get(kind)
        text = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(text, str):
            channel = (index, "call", call.get("index"))
            place = member if kind == "function" else kind
            pieces.append(Piece(text, (*at, place, name), channel, is_judged_whole=True))
    return pieces


def read_messages(data: bytes) -> Told:
    """Read an event of Anthropic's messages."""
    event = parsed(data)
    kind, index = _get(event, "type"), _get(event, "index")
    if kind == "content_block_delta":
        return Told(_block_delta(event.get("delta"), index))
    if kind == "content_block_start":
        return Told(_block_start(event.get("content_block"), index))
    if kind == "content_block_stop":
        return Told([], (index,))
    if kind == "message_stop":
        return Told([], closes_all=True, is_end=True)
    if kind == "ping":
        return SIGN_OF_LIFE
    if kind == "message_start":
        return Told(_alone(_get(event.get("message"), "content"), ("message", "content")))
    return NOTHING


def _block_start(block: Any, index: Any) -> Pieces:
    pieces: Pieces = []
    for text in leaves(block, ("content_block",)):
        path, name = text.path, text.path[-1]
        # A text that has begun goes on in the deltas that follow.
        channel = (index, name) if len(path) == 2 and name in ("text", "thinking") else None
        pieces.append(Piece(text.text, path, channel, is_signed=name == "thinking"))
    return pieces


def _block_delta(delta: Any, index: Any) -> Pieces:
    pieces: Pieces = []
    for name, value in delta.items() if isinstance(delta, dict) else ():
        if name in ("type", "signature"):
            continue
        if isinstance(value, str):
            pieces.append(
                Piece(
                    value,
                    ("delta", name),
                    (index, name),
                    is_judged_whole=name in _ARGUMENTS,
                    is_signed=name == "thinking",
                )
            )
        else:
            pieces += _alone(value, ("delta", name))
    return pieces


_RESPONSE_ENDS = frozenset({"response.completed", "response.failed", "response.incomplete"})


def read_responses(data: bytes) -> Told:
    """Read an event of OpenAI's responses."""
    event = parsed(data)
    kind = _get(event, "type")
    if not isinstance(kind, str):
        return Told(_known(event))
    if kind == "keepalive":
        texts = _known(event)
        return Told(texts, is_sign_of_life=not texts)
    channel = (event.get("item_id"), event.get("output_index"), _part(event), kind)
    if kind.endswith(".delta") and isinstance(event.get("delta"), str):
        is_whole = any(word in kind for word in _ARGUMENTS)
        return Told([Piece(event["delta"], ("delta",), channel, is_judged_whole=is_whole)])
    if kind.endswith(".done"):
        complete = (*channel[:3], kind.removesuffix("done") + "delta")
        closes: tuple[Hashable, ...] = (complete,)
        if kind == "response.output_item.done":
            closes = (_get(event.get("item"), "id"),)
        return Told(_known(event), closes)
    if kind in _RESPONSE_ENDS:
        output = _alone(_get(event.get("response"), "output"), ("response", "output"))
        return Told(output, closes_all=True, is_end=True)
    return Told(_known(event))


def _part(event: Mapping[str, Any]) -> Any:
    return event.get("content_index", event.get("summary_index"))


def _known(event: Any) -> Pieces:
    """Return the texts under the members that hold any; a response under way repeats the request's."""
    if not isinstance(event, dict):
        return []
    return [
        piece
        for name, value in event.items()
        if name in ANSWER_PLACES or name in ("code", "input", "annotation", "transcript")
        for piece in _alone(value, (name,))
    ]


_GEMINI_BESIDE = ("groundingMetadata", "citationMetadata", "urlContextMetadata", "finishMessage")


def read_gemini(data: bytes) -> Told:
    """Read a chunk of Gemini's."""
    chunk = parsed(data)
    pieces: Pieces = []
    closes: list[Hashable] = []
    for number, candidate in enumerate(_list(chunk, "candidates")):
        index = _get(candidate, "index") or 0
        at: Path = ("candidates", number, "content", "parts")
        for place, part in enumerate(_list(_get(candidate, "content"), "parts")):
            text = _get(part, "text")
            if isinstance(text, str):
                channel = (index, "thought" if part.get("thought") else "text")
                pieces.append(Piece(text, (*at, place, "text"), channel))
                part = {name: value for name, value in part.items() if name != "text"}
            pieces += _alone(part, (*at, place))
        for name in _GEMINI_BESIDE:
            pieces += _alone(_get(candidate, name), ("candidates", number, name))
        if _get(candidate, "finishReason") is not None:
            closes.append(index)
    return Told(pieces, tuple(closes))


def read_unknown(data: bytes) -> Told:
    """Read an event of a dialect without a reader: each of its texts stands alone."""
    if data.strip() == b"[DONE]":
        return Told([], closes_all=True, is_end=True)
    return Told(_known(parsed(data)))


_READERS: Mapping[str, Reader] = {
    "openai_chat": read_chat,
    "openai_completions": read_chat,
    "anthropic_messages": read_messages,
    "openai_responses": read_responses,
    "gemini": read_gemini,
}


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: Any, name: str) -> list[Any]:
    found = _get(value, name)
    return found if isinstance(found, list) else []
