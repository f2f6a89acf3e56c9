"""`langwatch person`: an export as a zip, an erasure that asks twice, and asking again for what is done."""

import zipfile
from pathlib import Path

from click.testing import CliRunner, Result

from cli.main import langwatch
from core.authoring import people
from core.authoring.people import NewUser
from core.database import migrate, open_database
from core.models import AuditRow, User
from core.person_export import FILE
from tests.component.core.authoring.acme import NOW, acme
from tests.databases import close_database

EMAIL = "grace@acme.test"


def run(data_dir: Path, *arguments: str) -> Result:
    """Run `langwatch person …` on the data directory."""
    close_database()
    result = CliRunner().invoke(langwatch, ["person", *arguments, "--data-dir", str(data_dir)])
    close_database()
    open_database(f"sqlite:///{data_dir / 'control.db'}")
    return result


def test_a_person_is_exported_and_erased_from_the_command_line(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'control.db'}")
    migrate()
    org = acme()
    people.create(org.actor, NewUser(EMAIL, "Grace", "member"), NOW)
    try:
        got = run(tmp_path, "export", EMAIL)
        assert got.exit_code == 0, got.output
        file = tmp_path / "person.zip"
        file.write_bytes(got.stdout_bytes)
        assert b'"kind":"account"' in zipfile.ZipFile(file).read(FILE)
        assert run(tmp_path, "export", "nobody@acme.test").exit_code != 0
        wrong = run(tmp_path, "erase", EMAIL, "--reason", "asked", "--confirm", "gr@acme.test")
        assert wrong.exit_code != 0
        assert User.select().where(User.email == EMAIL).exists()
        assert run(tmp_path, "erase", EMAIL, "--reason", "asked", "--confirm", EMAIL).exit_code == 0
        assert not User.select().where(User.email == EMAIL).exists()
        again = run(tmp_path, "erase", EMAIL, "--reason", "asked", "--confirm", EMAIL)
        assert (again.exit_code, "Erased already" in again.output) == (0, True)
        actions = [a.action for a in AuditRow.select() if a.action.startswith("user.e")]
        assert actions == ["user.exported", "user.erased"]
    finally:
        close_database()
