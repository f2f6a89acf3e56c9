"""Fills an installation with the demo. Filling twice adds nothing: calls and spans keep their ids.

The lake is filled by the streamer when it runs; this only books and queues.
"""

import logging
from datetime import UTC, datetime, time, timedelta

from core.database import connection, migrate, open_database, serialise_inbox, transaction
from core.models import InboxRow, IngestionSource, bookkeeping
from core.sealing import database_sealer
from core.secret_files import prepare_data_dir, with_control_plane_secrets
from core.settings import Settings
from streamer.demo import calls, governing, telemetry
from streamer.demo.cast import DAYS
from streamer.demo.entities import AGENTS, WORKFLOWS, Seal, World, make

LOG = logging.getLogger(__name__)
COMMANDS_AT_ONCE = 2000
_REPORT_EVERY_DAYS = 15


def fill(settings: Settings, now: datetime) -> None:
    """Invent activity up to ``now`` and hand it to the ledger and the inbox.

    It is thirty days to look at, and the thirty before to compare them with.
    """
    settings = with_control_plane_secrets(settings)
    prepare_data_dir(settings.data_dir)
    open_database(settings.control_database_url)
    migrate()
    with connection():
        seal = Seal(settings.pepper, database_sealer(settings))
        world = make(seal, now)
        governing.make(world, seal, now)
        _queue_telemetry(world, now)
        booked = 0
        for days_ago in range(DAYS, -1, -1):
            booked += _book_day(world, days_ago, now)
            if days_ago % _REPORT_EVERY_DAYS == 0:
                done = f"{round(100 * (DAYS - days_ago) / DAYS)} %"
                LOG.info("demo_filling", extra={"done": done, "new_calls": booked})


def _book_day(world: World, days_ago: int, now: datetime) -> int:
    commands = calls.commands(world, days_ago, _midnight(now, days_ago), now)
    settled = 0
    for first in range(0, len(commands), COMMANDS_AT_ONCE):
        batch = commands[first : first + COMMANDS_AT_ONCE]
        settled += bookkeeping.record(batch, now).settled
    return settled


def _queue_telemetry(world: World, now: datetime) -> None:
    """Queue both sources' sixty days in one transaction, in which the sources also become active."""
    agents, workflows = world.sources[AGENTS], world.sources[WORKFLOWS]
    with transaction():
        if IngestionSource.get_by_id(agents).status == "active":
            return
        serialise_inbox()
        for days_ago in range(DAYS, -1, -1):
            midnight = _midnight(now, days_ago)
            body = telemetry.spans_body(days_ago, midnight, now)
            if body is not None:
                _queue(world, agents, "otlp_traces", body, now)
            for received_at, body in telemetry.webhook_bodies(days_ago, midnight, now):
                _queue(world, workflows, "webhook", body, received_at)
        IngestionSource.update(status="active", last_event_at=now, updated_at=now).where(
            IngestionSource.id.in_([agents, workflows])
        ).execute()


def _queue(world: World, source_id: str, kind: str, payload: bytes, received_at: datetime) -> None:
    InboxRow.create(
        kind=kind,
        organization_id=world.organization_id,
        source_id=source_id,
        content_type="application/json",
        payload=payload,
        received_at=received_at,
    )


def _midnight(now: datetime, days_ago: int) -> datetime:
    return datetime.combine(now.date(), time(), UTC) - timedelta(days=days_ago)
