"""What the pages about cache rules show: the list by priority, what each does in words, the form. Reads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.authoring.cache_rules import PRIORITIES, NewCacheRule
from core.models import CacheRule
from webapp.page_models.settings_pages import Action, Cell, Field, Row, Table

HERE = "/settings/cache-rules"
COLUMNS = ("Rule", "Priority", "What it does", "State")
_OFF = {"autocomplete": "off", "spellcheck": "false"}
MODES: Mapping[str, tuple[str, str, str]] = {
    "respect": (
        "Respect",
        "the marks for the prompt cache stay as the caller set them",
        "marks stay as they are",
    ),
    "force": (
        "Force",
        "the end of the prompt is marked for the cache, unless the caller marked anything",
        "unmarked prompts get a mark",
    ),
    "disable": ("Disable", "every mark for the prompt cache is taken out", "marks are taken out"),
}
"""What each mode is called, what it does, and that in so few words that a phone shows them."""


def table_of(
    rows: Sequence[CacheRule],
    keys: Mapping[str, str],
    people: Mapping[str, str],
    may: Mapping[str, bool],
) -> Table:
    """Return the table of rules, in the order in which they are tried; ``may`` has update and delete."""
    return Table(
        "cache-rules",
        "Cache rules",
        COLUMNS,
        [_row(row, sentence(row.matchers, row.mode, keys, people), may) for row in rows],
        "No rule yet: a call has the mode of its key, else its marks are respected.",
        "The first that matches decides. A caller's own X-LangWatch-Cache header comes before all of them.",
    )


def _row(row: CacheRule, does: str, may: Mapping[str, bool]) -> Row:
    path = f"{HERE}/{row.id}"
    edit = Action("pencil", f"Edit {row.name}", f"{path}/edit")
    archive = Action(
        "archive",
        f"Archive {row.name}",
        post=f"{path}/archive",
        title=f"Archive {row.name}?",
        body="It matches no call any more, within seconds.",
        yes="Archive",
    )
    cells = (
        Cell(row.name, note=row.description),
        Cell(f"{row.priority:,}"),
        Cell(does),
        Cell("In force", "badge", "positive") if row.enabled else Cell("Off", "badge"),
    )
    actions = (*([edit] if may["update"] else []), *([archive] if may["delete"] else []))
    return Row(row.id, cells, actions, is_off=not row.enabled)


def sentence(
    matchers: Mapping[str, Any], mode: str, keys: Mapping[str, str], people: Mapping[str, str]
) -> str:
    """Return what a rule does, in words."""
    key, person = matchers.get("vk_id"), matchers.get("principal_id")
    parts = []
    if key:
        parts.append(f"with the key {keys.get(key, key)}")
    if matchers.get("vk_prefix"):
        parts.append(f"with keys that start with {matchers['vk_prefix']}")
    if matchers.get("vk_tags"):
        parts.append(f"with keys tagged {' and '.join(matchers['vk_tags'])}")
    if person:
        parts.append(f"with keys of {people.get(person, person)}")
    if matchers.get("model"):
        parts.append(f"to models like {matchers['model']}")
    for name, value in (matchers.get("request_metadata") or {}).items():
        parts.append(f"with the header {name}: {value}")
    return f"Calls {', '.join(parts)}: {MODES[mode][1] if mode in MODES else mode}."


def fields_of() -> list[Field]:
    """Return the controls."""
    least, most = PRIORITIES
    return [
        Field("name", "Name", attrs=_OFF),
        Field(
            "mode",
            "What it does",
            "select",
            options=[(mode, f"{name}: {brief}") for mode, (name, _, brief) in MODES.items()],
        ),
        Field(
            "priority",
            "Priority",
            "number",
            "The highest is tried first; of equals the older.",
            attrs={"min": str(least), "max": str(most)},
        ),
        Field(
            "model",
            "Models like",
            help="Such as claude-* or anthropic/*.",
            required=False,
            attrs=_OFF,
        ),
        Field(
            "vk_tags",
            "Tags of the key",
            "lines",
            "One a line; the key must have all.",
            required=False,
        ),
        Field("key", "Virtual key", help="Its name or its id.", required=False, attrs=_OFF),
        Field("vk_prefix", "The key starts with", required=False, attrs=_OFF),
        Field("person", "Keys of the person", "email", "An e-mail address.", required=False),
        Field(
            "request_metadata",
            "Headers of the call",
            "lines",
            "One a line: Name: value.",
            required=False,
        ),
        Field("description", "Description", required=False, attrs=_OFF),
        Field("enabled", "In force", "checkbox"),
    ]


def values_of(row: CacheRule, keys: Mapping[str, str], people: Mapping[str, str]) -> dict[str, Any]:
    """Return what stands in the controls over a stored rule."""
    matchers: dict[str, Any] = row.matchers
    headers = matchers.get("request_metadata") or {}
    key, person = matchers.get("vk_id", ""), matchers.get("principal_id", "")
    return {
        "name": row.name,
        "mode": row.mode,
        "priority": row.priority,
        "model": matchers.get("model", ""),
        "vk_tags": "\n".join(matchers.get("vk_tags") or ()),
        "key": keys.get(key, key),
        "vk_prefix": matchers.get("vk_prefix", ""),
        "person": people.get(person, person),
        "request_metadata": "\n".join(f"{name}: {value}" for name, value in headers.items()),
        "description": row.description,
        "enabled": row.enabled,
    }


def typed_rule(
    values: Mapping[str, Any], key_id: str, person_id: str, errors: dict[str, str]
) -> NewCacheRule:
    """Return the rule as typed; lines that can't be read are complained about in ``errors``."""
    headers: dict[str, str] = {}
    for line in filter(str.strip, values["request_metadata"].splitlines()):
        name, mark, value = line.partition(":")
        if not mark or not name.strip() or not value.strip():
            errors["request_metadata"] = f"Write {line.strip()[:60]} as Name: value."
        headers[name.strip()] = value.strip()
    number = values["priority"]
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        errors["priority"] = "Give a whole number."
        number = "0"
    matchers = {
        "vk_id": key_id,
        "vk_tags": [line.strip() for line in values["vk_tags"].splitlines() if line.strip()],
        "vk_prefix": values["vk_prefix"],
        "principal_id": person_id,
        "model": values["model"],
        "request_metadata": headers,
    }
    return NewCacheRule(
        values["name"],
        matchers,
        values["mode"],
        int(number),
        values["description"],
        values["enabled"] == "1",
    )


def errors_by_control(errors: Mapping[str, str]) -> dict[str, str]:
    """Return complaints under the names of the controls; one about matchers begins with or holds a matcher's name."""
    found = dict(errors)
    sentence_ = found.pop("matchers", "")
    if sentence_:
        first = sentence_.partition(" ")[0]
        control = {"vk_id": "key", "principal_id": "person", "Calls": "request_metadata"}.get(
            first, first
        )
        is_own = control in {each.name for each in fields_of()}
        found[control if is_own else "model"] = (
            sentence_ if is_own else "Say which calls: fill in one of these."
        )
    return found
