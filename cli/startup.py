"""What `up` does before it starts a program: data directory, secrets, database, first run, configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.apply.command import Applied, apply_file
from cli.problems import Stopped
from cli.programs import migrated
from core.authoring import first_run
from core.clock import utcnow
from core.database import database
from core.sealing import database_sealer
from core.secret_files import prepare_data_dir, with_control_plane_secrets
from core.secrets import Secret
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the preparation left behind."""

    setup_token: Secret | None
    """Opens the page that creates the first administrator; None when there is one."""
    applied: Applied | None


def with_directory(settings: Settings) -> Settings:
    """Make the data directory and the secrets in it; return settings in which every secret is set."""
    try:
        prepare_data_dir(settings.data_dir)
        return with_control_plane_secrets(settings)
    except OSError as error:
        raise Stopped(
            f"The data directory {settings.data_dir} can't be used: {error.strerror}. "
            "Choose another with --data-dir."
        ) from error


def prepare(settings: Settings, config: Path | None, environ: Mapping[str, str]) -> Prepared:
    """Migrate the database, apply the configuration, make what a first run needs. Raises Stopped."""
    migrated(settings)
    try:
        applied = apply_file(config, settings, environ) if config else None
        token = first_run.ensure(settings.pepper, database_sealer(settings), utcnow())
    finally:
        let_go()
    return Prepared(token, applied)


def let_go() -> None:
    """Close every connection: the supervisor has no further business with the database."""
    if not database.is_closed():
        database.close()
    close_all = getattr(database.obj, "close_all", None)
    if close_all is not None:
        close_all()
