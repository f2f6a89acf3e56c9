"""Hashes a secret anew when it is used, so that a pepper before a rotation is needed no longer than its secrets."""

from collections.abc import Sequence
from typing import TypeVar

from core.database import Model, transaction

Row = TypeVar("Row", bound=Model)
_COLUMNS = ("secret_hash", "previous_secret_hash")


def rehashed(row: Row, hashes: Sequence[str]) -> Row:
    """Return a row that was found by one of a secret's hashes, stored under the first of them from now on.

    Only the column that held an older hash is written, and only if it still holds that hash.
    """
    model = type(row)
    key = model._meta.fields["id"]
    for name in _COLUMNS:
        field = model._meta.fields.get(name)
        held = None if field is None else getattr(row, name)
        if field is not None and held in hashes[1:]:
            with transaction():
                model.update({name: hashes[0]}).where(
                    key == row.__data__["id"], field == held
                ).execute()
            setattr(row, name, hashes[0])
    return row
