"""`langwatch person export` and `langwatch person erase`: what is stored about somebody, and how it is forgotten."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.environment import settings_for

if TYPE_CHECKING:
    from core.models import User
    from core.settings import Settings

_DATA_DIR = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the control plane keeps its data."
)


@click.group()
def person() -> None:
    """Export what is stored about a person, or erase them."""


@person.command()
@click.argument("email")
@_DATA_DIR
def export(email: str, data_dir: Path | None) -> None:
    """Write a zip with one JSON line a row to the standard output: account, keys, calls, content, events, audit."""
    from core import person_export
    from core.authoring.actor import Actor
    from core.authoring.people_data import exported
    from core.clock import utcnow
    from core.lake import open_reader

    if sys.stdout.isatty():
        raise click.UsageError("This writes a zip file; send it somewhere with > person.zip.")
    with _database(data_dir) as settings:
        user, organization_id = _found(email)
        now, lake = utcnow(), open_reader(settings)
        try:
            counts = person_export.write_zip(sys.stdout.buffer, lake, organization_id, user, now)
        finally:
            lake.close()
        exported(Actor(organization_id, "operator", "cli"), user.id, counts, now)
        sys.stdout.flush()
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    click.echo(f"{email}: {told}", err=True)


@person.command()
@click.argument("email")
@click.option("--reason", required=True, help="Why; it stands in the audit log.")
@click.option("--confirm", default="", help="The address once more, where nobody can be asked.")
@_DATA_DIR
def erase(email: str, reason: str, confirm: str, data_dir: Path | None) -> None:
    """Make a person a pseudonym, end their access and delete their words. It can't be undone."""
    from cli.problems import Stopped
    from core.authoring import erasure
    from core.authoring.actor import Actor
    from core.clock import utcnow

    with _database(data_dir) as settings:
        done = _erased_before(email, settings)
        if done:
            click.echo(done)
            return
        user, organization_id = _found(email)
        typed = confirm or click.prompt("Type the address once more to erase this person", err=True)
        if typed.strip().lower() != user.email:
            raise Stopped("The two addresses differ; nobody was erased.")
        actor = Actor(organization_id, "operator", "cli")
        row = erasure.erase(actor, user.id, reason, settings.pepper, utcnow())
        click.echo(f"{email} is {row.pseudonym} from now on. The streamer clears the lake.")


def _erased_before(email: str, settings: "Settings") -> str:
    from core.authoring import erasure, organizations, people

    organization = organizations.only()
    if organization and people.find_anyone(organization.id, email):
        # Somebody has the address now; who had it before is somebody else.
        return ""
    row = organization and erasure.erased_before(organization.id, email, settings.pepper)
    if not row:
        return ""
    state = "done" if row.finished_at else "the streamer has yet to clear the lake"
    return f"Erased already, on {row.requested_at:%Y-%m-%d}: {row.pseudonym}, {state}."


def _found(email: str) -> "tuple[User, str]":
    from cli.problems import Stopped
    from core.authoring import organizations, people

    organization = organizations.only()
    user = organization and people.find_anyone(organization.id, email)
    if not organization or not user:
        raise Stopped(f"Nobody here has the address {email}.")
    return user, organization.id


@contextmanager
def _database(data_dir: Path | None) -> "Iterator[Settings]":
    from cli.problems import Stopped
    from core.database import connection, open_database, pending_migrations
    from core.secret_files import with_control_plane_secrets

    settings = settings_for(data_dir)
    if not settings.database_url and not (settings.data_dir / "control.db").exists():
        raise Stopped(
            f"There is no control plane in {settings.data_dir}; name another with --data-dir."
        )
    settings = with_control_plane_secrets(settings)
    open_database(settings.control_database_url)
    if pending_migrations():
        raise Stopped("The database has an older schema; run `langwatch migrate` first.")
    with connection():
        yield settings
