"""Activity to look at on a first evening: invented people, their calls and what their tools report.

It is thirty days, which the pages show, and the thirty before, which they compare with.

Everything goes the way real activity goes: calls are booked in the ledger and reach the inbox with it, telemetry is
put into the inbox as a receiver does, and the streamer moves both into the lake.
"""

from streamer.demo.fill import fill

__all__ = ["fill"]
