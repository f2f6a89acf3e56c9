"""Lets events of a WebSocket pass only as far as guardrails have judged their texts. Frames nothing itself."""

from proxy.guarding.events import Reader
from proxy.guarding.holding import Holding
from proxy.guarding.judge import Judge
from proxy.guarding.texts import with_texts


class FrameGuard:
    """Holds the events of one answer back until their texts are judged."""

    def __init__(self, judge: Judge, read: Reader) -> None:
        self._held = Holding(judge, read)

    async def take(self, event: bytes, *, is_last: bool) -> list[bytes]:
        """Return the events that may go, this one among them or not; after the last all may. Raises Refused."""
        self._held.add(event, event)
        if is_last:
            self._held.end()
        released = await self._held.ask() if self._held.asks else self._held.let_go()
        return [
            with_texts(one.event, one.changes) if one.changes else one.event for one in released
        ]
