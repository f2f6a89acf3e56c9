"""Holds a stream back until its text is judged, and lets go of it as early as that allows. Judges nothing.

Text is judged in windows. Of a judged window all but the last part, the overlap, is let go: whatever is no
longer than the overlap has then been seen whole before the first character of it is sent. What matches up
to the end of what has come is held from its beginning on, however long it gets.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from rules.guardrails.matches import Match, merged

MOST_HELD_CHARACTERS = 256 * 1024
_Path = TypeVar("_Path", bound=Hashable)


class Piece(NamedTuple, Generic[_Path]):
    """A text within one event. Pieces of one channel follow each other; without a channel it stands alone."""

    text: str
    path: _Path
    """Where it stands in the event."""
    channel: Hashable | None = None
    is_judged_whole: bool = False
    """The channel is judged once, when it is closed: arguments of a tool make no sense in parts."""
    is_signed: bool = False
    """The provider signed the text, so it can't be changed without being refused later."""
    is_aside: bool = False
    """It may come in between a text and what goes on from it."""


@dataclass(slots=True, eq=False)
class _Channel:
    text: str = ""
    """What has come, from ``start`` on, without ``parts``."""
    parts: list[str] = field(default_factory=list)
    """What came since the last window."""
    start: int = 0
    end: int = 0
    safe: int = 0
    """Up to here all may go."""
    judged: int = 0
    is_judged_whole: bool = False
    is_closed: bool = False
    is_paused: bool = False
    """Another channel is written now: what has come is judged as it is, and is context of what may still come."""
    is_signed: bool = False
    matches: list[Match] = field(default_factory=list)
    """What is to be replaced before ``safe``."""


class Window(NamedTuple):
    """A text to be judged: ``text[context:]`` is new, what is before it has been judged already."""

    text: str
    context: int
    before: int
    """How many characters of the channel came before the text."""
    is_signed: bool
    channel: _Channel


class Released(NamedTuple, Generic[_Path]):
    """An event that may go, and the texts in it that change."""

    event: bytes
    changes: dict[_Path, str]


class TooMuchHeld(Exception):
    """More text waits than is kept for a stream."""


class _Entry(NamedTuple, Generic[_Path]):
    channel: _Channel
    start: int
    text: str
    path: _Path

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(slots=True, eq=False)
class _Waiting(Generic[_Path]):
    event: bytes
    entries: list[_Entry[_Path]]
    is_sign_of_life: bool = False


class HoldBack(Generic[_Path]):
    """The events of one stream that wait. Order is kept: only a sign of life passes what waits before it."""

    def __init__(self, window_characters: int, overlap_characters: int) -> None:
        self._window = window_characters
        self._overlap = min(overlap_characters, window_characters)
        self._events: deque[_Waiting[_Path]] = deque()
        self._has_signs = False
        self._channels: dict[Hashable, _Channel] = {}
        self._alone: list[_Channel] = []

    @property
    def is_empty(self) -> bool:
        """Nothing waits."""
        return not self._events

    def add_sign_of_life(self, event: bytes) -> None:
        """Take in an event that says no more than that the stream goes on: it need not wait behind others."""
        self._events.append(_Waiting(event, [], is_sign_of_life=True))
        self._has_signs = True

    def add(self, event: bytes, pieces: Sequence[Piece[_Path]] = ()) -> None:
        """Take in an event with the texts in it. Raises TooMuchHeld."""
        entries = []
        for piece in pieces:
            channel = self._channel(piece)
            entries.append(_Entry(channel, channel.end, piece.text, piece.path))
            channel.parts.append(piece.text)
            channel.end += len(piece.text)
            if channel.end - channel.safe > MOST_HELD_CHARACTERS:
                raise TooMuchHeld
        self._events.append(_Waiting(event, entries))
        if len(self._channels) > 1:
            self._pause(pieces)

    def _pause(self, pieces: Sequence[Piece[_Path]]) -> None:
        """Pause what a choice or a part was writing before, when it goes on with something else."""
        written = {p.channel: p.is_aside for p in pieces if p.channel is not None and p.text}
        writers = {
            name[0] for name, aside in written.items() if isinstance(name, tuple) and not aside
        }
        for name, channel in self._channels.items():
            if name not in written and isinstance(name, tuple) and name[0] in writers:
                channel.is_paused = not channel.is_judged_whole and channel.safe < channel.end

    def _channel(self, piece: Piece[_Path]) -> _Channel:
        if piece.channel is None:
            channel = _Channel(is_closed=True, is_signed=piece.is_signed)
            self._alone.append(channel)
            return channel
        found = self._channels.get(piece.channel)
        if found is None:
            found = self._channels[piece.channel] = _Channel(
                is_judged_whole=piece.is_judged_whole, is_signed=piece.is_signed
            )
        return found

    def close(self, name: Hashable) -> None:
        """Say that a channel is complete, or every channel whose name is a tuple that begins with this."""
        for channel in list(self._channels):
            if channel == name or (isinstance(channel, tuple) and channel[0] == name):
                self._close(channel)

    def close_all(self) -> None:
        """Say that every channel is complete."""
        for channel in list(self._channels):
            self._close(channel)

    def _close(self, name: Hashable) -> None:
        channel = self._channels.pop(name)
        channel.is_closed = True
        self._alone.append(channel)

    def due(self) -> list[Window]:
        """Return what is to be judged now; each must be given to ``judged`` before more is added."""
        windows = []
        for channel in self._alone:
            if channel.end > channel.judged or channel.safe < channel.end:
                windows.append(self._window_of(channel))
        self._alone.clear()
        step = max(self._window - self._overlap, 1)
        for channel in self._channels.values():
            waits = channel.end - channel.safe
            is_due = waits >= self._window and channel.end - channel.judged >= step
            if channel.is_paused or (is_due and not channel.is_judged_whole):
                windows.append(self._window_of(channel))
        return windows

    def _window_of(self, channel: _Channel) -> Window:
        keep = max(channel.safe - self._overlap, channel.start)
        channel.text = (channel.text + "".join(channel.parts))[keep - channel.start :]
        channel.parts.clear()
        channel.start = keep
        return Window(channel.text, channel.safe - keep, keep, channel.is_signed, channel)

    def judged(self, window: Window, matches: Sequence[Match]) -> None:
        """Say what is to be replaced in a window; ``matches`` are positions in its text."""
        channel = window.channel
        shift, old = window.before, channel.safe
        end = channel.end
        found = [
            m._replace(start=max(m.start + shift, old), end=m.end + shift)
            for m in merged(matches)
            if m.end + shift > old
        ]
        safe = end
        if channel.is_paused:
            channel.is_paused = False
        elif not channel.is_closed:
            safe = max(end - self._overlap, old)
            for match in reversed(found):
                # What reaches the end may go on, and what is let go must not end within a match.
                if match.end >= end or match.start < safe < match.end:
                    safe = min(safe, match.start)
        channel.matches += [m for m in found if m.start < safe]
        channel.safe, channel.judged = safe, end

    def release(self) -> list[Released[_Path]]:
        """Return the events that may go, in order, each once; behind them signs of life among those that wait."""
        released = []
        while self._events:
            first = self._events[0]
            if any(entry.end > entry.channel.safe for entry in first.entries):
                break
            self._events.popleft()
            released.append(Released(first.event, dict(_changes(first.entries))))
        if self._has_signs:
            signs = [waiting for waiting in self._events if waiting.is_sign_of_life]
            for sign in signs:
                self._events.remove(sign)
                released.append(Released(sign.event, {}))
            self._has_signs = False
        return released


def _changes(entries: Sequence[_Entry[_Path]]) -> list[tuple[_Path, str]]:
    changes = []
    for entry in entries:
        touching = [m for m in entry.channel.matches if m.start < entry.end and m.end > entry.start]
        if touching:
            changes.append((entry.path, _changed(entry, touching)))
    return changes


def _changed(entry: _Entry[_Path], matches: Sequence[Match]) -> str:
    """Return a piece without its part of each match; the mark goes into the piece where a match begins."""
    text, start = entry.text, entry.start
    pieces: list[str] = []
    kept = 0
    for match in matches:
        if match.start >= start:
            pieces += (text[kept : match.start - start], match.mark)
        kept = min(match.end - start, len(text))
    pieces.append(text[kept:])
    return "".join(pieces)
