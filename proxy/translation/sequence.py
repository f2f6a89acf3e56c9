"""Puts the events of any provider into the one order that all writers rely on, and folds them into an answer.

The order: ``Start``; blocks, each opened by its first delta or by ``ToolStart`` and closed by ``BlockEnd``;
``Stop``; ``Tokens``; ``Done``. Token counts told before the first block pass early, as they come.
"""

from dataclasses import replace

from proxy.translation.neutral import (
    Answer,
    ArgumentsDelta,
    BlockEnd,
    Done,
    Event,
    Failure,
    Logprob,
    Logprobs,
    Part,
    Refusal,
    RefusalDelta,
    Sealed,
    Start,
    Stop,
    StopReason,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tokens,
    ToolStart,
    ToolUse,
)

_DELTAS: dict[type, str] = {
    TextDelta: "text",
    RefusalDelta: "refusal",
    ThinkingDelta: "thinking",
    Sealed: "thinking",
    ArgumentsDelta: "tool",
}


class Sequencer:
    """Takes the events of one answer as they come; returns them in order, what is missing added."""

    def __init__(self) -> None:
        self._has_started = False
        self._open = ""
        self._has_arguments = False
        self._has_called = False
        self._has_told = False
        self._stop: Stop | None = None
        self._tokens: Tokens | None = None
        self.is_over = False
        """``Done`` or ``Failure`` has been returned; nothing follows."""

    def take(self, events: list[Event]) -> list[Event]:
        """Return what the writer may write now."""
        made: list[Event] = []
        for event in events:
            if self.is_over:
                break
            self._one(event, made)
        return made

    def _one(self, event: Event, made: list[Event]) -> None:
        if not self._has_started:
            self._has_started = True
            made.append(event if isinstance(event, Start) else Start())
        if isinstance(event, Tokens):
            self._tokens = event
            if not self._has_told:
                made.append(event)
        elif isinstance(event, Stop):
            self._stop = event
        elif isinstance(event, BlockEnd):
            self._close(made)
        elif isinstance(event, ToolStart):
            self._close(made)
            self._open, self._has_arguments = "tool", False
            self._has_called = self._has_told = True
            made.append(event)
        elif isinstance(event, Logprobs):
            made.append(event)
        elif isinstance(event, Failure):
            self._close(made)
            self.is_over = True
            made.append(event)
        elif isinstance(event, Done):
            self._end(made)
        elif not isinstance(event, Start):
            self._delta(event, made)

    def _delta(self, event: Event, made: list[Event]) -> None:
        if isinstance(event, Sealed):
            if event.seal.is_whole:
                self._close(made)
        elif not event.text:  # type: ignore[union-attr]
            return
        kind = _DELTAS[type(event)]
        if self._open != kind:
            self._close(made)
            self._open = kind
            if kind == "tool":
                self._has_called = True
                made.append(ToolStart("", "unknown"))
        self._has_told = True
        self._has_arguments = self._has_arguments or kind == "tool"
        made.append(event)
        if isinstance(event, Sealed):
            self._close(made)

    def _close(self, made: list[Event]) -> None:
        if not self._open:
            return
        if self._open == "tool" and not self._has_arguments:
            made.append(ArgumentsDelta("{}"))
        made.append(BlockEnd())
        self._open = ""

    def _end(self, made: list[Event]) -> None:
        self._close(made)
        self.is_over = True
        # An answer that stops without a word was cut off.
        stop = self._stop or Stop(StopReason.LENGTH)
        if self._has_called and stop.reason is StopReason.END:
            stop = replace(stop, reason=StopReason.TOOLS)
        made.append(stop)
        if self._tokens is not None:
            made.append(self._tokens)
        made.append(Done())


def fold(events: list[Event]) -> Answer:
    """Return the whole answer that ordered events tell."""
    answer = Answer()
    parts: list[Part] = []
    logprobs: list[Logprob] = []
    current: Part | None = None
    for event in events:
        if isinstance(event, Start):
            answer = replace(answer, id=event.id, model=event.model)
        elif isinstance(event, Stop):
            answer = replace(answer, stop=event)
        elif isinstance(event, Tokens):
            answer = replace(answer, tokens=event)
        elif isinstance(event, Logprobs):
            logprobs += event.items
        elif isinstance(event, BlockEnd):
            if current is not None:
                parts.append(current)
            current = None
        else:
            current = grown(current, event)
    return replace(answer, parts=tuple(parts), logprobs=tuple(logprobs))


def grown(part: Part | None, event: Event) -> Part | None:
    """Return the block under way with one more event of it; the first event makes the block."""
    if isinstance(event, TextDelta):
        return Text((part.text if isinstance(part, Text) else "") + event.text)
    if isinstance(event, RefusalDelta):
        return Refusal((part.text if isinstance(part, Refusal) else "") + event.text)
    if isinstance(event, ThinkingDelta):
        old = part if isinstance(part, Thinking) else Thinking("")
        return replace(old, text=old.text + event.text)
    if isinstance(event, Sealed):
        return replace(part if isinstance(part, Thinking) else Thinking(""), seal=event.seal)
    if isinstance(event, ToolStart):
        return ToolUse(event.id, event.name, "", event.seal)
    if isinstance(event, ArgumentsDelta) and isinstance(part, ToolUse):
        return replace(part, arguments=part.arguments + event.text)
    return part
