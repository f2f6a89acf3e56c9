"""The streamer: inbox to lake, anomaly rules, alerts, upkeep. Opens what the jobs need and stops them cleanly."""

import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core import process
from core.clock import utcnow
from core.database import database, migrate, open_database
from core.lake import LakeBusy, LakeReader, LakeWriter, open_reader, open_writer
from core.sealing import database_sealer
from core.secret_files import prepare_data_dir, with_control_plane_secrets
from core.secrets import Sealer
from core.settings import Settings
from streamer import anomalies, erasing, retention, upkeep
from streamer.alerts import delivery
from streamer.drain import check_watermark, drain
from streamer.exporters import sending
from streamer.heartbeat import Job
from streamer.schedule import Schedule

LOG = logging.getLogger(__name__)
EXIT_DRAINED, EXIT_FAILED = 0, 1
EVALUATE_RULES, EXPORT_SPANS = "evaluate_rules", "export_spans"
DELIVER_SECONDS = 1.0
EXPORT_SECONDS = 2.0
COMPACT_SECONDS = 600.0
MAINTAIN_SECONDS = 3600.0
PURGE_SECONDS = 300.0
RETENTION_SECONDS = 86_400.0
ERASE_SECONDS = 60.0
# After a restart the files are tidied soon, but not while the backlog is being drained.
UPKEEP_DELAY_SECONDS = 60.0
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Streamer:
    """What the jobs share."""

    settings: Settings
    writer: LakeWriter
    reader: LakeReader
    sealer: Sealer
    stopping: threading.Event


def run(settings: Settings) -> int:
    """Run until SIGTERM, SIGINT or the supervisor's end; return the exit code, 0 after a drain."""
    settings = with_control_plane_secrets(settings)
    prepare_data_dir(settings.data_dir)
    open_database(settings.control_database_url)
    migrate()
    try:
        with _opened(settings) as streamer, _stop_signals(streamer.stopping) as wakeup:
            return _serve(streamer, wakeup)
    except LakeBusy as busy:
        LOG.error("streamer_not_started", extra={"reason": str(busy)})
        return EXIT_FAILED
    finally:
        _close_database()


def jobs(streamer: Streamer, nudge: Callable[[str], None]) -> list[Job]:
    """Return every job of the streamer; ``nudge`` lets the job of that name run soon."""
    settings, writer = streamer.settings, streamer.writer

    def drain_inbox(now: datetime) -> Mapping[str, Any]:
        drained = drain(writer, now, streamer.stopping.is_set)
        if drained.events:
            nudge(EVALUATE_RULES)
        if drained.spans:
            nudge(EXPORT_SPANS)
        return drained.facts()

    def evaluate_rules(now: datetime) -> Mapping[str, Any]:
        return anomalies.evaluate_all(streamer.reader, streamer.sealer, now)

    def deliver_alerts(now: datetime) -> Mapping[str, Any]:
        outlet = delivery.Outlet(streamer.sealer, settings, streamer.stopping)
        return delivery.deliver_due(outlet, now)

    def purge_expired(now: datetime) -> Mapping[str, Any]:
        return upkeep.purge_expired(now, timedelta(days=settings.capture_days))

    def forget_expired(now: datetime) -> Mapping[str, Any]:
        keep_content = timedelta(days=settings.capture_days)
        return retention.forget_expired(writer, now, keep_content, streamer.stopping.is_set).facts()

    def erase_people(now: datetime) -> Mapping[str, Any]:
        return erasing.erase_waiting(writer, now, streamer.stopping.is_set)

    def export_spans(now: datetime) -> Mapping[str, Any]:
        exporter = sending.Exporter(streamer.sealer, settings, streamer.stopping)
        return sending.export_due(exporter, now)

    def compact_rollups(now: datetime) -> Mapping[str, Any]:
        return {"flushed": writer.flush(), "folded": writer.compact_rollups()}

    def maintain_lake(now: datetime) -> Mapping[str, Any]:
        flushed = writer.flush()
        writer.tidy(now)
        return {"flushed": flushed}

    delay = UPKEEP_DELAY_SECONDS
    return [
        Job("drain_inbox", settings.drain_tick_seconds, drain_inbox, is_vital=True),
        Job(EVALUATE_RULES, settings.evaluate_seconds, evaluate_rules),
        Job("deliver_alerts", DELIVER_SECONDS, deliver_alerts),
        Job(EXPORT_SPANS, EXPORT_SECONDS, export_spans),
        Job("purge_expired", PURGE_SECONDS, purge_expired),
        Job("erase_people", ERASE_SECONDS, erase_people),
        Job("forget_expired", RETENTION_SECONDS, forget_expired, 3 * delay),
        Job("compact_rollups", COMPACT_SECONDS, compact_rollups, delay),
        Job("maintain_lake", MAINTAIN_SECONDS, maintain_lake, 2 * delay),
    ]


@contextmanager
def _opened(settings: Settings) -> Iterator[Streamer]:
    writer = open_writer(settings)
    reader = open_reader(settings)
    try:
        check_watermark(writer, utcnow())
        sealer = database_sealer(settings)
        yield Streamer(settings, writer, reader, sealer, threading.Event())
    finally:
        reader.close()
        writer.close()


def _serve(streamer: Streamer, wakeup: int) -> int:
    schedule = Schedule()
    schedule.start(jobs(streamer, schedule.nudge))
    process.announce_ready()
    LOG.info("streamer_started", extra={"data_dir": str(streamer.settings.data_dir)})
    code = _wait(schedule, wakeup)
    LOG.info("streamer_draining")
    streamer.stopping.set()
    schedule.stop()
    LOG.info("streamer_stopped", extra={"exit_code": code})
    return code


def _wait(schedule: Schedule, wakeup: int) -> int:
    """Return when a signal arrives, the supervisor is gone, or a vital job can't be helped."""
    parent = process.parent_fd()
    watched = [wakeup] if parent is None else [wakeup, parent]
    while True:
        if select.select(watched, [], [], _LOOK_SECONDS)[0]:
            return EXIT_DRAINED
        failing = schedule.failing()
        if failing:
            LOG.error("streamer_gives_up", extra={"jobs": ", ".join(failing)})
            return EXIT_FAILED


@contextmanager
def _stop_signals(stopping: threading.Event) -> Iterator[int]:
    """Turn SIGTERM and SIGINT into a readable descriptor, and tell the jobs to come to an end."""
    reading, writing = os.pipe()

    def stop(_number: int, _frame: object) -> None:
        stopping.set()
        with suppress(OSError):
            os.write(writing, b"x")

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield reading
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _close_database() -> None:
    if not database.is_closed():
        database.close()
    close_all = getattr(database.obj, "close_all", None)
    if close_all is not None:
        close_all()
