"""The ledger export over a real database and real spool files, without any program running."""

import csv
import fcntl
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from cli.ledger.rows import PAGE_ROWS, Question, exported, load_names
from cli.ledger.spool import Unshipped, read_spool
from cli.main import langwatch
from core.clock import to_ms
from core.database import database
from core.models import VirtualKey
from core.models.bookkeeping import record

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
LONGEST = timedelta(hours=1)


def admission(number: int, age: timedelta = timedelta(minutes=5), **more: Any) -> dict[str, Any]:
    payload = {
        "call_id": f"req_{number:030x}",
        "admitted_at_ms": to_ms(NOW - age) + number,
        "organization_id": "org_1",
        "project_id": "project_1",
        "team_id": "team_1",
        "virtual_key_id": "vk_1",
        "principal_user_id": None,
        "provider_id": "provider_1",
        "provider_type": "openai",
        "request_type": "chat",
        "model": "gpt-5",
        "requested_model": "gpt-5",
        "is_streamed": True,
        "estimate_nanousd": 900,
        "price_source": "list",
        "charges": [],
        "trace_id": "t" * 32,
        "span_id": "s" * 16,
        "parent_span_id": "",
        "session_id": "",
        "worker": "epoch1",
    }
    return {"command": "admitSpend", "payload": payload | more}


def settlement(number: int, **more: Any) -> dict[str, Any]:
    payload = {
        "call_id": f"req_{number:030x}",
        "settled_at_ms": to_ms(NOW),
        "outcome": "completed",
        "code": "",
        "status": 200,
        "model": "gpt-5-2026",
        "duration_ms": 12,
        "first_byte_ms": 3,
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_tokens": 2,
        "cache_write_tokens": 0,
        "cache_write_1h_tokens": 0,
        "cost_nanousd": 321,
        "is_estimated": False,
        "price_source": "list",
        "usage_raw": {"prompt_tokens": 12},
        "charges": [],
        "owner": "epoch1",
    }
    return {"command": "confirmSpend", "payload": payload | more}


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    directory = tmp_path / "spool"
    directory.mkdir()
    return directory


@pytest.fixture
def connected(db: str) -> Iterator[str]:
    with database.connection_context():
        yield db


def write(spool: Path, *commands: dict[str, Any], epoch: str = "epoch1") -> None:
    lines = b"".join(orjson.dumps(command) + b"\n" for command in commands)
    (spool / f"{epoch}.000001.jsonl").write_bytes(lines)


def rows(unshipped: Unshipped, since: datetime = NOW - timedelta(days=1)) -> list[dict[str, Any]]:
    return list(exported(Question(since, NOW, LONGEST), unshipped, load_names()))


def test_shows_one_row_a_call_with_names_and_tokens(connected: str, spool: Path) -> None:
    VirtualKey.create(
        id="vk_1",
        organization_id="org_1",
        project_id="project_1",
        name="dev-cli",
        secret_hash="h",
        display_prefix="p",
        created_at=NOW,
        updated_at=NOW,
    )
    record([admission(1), settlement(1)], NOW)
    (row,) = rows(read_spool(spool))
    assert row["virtual_key"] == "dev-cli"
    assert row["project"] == "project_1"
    assert (row["outcome"], row["cost_nanousd"], row["cost_basis"]) == (
        "completed",
        321,
        "measured",
    )
    assert (row["input_tokens"], row["output_tokens"], row["cache_read_tokens"]) == (10, 5, 2)
    assert row["settled_at"] == "2026-11-02T12:00:00.000Z"
    assert row["model"] == "gpt-5-2026"


def test_a_settlement_that_is_not_shipped_completes_the_row(connected: str, spool: Path) -> None:
    record([admission(1)], NOW)
    write(spool, settlement(1))
    (row,) = rows(read_spool(spool))
    assert (row["outcome"], row["cost_nanousd"]) == ("completed", 321)


def test_calls_known_to_the_spool_alone_are_shown_in_their_place(
    connected: str, spool: Path
) -> None:
    record([admission(1), settlement(1), admission(3), settlement(3)], NOW)
    refused = settlement(4, outcome="refused", code="budget_exceeded", status=402, cost_nanousd=0)
    refused["payload"]["admission"] = admission(4)["payload"]
    write(spool, admission(2), settlement(2), refused)
    found = rows(read_spool(spool))
    assert [int(row["call_id"][4:], 16) for row in found] == [1, 2, 3, 4]
    assert found[3]["code"] == "budget_exceeded"


def test_what_was_shipped_and_still_lies_in_the_spool_is_shown_once(
    connected: str, spool: Path
) -> None:
    commands = [admission(1), settlement(1)]
    record(commands, NOW)
    write(spool, *commands)
    assert len(rows(read_spool(spool))) == 1


def test_a_call_of_a_dead_worker_is_unsettled_at_its_estimate(connected: str, spool: Path) -> None:
    record([admission(1)], NOW)
    write(spool, admission(1), admission(2))
    found = rows(read_spool(spool))
    assert [row["outcome"] for row in found] == ["unsettled", "unsettled"]
    assert {(row["cost_nanousd"], row["cost_basis"]) for row in found} == {(900, "estimated")}


def test_a_call_that_still_runs_is_left_out(connected: str, spool: Path) -> None:
    record([admission(1)], NOW)
    write(spool, admission(1), admission(2))
    lock = os.open(spool / "epoch1.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        assert rows(read_spool(spool)) == []
    finally:
        os.close(lock)


def test_a_call_of_another_machine_runs_until_no_call_can(connected: str, spool: Path) -> None:
    record([admission(1), admission(2, age=timedelta(hours=2))], NOW)
    found = rows(read_spool(spool))
    assert [int(row["call_id"][4:], 16) for row in found] == [2]


def test_half_a_line_at_the_end_of_a_spool_file_is_ignored(connected: str, spool: Path) -> None:
    write(spool, admission(1))
    with (spool / "epoch1.000001.jsonl").open("ab") as file:
        file.write(orjson.dumps(settlement(1))[:40])
    (row,) = rows(read_spool(spool))
    assert row["outcome"] == "unsettled"


def test_many_pages_come_in_order_and_without_a_gap(sqlite_db: str) -> None:
    count = PAGE_ROWS * 2 + 7
    with database.connection_context():
        commands = [
            c
            for n in range(count)
            for c in (admission(n // 3 * 3, call_id=f"req_{n:030x}"), settlement(n))
        ]
        record(commands, NOW)
        found = rows(Unshipped())
    assert [row["call_id"] for row in found] == sorted(row["call_id"] for row in found)
    assert len({row["call_id"] for row in found}) == count


def test_the_command_prints_csv_that_a_spreadsheet_cannot_run(
    tmp_path: Path, sqlite_db: str
) -> None:
    with database.connection_context():
        record([admission(1), settlement(1, model="=cmd|' /C calc'!A0")], NOW)
    args = ["ledger", "export", "--format", "csv", "--data-dir", str(tmp_path)]
    result = CliRunner().invoke(langwatch, args)
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert row["model"].startswith("'=cmd")
    assert row["cost_nanousd"] == "321"


def test_since_leaves_out_older_calls(tmp_path: Path, sqlite_db: str) -> None:
    with database.connection_context():
        record(
            [admission(1, age=timedelta(days=3)), settlement(1), admission(2), settlement(2)], NOW
        )
    args = ["ledger", "export", "--since", "2026-11-01", "--data-dir", str(tmp_path)]
    result = CliRunner().invoke(langwatch, args)
    lines = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert [line["call_id"] for line in lines] == [f"req_{2:030x}"]


def test_a_directory_without_a_ledger_is_named(tmp_path: Path) -> None:
    args = ["ledger", "export", "--data-dir", str(tmp_path / "nothing")]
    result = CliRunner().invoke(langwatch, args)
    assert "There is no ledger" in str(result.exception)
