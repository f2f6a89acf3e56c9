"""Column types that behave alike on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from peewee import SQL, AutoField, Context, Field, NodeList, SqliteDatabase

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


class SequenceField(AutoField):
    """A primary key that counts up and never comes twice, even after the newest rows were deleted.

    PostgreSQL's sequences do this; SQLite hands the highest id out again unless it is told not to.
    """

    def ddl(self, ctx: Context) -> NodeList:
        """Return the column's definition for the database in use."""
        definition: NodeList = super().ddl(ctx)
        database = self.model._meta.database
        is_sqlite = isinstance(getattr(database, "obj", database), SqliteDatabase)
        return NodeList((definition, SQL("AUTOINCREMENT"))) if is_sqlite else definition
