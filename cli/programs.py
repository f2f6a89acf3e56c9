"""Commands that run one of the three programs in this process, and the one that migrates the database."""

import importlib
import os
import sys
from collections.abc import Callable

import click

from cli.problems import Stopped
from core.log import configure
from core.settings import Settings, load


def _run(program: str, module: str) -> None:
    settings = load(os.environ)
    configure(program, settings.log_level, settings.log_format)
    run: Callable[[Settings], int] = importlib.import_module(module).run
    sys.exit(run(settings))


@click.command()
def web() -> None:
    """Run the web app alone: pages, receivers and the internal API."""
    _run("web", "webapp.server")


@click.command()
def gateway() -> None:
    """Run one gateway process alone."""
    _run("gateway", "proxy.worker")


@click.command()
def streamer() -> None:
    """Run the streamer alone: inbox to lake, anomaly rules, alerts."""
    _run("streamer", "streamer.program")


@click.command()
def migrate() -> None:
    """Bring the control database to this version's schema and print what was applied."""
    from core.secret_files import prepare_data_dir

    settings = load(os.environ)
    configure("migrate", "warning", settings.log_format)
    prepare_data_dir(settings.data_dir)
    names = migrated(settings)
    click.echo("\n".join(f"applied {name}" for name in names) or "The schema is current.")


def migrated(settings: Settings) -> list[str]:
    """Open the control database, migrate it and return what was applied. Raises Stopped with the reason."""
    import peewee

    from core import database

    try:
        database.open_database(settings.control_database_url)
        return database.migrate()
    except peewee.DatabaseError as error:
        raise Stopped(
            f"The control database can't be opened or migrated: {str(error).strip()}\n"
            "Check DATABASE_URL and that the data directory can be written; nothing was started."
        ) from error
