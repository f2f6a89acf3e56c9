"""What the privacy page and its forms show, as plain values. They look nothing up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.authoring.privacy import NewPrivacyRule
from core.models import PrivacyRule
from rules.privacy import ADMINS, CATEGORIES, FULL, MEMBERS, RESTRICT, STRIP_ALL, STRIP_IO
from webapp.filters import plural
from webapp.page_models.settings_pages import Action, Cell, Field, Row

HERE = "/settings/privacy"
CATEGORY_WORDS = {
    "input": "Input",
    "output": "Output",
    "system": "System instructions",
    "tool_calls": "Tool calls",
}
MODE_WORDS = {
    FULL: "Full: rules decide what is kept",
    STRIP_IO: "Strip input and output: questions and answers are never kept",
    STRIP_ALL: "Strip all: nothing but metadata is ever kept",
}
_AS_WIDER = ("", "As wider rules say")
_CHOICES = (
    _AS_WIDER,
    ("capture", "Capture"),
    ("restrict", "Restrict: keep it, for some to read"),
    ("drop", "Drop: never keep it"),
)
_TREATMENTS = (_AS_WIDER, ("redact", "Redact"), ("keep", "Keep"))
_TREATED = (
    Field(
        "personal_data",
        "Personal data in texts",
        "select",
        "E-mail addresses, phone, card, bank account and national identity numbers, public internet addresses. "
        "Not said: redacted in redacted captures, kept elsewhere.",
        options=_TREATMENTS,
        required=False,
    ),
    Field(
        "secrets",
        "Credentials in texts",
        "select",
        "Keys of clouds and providers, tokens, passwords in addresses, private keys. Not said: redacted in what "
        "sources send. A redacted capture never holds any.",
        options=_TREATMENTS,
        required=False,
    ),
)
_TONES = {"drop": "warning", "restrict": "accent", "capture": "positive"}
_AUDIENCES = ((ADMINS, "Administrators"), (MEMBERS, "Everybody in the organization"))


def hidden_words(hidden: frozenset[str]) -> str:
    """Return the categories that are hidden from a reader as words, empty for none."""
    return ", ".join(label.lower() for name, label in CATEGORY_WORDS.items() if name in hidden)


def mode_fields() -> tuple[Field, ...]:
    """Return the control for the organization's content mode."""
    return (
        Field(
            "content_mode",
            "What is kept of prompts and answers",
            "select",
            "Holds for the gateway and for every ingestion source, before anything is stored, whatever rules say.",
            options=list(MODE_WORDS.items()),
        ),
    )


def rule_fields(
    scopes: Sequence[tuple[str, str]], is_new: bool, people: Sequence[tuple[str, str]] = ()
) -> tuple[Field, ...]:
    """Return the controls of a rule; its scope is only asked of a new one. ``people`` are groups and departments."""
    at_first = (
        Field("applies_to", "Applies to", "select", options=scopes),
        Field(
            "is_personal_only",
            "Only personal projects",
            "checkbox",
            "For the whole organization or a department.",
            required=False,
        ),
    )
    categories = tuple(
        Field(name, CATEGORY_WORDS[name], "select", options=_CHOICES, required=False)
        for name in CATEGORIES
    )
    last = (
        Field(
            "audience",
            "Who may read what is restricted",
            "checks",
            "Nobody, when none is chosen. It holds for what is stored already, too.",
            options=(*_AUDIENCES, *people),
            required=False,
        ),
        *_TREATED,
        Field(
            "drop_keys",
            "Fields to drop",
            "lines",
            "Names of attributes and JSON fields, one a line; * stands for anything. Added to those of wider rules.",
            required=False,
        ),
        Field(
            "secret_patterns",
            "Secrets to redact",
            "lines",
            "Regular expressions (RE2), one a line. What they find is replaced by [REDACTED].",
            required=False,
        ),
    )
    return (*(at_first if is_new else ()), *categories, *last)


def rule_values(row: PrivacyRule) -> dict[str, Any]:
    """Return a rule's values as its form shows them."""
    return {
        **{name: getattr(row, name) for name in CATEGORIES},
        "drop_keys": "\n".join(row.drop_keys),
        "secret_patterns": "\n".join(row.secret_patterns),
        "personal_data": row.personal_data,
        "secrets": row.secrets,
        "audience": list(row.audience),
    }


def new_rule(values: Mapping[str, Any], row: PrivacyRule | None = None) -> NewPrivacyRule:
    """Return the rule that a form asks for; ``row`` is the one it changes, which keeps its scope."""
    scope, _, scope_id = str(values.get("applies_to", "")).partition(":")
    is_personal_only = values.get("is_personal_only") == "1"
    if row is not None:
        scope, scope_id, is_personal_only = row.scope, row.scope_id, row.is_personal_only
    return NewPrivacyRule(
        scope,
        scope_id,
        {name: values.get(name, "") for name in CATEGORIES},
        is_personal_only,
        values.get("drop_keys", "").splitlines(),
        values.get("secret_patterns", "").splitlines(),
        values.get("personal_data", ""),
        values.get("secrets", ""),
        values.get("audience", ()),
    )


def rule_row(row: PrivacyRule, label: str, may_change: bool, people: Mapping[str, str]) -> Row:
    """Return a rule as a row of the table; ``people`` are the names of groups and departments."""
    known = {**dict(_AUDIENCES), **people}
    audience = ", ".join(known.get(each, "Somebody removed") for each in row.audience) or "Nobody"
    more = [
        f"{label} {said}"
        for label, said in (
            ("Personal data", {"redact": "redacted", "keep": "kept"}.get(row.personal_data)),
            ("credentials", {"redact": "redacted", "keep": "kept"}.get(row.secrets)),
        )
        if said
    ]
    if row.drop_keys:
        more.append(plural(len(row.drop_keys), "field"))
    if row.secret_patterns:
        more.append(plural(len(row.secret_patterns), "pattern"))
    cells = (
        Cell(label, note="Only personal projects" if row.is_personal_only else ""),
        *(_choice(getattr(row, name), audience) for name in CATEGORIES),
        Cell(", ".join(more) or "Nothing"),
    )
    return Row(row.id, cells, _actions(row, label) if may_change else ())


def _choice(said: str, audience: str) -> Cell:
    if not said:
        return Cell("Not said")
    note = f"To read: {audience}" if said == RESTRICT else ""
    return Cell(said.capitalize(), "badge", _TONES[said], note=note)


def _actions(row: PrivacyRule, label: str) -> tuple[Action, ...]:
    return (
        Action("pencil", f"Edit the rule of {label}", f"{HERE}/rules/{row.id}/edit"),
        Action(
            "archive",
            f"Delete the rule of {label}",
            post=f"{HERE}/rules/{row.id}/delete",
            title=f"Delete the rule of {label}?",
            body="Wider rules and the organization's mode decide from then on.",
            yes="Delete",
        ),
    )
