"""What the retention page and its form show, as plain values. They look nothing up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.authoring.retention import NewRetentionPolicy
from core.authoring.validation import invalid
from core.models import RetentionPolicy
from rules.retention import DAYS
from webapp.page_models.settings_pages import Action, Cell, Field, Row

HERE = "/settings/retention"
CONFIRMED = "is_confirmed"


def form_fields(
    scopes: Sequence[tuple[str, str]], is_new: bool, due: str = ""
) -> tuple[Field, ...]:
    """Return the controls; with ``due``, what the next run deletes, and a box that says yes to it."""
    least, most = DAYS
    bounds = {"min": str(least), "max": str(most), "inputmode": "numeric"}
    fields = [
        Field(
            "activity_days",
            "Activity events stay",
            "number",
            "Empty leaves them to a wider policy; without any they stay. Sums of spend stay in any case.",
            required=False,
            unit="days",
            attrs=bounds,
        ),
        Field(
            "content_days",
            "Captured prompts and answers stay",
            "number",
            "Empty leaves them to a wider policy; without any the setting of this installation holds.",
            required=False,
            unit="days",
            attrs=bounds,
        ),
        Field(
            "is_retroactive",
            "Also for what is stored already",
            "checkbox",
            "Otherwise it holds for what is stored from now on.",
            required=False,
        ),
    ]
    if is_new:
        fields.insert(0, Field("applies_to", "Applies to", "select", options=scopes))
    if due:
        fields.append(Field(CONFIRMED, f"Delete {due} at the next run", "checkbox"))
    return tuple(fields)


def form_values(row: RetentionPolicy) -> dict[str, Any]:
    """Return a policy's values as its form shows them."""
    return {
        "activity_days": row.activity_days or "",
        "content_days": row.content_days or "",
        "is_retroactive": "1" if row.holds_from is None else "",
    }


def new_policy(values: Mapping[str, Any], row: RetentionPolicy | None = None) -> NewRetentionPolicy:
    """Return the policy that a form asks for. Raises Refused(VALIDATION_ERROR) for what is no number."""
    scope, _, scope_id = str(values.get("applies_to", "")).partition(":")
    if row is not None:
        scope, scope_id = row.scope, row.scope_id
    days: dict[str, int | None] = {}
    errors = {}
    for name in ("activity_days", "content_days"):
        text = values.get(name, "")
        is_number = not text or (text.isdecimal() and len(text) <= 5)
        if not is_number:
            errors[name] = "This is not a number of days."
        days[name] = int(text) if text and is_number else None
    if errors:
        raise invalid(errors)
    is_retroactive = values.get("is_retroactive") == "1"
    return NewRetentionPolicy(
        scope, scope_id, days["activity_days"], days["content_days"], is_retroactive
    )


def policy_row(row: RetentionPolicy, label: str, may_manage: bool) -> Row:
    """Return a policy as a row of the table."""
    cells = (
        Cell(label),
        Cell(_days(row.activity_days)),
        Cell(_days(row.content_days)),
        Cell(look="time", moment=row.holds_from, text="Everything"),
    )
    return Row(row.id, cells, _actions(row, label) if may_manage else ())


def _days(days: int | None) -> str:
    if days is None:
        return "As wider policies say"
    return f"{days:,} day{'' if days == 1 else 's'}"


def _actions(row: RetentionPolicy, label: str) -> tuple[Action, ...]:
    return (
        Action("pencil", f"Edit the policy of {label}", f"{HERE}/policies/{row.id}/edit"),
        Action(
            "archive",
            f"Delete the policy of {label}",
            post=f"{HERE}/policies/{row.id}/delete",
            title=f"Delete the policy of {label}?",
            body="A wider policy decides from then on. Without one, events stay for good.",
            yes="Delete",
        ),
    )
