"""A control database of either kind and a lake beside it, for the streamer's tests."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.lake import LakeReader, LakeWriter, open_reader, open_writer
from core.secrets import Secret
from core.settings import Settings, load

NOW = datetime(2026, 11, 21, 10, 20, 30, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    """The moment every test of the streamer is at."""
    return NOW


@pytest.fixture
def settings(tmp_path: Path, db: str) -> Settings:
    """Settings that name the test's database and a data directory of its own."""
    return load(
        {
            "LANGWATCH_DATA_DIR": str(tmp_path / "var"),
            "DATABASE_URL": db,
            "LANGWATCH_MASTER_KEY": "m" * 40,
            "LW_GATEWAY_INTERNAL_SECRET": "i" * 40,
            "LANGWATCH_PUBLIC_URL": "http://127.0.0.1:5560",
        }
    )


@pytest.fixture
def master_key(settings: Settings) -> Secret:
    """The key that seals destinations."""
    return settings.master_key


@pytest.fixture
def writer(settings: Settings) -> Iterator[LakeWriter]:
    """The lake, open for writing."""
    opened = open_writer(settings)
    yield opened
    opened.close()


@pytest.fixture
def reader(settings: Settings) -> Iterator[LakeReader]:
    """The lake, open for reading."""
    opened = open_reader(settings)
    yield opened
    opened.close()
