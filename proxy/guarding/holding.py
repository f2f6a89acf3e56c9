"""The events of one answer that wait for their texts to be judged, whatever frames them. Sends nothing."""

from proxy.guarding.events import Reader
from proxy.guarding.judge import Judge
from proxy.splice_at import Path
from rules.guardrails.hold_back import HoldBack, Released, TooMuchHeld
from rules.guardrails.texts import Unreadable

NOT_READABLE = "unreadable"


class Holding:
    """Holds events back and lets go what has been judged, in order.

    With an evaluator among the guardrails ``ask`` judges, else ``let_go`` does.
    """

    def __init__(self, judge: Judge, read: Reader) -> None:
        self.asks = judge.asks
        self.has_ended = False
        """Everything up to the end of the answer has been let go."""
        self._judge = judge
        self._read = read
        self._held: HoldBack[Path] = HoldBack(judge.window_characters, judge.overlap_characters)
        self._sees_end = False

    def add(self, event: bytes, data: bytes | None) -> None:
        """Take in an event, with the JSON in it if it holds any. Raises Refused."""
        if data is None or not data.strip():
            self._held.add_sign_of_life(event)
            return
        try:
            told = self._read(data)
            if told.is_sign_of_life:
                self._held.add_sign_of_life(event)
            else:
                self._held.add(event, told.pieces)
        except Unreadable:
            self._judge.unreadable(NOT_READABLE)
            self._held.add(event)
            return
        except TooMuchHeld:
            raise self._judge.too_large() from None
        if told.closes_all:
            self._held.close_all()
        for channel in told.closes:
            self._held.close(channel)
        self._sees_end = self._sees_end or told.is_end

    def end(self) -> None:
        """Say that nothing follows."""
        self._held.close_all()
        self._sees_end = True

    def let_go(self) -> list[Released[Path]]:
        """Judge what has come and return what may go. Raises Refused."""
        for window in self._held.due():
            self._held.judged(window, self._judge.window(window))
        return self._released()

    async def ask(self) -> list[Released[Path]]:
        """The same, asking evaluators. Raises Refused."""
        for window in self._held.due():
            self._held.judged(window, await self._judge.window_asked(window))
        return self._released()

    def _released(self) -> list[Released[Path]]:
        released = self._held.release()
        self.has_ended = self._sees_end and self._held.is_empty
        if self.has_ended:
            self._judge.conclude()
        return released
