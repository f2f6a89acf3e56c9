"""Readers beside the writer: what was committed is seen, whatever is being flushed, folded or tidied meanwhile."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.lake import activity, open_reader, open_writer
from core.lake.latch import Latch
from core.settings import Settings, load
from rules.activity_events import API_CALL, ActivityEvent

NOW = datetime(2026, 11, 21, 10, 20, 30, tzinfo=UTC)
ORG = "org_1"
BATCHES, BATCH = 14, 40


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return load({"LANGWATCH_DATA_DIR": str(tmp_path / "var"), "DATABASE_URL": database_url})


def event(number: int) -> ActivityEvent:
    at = NOW - timedelta(hours=1 + number % 200)
    return ActivityEvent(f"req_{number}", ORG, "gateway", "gateway", API_CALL, at, at, actor="ada")


def test_readers_never_miss_what_was_committed(settings: Settings) -> None:
    writer, reader = open_writer(settings), open_reader(settings)
    committed = [0]
    seen: list[tuple[int, int]] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                floor = committed[0]
                seen.append((floor, activity.summary(reader, ORG, NOW).calls))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(BATCHES):
        first = number * BATCH
        writer.append([event(n) for n in range(first, first + BATCH)], number, NOW)
        committed[0] = first + BATCH
        writer.compact_rollups()
        writer.flush()
        if number % 5 == 4:
            writer.tidy(datetime.now(UTC))
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [pair for pair in seen if pair[1] < pair[0]] == []
    assert activity.summary(reader, ORG, NOW).calls == BATCHES * BATCH
    reader.close()
    writer.close()


def test_a_flush_waits_for_readers_and_gives_way_when_they_take_too_long(tmp_path: Path) -> None:
    latch = Latch(tmp_path)
    with latch.shared(), latch.shared(), latch.alone(0.05) as may:
        assert not may
    with latch.alone(0.05) as may:
        assert may
    with latch.shared():
        pass


def test_a_new_reader_waits_for_the_flush_under_way(tmp_path: Path) -> None:
    latch = Latch(tmp_path)
    order: list[str] = []

    def read() -> None:
        with latch.shared():
            order.append("read")

    with latch.alone(1) as may:
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(0.2)
        assert may and reader.is_alive()
        order.append("flushed")
    reader.join()
    assert order == ["flushed", "read"]
