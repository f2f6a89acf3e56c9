"""`langwatch secrets`: which keys protect what is stored, and bringing all of it under new ones. Prints no secret."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.environment import settings_for

if TYPE_CHECKING:
    from core.secret_files import SecretFiles
    from core.secrets import Sealer
    from core.settings import Settings

_DATA_DIR = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the control plane keeps its data."
)
_RESTART = "Start the programs again, everywhere, so that they use the new one."


@click.group()
def secrets() -> None:
    """See which keys protect what is stored, and change them."""


@secrets.command()
@_DATA_DIR
def status(data_dir: Path | None) -> None:
    """Count what is sealed or hashed under the current keys, and what still needs those before."""
    from core.sealing import database_sealer, left_under_other_keys, sealed_rows
    from core.secrets import pepper_id

    with _opened(data_dir) as (settings, _):
        sealer = database_sealer(settings)
        left = left_under_other_keys(sealer)
        click.echo(f"master key {sealer.current}: {sealed_rows()} rows hold sealed values")
        for name, count in left.items():
            click.echo(f"  {name}: {count} still under another key; run `langwatch secrets rotate`")
        click.echo(f"pepper {pepper_id(settings.pepper)}")
        for name, count in _older_hashes(settings).items():
            click.echo(f"  {name}: {count} not used since the pepper was changed")


@secrets.command()
@click.option("--pepper", "is_pepper", is_flag=True, help="Change the pepper instead.")
@_DATA_DIR
def rotate(is_pepper: bool, data_dir: Path | None) -> None:
    """Make a new master key and seal everything under it; with --pepper, make a new pepper.

    Keys that are kept in the data directory are made here, while the programs are stopped. Keys that are set by
    environment variables are changed there first: the new one in its variable, the old one in the variable that
    ends in _PREVIOUS; then run this.
    """
    with _opened(data_dir) as (settings, given):
        from core.secret_files import SecretFiles

        files = SecretFiles(settings.data_dir)
        if is_pepper:
            _renew_pepper(settings, given, files)
        else:
            _rotate_master(settings, given, files)


@secrets.command("forget-pepper")
@click.option("--yes", is_flag=True, help="Also when secrets are left that nobody used since.")
@_DATA_DIR
def forget_pepper(yes: bool, data_dir: Path | None) -> None:
    """Give up the pepper before the last rotation; secrets hashed with it no longer work."""
    from cli.problems import Stopped
    from core.secret_files import SecretFiles

    with _opened(data_dir) as (settings, _):
        files = SecretFiles(settings.data_dir)
        left = _older_hashes(settings)
        if left and not yes:
            told = ", ".join(f"{count} in {name}" for name, count in left.items())
            raise Stopped(
                f"Secrets are still hashed with it: {told}. They stop working; say --yes."
            )
        if not files.pepper_previous.exists():
            raise Stopped(
                "No previous pepper is kept in the data directory. Where the pepper is set by an environment "
                "variable, remove LW_VIRTUAL_KEY_PEPPER_PREVIOUS."
            )
        with _stopped_programs(settings):
            files.pepper_previous.unlink()
        click.echo(f"The previous pepper is gone. {_RESTART}")


def _rotate_master(settings: "Settings", given: "Settings", files: "SecretFiles") -> None:
    from core.sealing import database_sealer
    from core.secret_files import with_control_plane_secrets

    if given.master_key:
        if not given.master_key_previous:
            click.echo(
                "LANGWATCH_MASTER_KEY is set, and LANGWATCH_MASTER_KEY_PREVIOUS is not: "
                "sealing what is left under the one key there is."
            )
        _seal_everything(database_sealer(settings))
        click.echo("LANGWATCH_MASTER_KEY_PREVIOUS is no longer needed.")
        return
    with _stopped_programs(settings):
        _renew_master(settings, files)
        _seal_everything(database_sealer(with_control_plane_secrets(given)))
        files.master_key_previous.unlink(missing_ok=True)
    click.echo(f"The old master key is gone. People have to sign in again. {_RESTART}")


def _renew_master(settings: "Settings", files: "SecretFiles") -> None:
    """Put a new master key beside the old one, unless an interrupted rotation has done so already."""
    from core.secret_files import keep, new_secret
    from core.secrets import Secret

    if settings.master_key_previous and settings.master_key_previous != settings.master_key:
        click.echo("An earlier rotation was interrupted; it goes on here.")
        return
    # The pepper followed from the old key; it is kept as it is, or no virtual key would be found any more.
    if not files.pepper.exists():
        keep(files.pepper, Secret(settings.pepper.reveal()))
    keep(files.master_key_previous, settings.master_key)
    keep(files.master_key, new_secret())


def _seal_everything(sealer: "Sealer") -> None:
    from cli.problems import Stopped
    from core.sealing import SEALED, left_under_other_keys, reseal
    from core.secrets import SealError

    for column in SEALED:
        total = column.model.select().count()
        changed = 0
        try:
            with click.progressbar(
                length=total, label=column.name, show_pos=True, hidden=not sys.stdout.isatty()
            ) as bar:
                for rows, count in reseal(column, sealer):
                    changed += count
                    bar.update(rows)
        except SealError as error:
            raise Stopped(
                f"{column.name}: {error}. Set the key that sealed it as LANGWATCH_MASTER_KEY_PREVIOUS."
            ) from error
        click.echo(f"{column.name}: {changed} sealed anew")
    left = left_under_other_keys(sealer)
    if left:
        told = ", ".join(f"{name} ({count})" for name, count in left.items())
        raise Stopped(f"Still under another key, which is therefore kept: {told}.")
    _note_in_audit(sealer.current)


def _note_in_audit(key_id: str) -> None:
    from core.audit import Entry, append
    from core.clock import utcnow
    from core.database import transaction
    from core.models import Organization

    with transaction():
        for one in Organization.select():
            entry = Entry(
                *(one.id, "system", "organization.secrets_resealed", "organization", one.id, "cli"),
                after={"master_key_id": key_id},
            )
            append(entry, utcnow())


def _renew_pepper(settings: "Settings", given: "Settings", files: "SecretFiles") -> None:
    from cli.problems import Stopped
    from core.secret_files import keep, new_secret
    from core.secrets import Secret

    if given.pepper:
        raise Stopped(
            "LW_VIRTUAL_KEY_PEPPER is set. Put the old value into LW_VIRTUAL_KEY_PEPPER_PREVIOUS and a new one "
            "into LW_VIRTUAL_KEY_PEPPER, and start the programs again; secrets are hashed anew as they are used."
        )
    if files.pepper_previous.exists() and (left := _older_hashes(settings)):
        told = ", ".join(f"{count} in {name}" for name, count in left.items())
        raise Stopped(
            f"The pepper before the last rotation is still needed: {told}. When they may stop working, run "
            "`langwatch secrets forget-pepper --yes` first."
        )
    with _stopped_programs(settings):
        keep(files.pepper_previous, Secret(settings.pepper.reveal()))
        keep(files.pepper, new_secret())
    click.echo(
        f"A new pepper is in place. {_RESTART} Secrets are hashed anew as they are used; "
        "`langwatch secrets status` counts those that are left."
    )


def _older_hashes(settings: "Settings") -> dict[str, int]:
    """Return how many secrets that work are still hashed with the previous pepper, by table."""
    from core.models import ApiKey, IngestionSource, ScimToken, VirtualKey
    from core.secrets import Pepper, pepper_id

    pepper = settings.pepper
    if not isinstance(pepper, Pepper) or pepper.previous is None:
        return {}
    newer = f"{pepper_id(pepper)}:"
    keys = VirtualKey.select().where(
        ~VirtualKey.secret_hash.startswith(newer), VirtualKey.status != "revoked"
    )
    sources = IngestionSource.select().where(
        ~IngestionSource.secret_hash.startswith(newer), IngestionSource.archived_at.is_null()
    )
    api_keys = ApiKey.select().where(
        ~ApiKey.secret_hash.startswith(newer), ApiKey.revoked_at.is_null()
    )
    tokens = ScimToken.select().where(
        ~ScimToken.secret_hash.startswith(newer), ScimToken.revoked_at.is_null()
    )
    counts = {
        "virtual keys": keys.count(),
        "ingestion sources": sources.count(),
        "API keys": api_keys.count(),
        "directory tokens": tokens.count(),
    }
    return {name: count for name, count in counts.items() if count}


@contextmanager
def _opened(data_dir: Path | None) -> "Iterator[tuple[Settings, Settings]]":
    """Open the database; yield the settings with every secret, and as they were given."""
    import peewee

    from cli.problems import Stopped
    from core.database import connection, open_database, pending_migrations
    from core.secret_files import with_control_plane_secrets

    given = settings_for(data_dir)
    if not given.database_url and not (given.data_dir / "control.db").exists():
        raise Stopped(f"There is no database in {given.data_dir}; name another with --data-dir.")
    open_database(given.control_database_url)
    try:
        if pending_migrations():
            raise Stopped("The database has an older schema; run `langwatch migrate` first.")
        with connection():
            yield with_control_plane_secrets(given), given
    except peewee.DatabaseError as error:
        raise Stopped(f"The database can't be read: {str(error).strip()}") from error


@contextmanager
def _stopped_programs(settings: "Settings") -> Iterator[None]:
    """Hold the data directory's lock. Raises Stopped while programs run: they would go on with the old keys."""
    from cli.premises import lock_data_dir

    descriptor = lock_data_dir(
        settings.data_dir,
        wait_seconds=0,
        advice="Stop it first, change the secret, and start it again.",
    )
    try:
        yield
    finally:
        os.close(descriptor)
