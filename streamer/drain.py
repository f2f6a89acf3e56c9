"""Moves the inbox into the lake, in order, each row once: events, sums and watermark in one lake transaction.

A kill before the commit repeats the batch, one after it finds the watermark moved and only deletes.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from core.lake import LakeWriter, Unstorable
from core.models import InboxRow, inbox
from streamer.exporters.queueing import enqueue
from streamer.intake import Taken, set_aside, take

LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Drained:
    """What one drain moved."""

    rows: int = 0
    events: int = 0
    """Events that were new to the lake."""
    repeated: int = 0
    set_aside: int = 0
    rejected: int = 0
    spans: int = 0
    """Queued for the endpoints of tenants."""

    def facts(self) -> dict[str, int]:
        """Return the counts that are not zero, by name."""
        return {name: count for name, count in asdict(self).items() if count}


def drain(writer: LakeWriter, now: datetime, is_stopping: Callable[[], bool] = bool) -> Drained:
    """Drain until the inbox is empty or the program stops; return what was moved."""
    drained = Drained()
    first_id = inbox.first_id()
    if first_id is None:
        return drained
    watermark = writer.watermark()
    if first_id <= watermark:
        inbox.remove_through(watermark)
    while not is_stopping():
        rows = inbox.next_rows(watermark)
        if not rows:
            break
        drained.spans += enqueue(rows)
        _move(writer, rows, now, drained)
        watermark = rows[-1].id
    return drained


def check_watermark(writer: LakeWriter, now: datetime) -> None:
    """Start over when the lake remembers inbox rows that this control database never had.

    That happens when the control database was replaced and the lake kept; passing over its new rows
    until their ids catch up would lose them without a word.
    """
    watermark, last_id = writer.watermark(), inbox.last_id_given()
    if watermark > last_id:
        LOG.warning("inbox_started_over", extra={"watermark": watermark, "last_id": last_id})
        writer.append([], 0, now)


def _move(writer: LakeWriter, rows: Sequence[InboxRow], now: datetime, drained: Drained) -> None:
    taken = take(rows)
    try:
        added = writer.append(taken.events, rows[-1].id, now)
    except Unstorable as error:
        if len(rows) > 1:
            for row in rows:
                _move(writer, [row], now, drained)
            return
        taken = Taken()
        set_aside(rows[0], taken, str(error)[:200])
        added = writer.append([], rows[0].id, now)
    inbox.remove_through(rows[-1].id, taken.errors_by_source)
    drained.rows += len(rows)
    drained.events += added
    drained.repeated += len(taken.events) - added
    drained.set_aside += taken.set_aside
    drained.rejected += taken.rejected
