"""Opens DuckDB with the lake attached. Knows where the catalog and the files are; knows no table.

The catalog is a SQLite file beside the embedded lake, or a schema of the PostgreSQL control database.
Extensions come from installed packages, are signed by DuckDB and loaded by path: nothing is downloaded.
"""

import importlib.util
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import duckdb

from core.settings import Settings

CATALOG_FILE = "catalog.sqlite"
CATALOG_SCHEMA = "langwatch_lake"
# A commit with fewer rows stays in the catalog until the next flush: no small Parquet file a second.
INLINE_ROWS = 500
WRITER_MEMORY = "512MB"
READER_MEMORY = "512MB"
THREADS = 2


def is_embedded(settings: Settings) -> bool:
    """Say whether the catalog is a SQLite file, which one writer at a time can use."""
    return settings.control_database_url.startswith("sqlite:")


def exists(settings: Settings) -> bool:
    """Say whether an embedded lake has been created; a PostgreSQL catalog is only known by asking it."""
    return not is_embedded(settings) or (settings.lake_dir / CATALOG_FILE).exists()


def connect(settings: Settings, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB with the lake attached as ``lake``.

    Raises duckdb.Error when the lake does not exist (reading), is in use or can't be reached.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "threads": str(THREADS),
            "memory_limit": READER_MEMORY if read_only else WRITER_MEMORY,
        },
    )
    try:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        _load(connection, "ducklake")
        _allow_object_store(connection, settings)
        if is_embedded(settings):
            _attach_sqlite(connection, settings, read_only)
        else:
            _attach_postgres(connection, settings, read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def extension_path(name: str) -> Path:
    """Return the installed file of a DuckDB extension. Raises FileNotFoundError when it is missing."""
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    for root in (package.submodule_search_locations or ()) if package else ():
        path = Path(root) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if path.exists():
            return path
    raise FileNotFoundError(f"the DuckDB extension {name} for {duckdb.__version__} is missing")


def postgres_fields(url: str) -> dict[str, str]:
    """Return where a PostgreSQL database is and who asks, by libpq's names; empty values are left out."""
    parts = urlsplit(url)
    fields = {
        "host": parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0],
        "port": str(parts.port or 5432),
        "dbname": parts.path.lstrip("/") or "postgres",
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password or ""),
    }
    return {name: value for name, value in fields.items() if value}


def _load(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    connection.execute(f"LOAD {_quoted(str(extension_path(name)))}")


def _attach_sqlite(
    connection: duckdb.DuckDBPyConnection, settings: Settings, read_only: bool
) -> None:
    _load(connection, "sqlite_scanner")
    catalog = (settings.lake_dir / CATALOG_FILE).absolute()
    # Readers and the writer share the file only in WAL mode.
    options = ["META_JOURNAL_MODE 'WAL'"]
    _attach(connection, f"ducklake:sqlite:{catalog}", options, settings, read_only)


def _attach_postgres(
    connection: duckdb.DuckDBPyConnection, settings: Settings, read_only: bool
) -> None:
    _load(connection, "postgres_scanner")
    # A DuckDB secret, because a connection string would show the password in error messages.
    names = {"dbname": "DATABASE"}
    found = postgres_fields(settings.control_database_url)
    given = {names.get(name, name.upper()): value for name, value in found.items()}
    fields = ", ".join(f"{key} {_quoted(value)}" for key, value in given.items())
    connection.execute(f"CREATE SECRET catalog (TYPE postgres, {fields})")
    options = [f"METADATA_SCHEMA '{CATALOG_SCHEMA}'", "META_SECRET 'catalog'"]
    _attach(connection, "ducklake:postgres:", options, settings, read_only)


def _attach(
    connection: duckdb.DuckDBPyConnection,
    address: str,
    options: list[str],
    settings: Settings,
    read_only: bool,
) -> None:
    options = [*options, f"DATA_PATH {_quoted(_data_path(settings))}"]
    if not settings.lake_data_path:
        # The catalog remembers where its files were; a data directory that was moved or restored brings them along.
        options.append("OVERRIDE_DATA_PATH")
    options.append("READ_ONLY" if read_only else f"DATA_INLINING_ROW_LIMIT {INLINE_ROWS}")
    connection.execute(f"ATTACH {_quoted(address)} AS lake ({', '.join(options)})")


def _data_path(settings: Settings) -> str:
    given = settings.lake_data_path
    if "://" in given:
        return given.rstrip("/") + "/"
    return str(Path(given or settings.lake_dir / "data").absolute()) + "/"


def _allow_object_store(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    if not settings.lake_data_path.startswith("s3://"):
        return
    _load(connection, "httpfs")
    # boto3 finds credentials, region and endpoint wherever AWS tools keep them.
    client = boto3.client("s3")
    found = boto3.Session().get_credentials()
    endpoint = urlsplit(client.meta.endpoint_url)
    fields = {"REGION": client.meta.region_name, "ENDPOINT": endpoint.netloc, "URL_STYLE": "path"}
    if found is not None:
        keys = found.get_frozen_credentials()
        fields |= {"KEY_ID": keys.access_key, "SECRET": keys.secret_key}
        fields |= {"SESSION_TOKEN": keys.token or ""}
    text = ", ".join(f"{key} {_quoted(value)}" for key, value in fields.items() if value)
    connection.execute(
        f"CREATE SECRET files (TYPE s3, USE_SSL {endpoint.scheme == 'https'}, {text})"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
