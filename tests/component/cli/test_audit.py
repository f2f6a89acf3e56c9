"""`langwatch audit`: a chain that holds, one that was altered, one whose end was cut off, and the rows as files."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from cli.main import langwatch
from core import audit
from core.authoring import organizations, teams
from core.authoring.actor import system
from core.database import database, migrate, open_database, transaction
from core.models import AuditRow
from tests.databases import close_database

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory with two organizations and a few changes in each."""
    open_database(f"sqlite:///{tmp_path / 'control.db'}")
    migrate()
    for slug in ("acme", "globex"):
        actor = system(organizations.create(slug.capitalize(), slug, NOW).id)
        for number in range(3):
            teams.create(actor, f"Team {number}", f"team-{number}", NOW)
    yield tmp_path
    close_database()


def run(data_dir: Path, *arguments: str) -> Result:
    """Run `langwatch audit …` on the data directory."""
    close_database()
    result = CliRunner().invoke(langwatch, ["audit", *arguments, "--data-dir", str(data_dir)])
    open_database(f"sqlite:///{data_dir / 'control.db'}")
    return result


def test_a_whole_chain_is_confirmed_with_its_newest_hash(data_dir: Path) -> None:
    newest = {row.organization_id: row.hash for row in AuditRow.select().order_by(AuditRow.id)}
    result = run(data_dir, "verify")
    assert result.exit_code == 0, result.output
    assert all(head in result.output for head in newest.values())
    assert result.output.count("rows in order") == 2


def test_an_altered_row_is_named_and_the_exit_code_tells(data_dir: Path) -> None:
    victim = AuditRow.select().order_by(AuditRow.id).offset(1).first()
    with transaction():
        database.execute_sql("UPDATE audit_log SET actor_id = 'x' WHERE id = ?", (victim.id,))
    result = run(data_dir, "verify")
    assert result.exit_code == 1
    assert f"BROKEN after 1 rows: row {victim.id}" in result.output
    assert "globex: " in result.output and result.output.count("BROKEN") == 1


def test_a_cut_off_end_is_found_with_a_hash_that_was_noted(data_dir: Path) -> None:
    acme = AuditRow.select().order_by(AuditRow.id).first().organization_id
    head = audit.walk(acme).head
    assert run(data_dir, "verify", "--organization", "acme", "--head", head).exit_code == 0
    with transaction():
        AuditRow.delete().where(AuditRow.hash == head).execute()
    assert run(data_dir, "verify", "--organization", "acme").exit_code == 0
    cut = run(data_dir, "verify", "--organization", "acme", "--head", head)
    assert cut.exit_code == 1 and "noted earlier is not in the chain" in cut.output


def test_asking_wrongly_says_what_is_missing(data_dir: Path, tmp_path: Path) -> None:
    unnamed = run(data_dir, "verify", "--head", "0" * 64)
    assert unnamed.exit_code == 2 and "name it" in unnamed.output
    nowhere = run(data_dir, "verify", "--organization", "initech")
    assert "initech" in str(nowhere.exception or nowhere.output)


def test_rows_are_printed_oldest_first_for_other_tools(data_dir: Path) -> None:
    lines = run(data_dir, "export", "--organization", "acme").stdout.splitlines()
    rows = [orjson.loads(line) for line in lines]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert {row["organization"] for row in rows} == {"acme"}
    assert rows[-1]["after"]["name"] == "Team 2"
    printed = run(data_dir, "export", "--format", "csv").stdout
    table = list(csv.DictReader(io.StringIO(printed)))
    assert len(table) == AuditRow.select().count() and table[0]["previous_hash"] == "0" * 64
