"""Says whether a name is free: no two live things of a kind in one organization have the same."""

from typing import Any


def taken_error(model: Any, organization_id: str, name: str, own_id: str, what: str) -> str:
    """Return that another row has a name, or an empty string; what is archived has given its name free.

    ``what`` is the kind as people call it; ``own_id`` is the row that may have the name, empty for a new one.
    """
    rows = model.select().where(
        model.organization_id == organization_id, model.name == name.strip(), model.id != own_id
    )
    if "archived_at" in model._meta.fields:
        rows = rows.where(model.archived_at.is_null())
    return f"Another {what} has this name." if rows.exists() else ""
