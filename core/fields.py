"""Column types that behave alike on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from peewee import Field

from core.clock import EPOCH

if TYPE_CHECKING:
    _MomentField = Field[datetime]
    _AnyField = Field[Any]
else:
    _MomentField = _AnyField = Field


class UtcField(_MomentField):
    """An aware UTC moment, stored as microseconds since 1970 so that both databases order it alike."""

    field_type = "BIGINT"

    def db_value(self, value: Any) -> int | None:
        """Return what is stored. Raises ValueError for a naive datetime."""
        if value is None or isinstance(value, int):
            return value
        if value.tzinfo is None:
            raise ValueError(f"{self.name}: a naive datetime")
        return int((value - EPOCH) // timedelta(microseconds=1))

    def python_value(self, value: Any) -> datetime | None:
        """Return the aware moment."""
        return None if value is None else (EPOCH + timedelta(microseconds=value)).astimezone(UTC)


class JsonField(_AnyField):
    """A JSON value, stored as text."""

    field_type = "TEXT"

    def db_value(self, value: Any) -> str | None:
        """Return what is stored."""
        return None if value is None else orjson.dumps(value).decode()

    def python_value(self, value: Any) -> Any:
        """Return the value."""
        return None if value is None else orjson.loads(value)
