"""What the database holds sealed, and how all of it comes under a new master key. Opens nothing for anybody else."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import TextField

from core.database import Model, transaction
from core.models import (
    ALL_MODELS,
    AlertDelivery,
    AnomalyRule,
    Guardrail,
    IdempotencyKey,
    Organization,
    Provider,
    SignInConnection,
    TraceDestination,
)
from core.secrets import Sealer, key_id_in, sealer_for
from core.settings import Settings

BATCH_ROWS = 200
_SEALED_TEXT = re.compile(r"enc:v1:([^:\"]*):")


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column whose texts are sealed; in a JSON column those are found at any depth."""

    model: type[Model]
    column: str
    purpose: Callable[[Any], str]
    """What the texts of a row are sealed for; it is authenticated with them."""

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.model._meta.table_name}.{self.column}"


def delivery_purpose(anomaly_id: str) -> str:
    """Return what a delivery's destination is sealed for."""
    return f"alert delivery:{anomaly_id}"


def answer_purpose(caller_id: str, key: str) -> str:
    """Return what the answer to a create is sealed for."""
    return f"answer:{caller_id}:{key}"


SEALED: tuple[SealedColumn, ...] = (
    SealedColumn(Provider, "sealed_credential", lambda row: f"provider:{row.id}"),
    SealedColumn(Guardrail, "sealed_secret", lambda row: f"guardrail:{row.id}"),
    SealedColumn(TraceDestination, "sealed_headers", lambda row: f"trace destination:{row.id}"),
    SealedColumn(
        IdempotencyKey, "sealed_answer", lambda row: answer_purpose(row.caller_id, row.key)
    ),
    SealedColumn(
        SignInConnection, "sealed_client_secret", lambda row: f"sign-in connection:{row.id}"
    ),
    SealedColumn(Organization, "sealed_request_channel", lambda row: f"request channel:{row.id}"),
    SealedColumn(AnomalyRule, "destinations", lambda row: f"anomaly rule:{row.id}"),
    SealedColumn(AlertDelivery, "sealed_destination", lambda row: delivery_purpose(row.anomaly_id)),
)


def database_sealer(settings: Settings) -> Sealer:
    """Return what seals for the control database and opens what it holds, under the previous master key as well."""
    return sealer_for(settings.master_key, previous=settings.master_key_previous)


def reseal(column: SealedColumn, sealer: Sealer) -> Iterator[tuple[int, int]]:
    """Seal a column's texts under the current key; yield how many rows a batch had and how many were changed.

    A batch is one transaction, so stopping in between loses nothing. Raises SealError for a text whose key is
    not among the sealer's.
    """
    model, key = column.model, column.model._meta.fields["id"]
    last: Any = None
    while True:
        with transaction():
            query = model.select().order_by(key).limit(BATCH_ROWS)
            rows = list(query if last is None else query.where(key > last))
            changed = sum(_reseal_row(row, column, sealer) for row in rows)
        if not rows:
            return
        last = rows[-1].__data__["id"]
        yield len(rows), changed


def _reseal_row(row: Any, column: SealedColumn, sealer: Sealer) -> bool:
    old = getattr(row, column.column)
    new = _resealed(old, column.purpose(row), sealer)
    if new == old:
        return False
    setattr(row, column.column, new)
    row.save(only=[column.column])
    return True


def _resealed(value: Any, purpose: str, sealer: Sealer) -> Any:
    if isinstance(value, dict):
        return {name: _resealed(inner, purpose, sealer) for name, inner in value.items()}
    if isinstance(value, list):
        return [_resealed(inner, purpose, sealer) for inner in value]
    if not isinstance(value, str) or key_id_in(value) in ("", sealer.current):
        return value
    return sealer.seal(sealer.open(value, purpose).reveal(), purpose)


def left_under_other_keys(sealer: Sealer) -> dict[str, int]:
    """Return how many rows still hold a text that another key sealed, by table and column; empty when none does.

    It looks at every text of every table, whether or not the column is known here, so that no key is given up
    while anything needs it.
    """
    found: dict[str, int] = {}
    for model in ALL_MODELS:
        for field in model._meta.sorted_fields:
            if isinstance(field, TextField):
                count = sum(map(partial(_is_left, sealer), _texts_with_seals(model, field)))
                if count:
                    found[f"{model._meta.table_name}.{field.column_name}"] = count
    return found


def sealed_rows() -> int:
    """Return how many rows hold sealed texts."""
    return sum(
        1
        for column in SEALED
        for _ in _texts_with_seals(column.model, column.model._meta.fields[column.column])
    )


def _texts_with_seals(model: type[Model], field: TextField) -> Iterator[str]:
    text = field.cast("TEXT")
    rows = model.select(text).where(text.contains("enc:v1:")).tuples()
    for (found,) in rows.iterator():
        yield str(found)


def _is_left(sealer: Sealer, text: str) -> bool:
    return any(key_id != sealer.current for key_id in _SEALED_TEXT.findall(text))
