"""What the pages about guardrails show: the list, the form by type, what a detector finds in a text. Reads nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.authoring.guardrails import NewGuardrail
from core.models import Guardrail
from core.secrets import Secret
from rules.guardrails.injection import DEFAULT_THRESHOLD
from rules.guardrails.language import LANGUAGES
from rules.guardrails.matches import Match, redacted
from rules.guardrails.personal_data import KINDS
from rules.guardrails.types import (
    DEFAULT_TIMEOUT_MS,
    EVALUATOR,
    REQUEST,
    RESPONSE,
    STREAM_CHUNK,
    TYPES,
    Guard,
)
from webapp.page_models import homes
from webapp.page_models.settings_pages import Action, Cell, Field, FormPage, Row, Table

HERE = "/settings/guardrails"
COLUMNS = (
    "Guardrail",
    "Type",
    "Applies to",
    "Looks at",
    "When it finds something",
    "When it can't look",
)
DIRECTIONS: Mapping[str, str] = {
    REQUEST: "Requests",
    RESPONSE: "Answers",
    STREAM_CHUNK: "Streamed answers",
}
_ACTIONS = {"block": "Block the call", "redact": "Replace it and go on"}
_FAILURES = {
    "fail_closed": "Refuse the call: safety first",
    "fail_open": "Let it pass, and say so in a header",
}
_KIND_NAMES = {
    "email": "E-mail addresses",
    "phone": "Telephone numbers",
    "card": "Payment cards",
    "iban": "IBANs",
    "us_ssn": "US social security numbers",
    "uk_nino": "UK national insurance numbers",
    "de_tax_id": "German tax numbers",
    "fr_nir": "French social security numbers",
    "es_dni": "Spanish identity numbers",
    "it_fiscal_code": "Italian tax codes",
}
_OFF = {"autocomplete": "off", "spellcheck": "false"}
SAMPLE_CHARACTERS = 20_000
_INTEGERS = ("max_characters", "timeout_ms", "window_characters", "overlap_characters")
_SETTINGS: Mapping[str, Field] = {
    "kinds": Field(
        "kinds", "What is looked for", "checks", options=[(k, _KIND_NAMES.get(k, k)) for k in KINDS]
    ),
    "keywords": Field("keywords", "Words and phrases", "lines", "One a line."),
    "case_sensitive": Field("case_sensitive", "Upper and lower case differ", "checkbox"),
    "whole_words": Field("whole_words", "Whole words only", "checkbox"),
    "patterns": Field("patterns", "Patterns", "lines", "One RE2 pattern a line."),
    "label": Field(
        "label",
        "Label",
        help="What stands in the place of a match: [REDACTED:LABEL]. Empty for PATTERN.",
        required=False,
        attrs=_OFF,
    ),
    "threshold": Field(
        "threshold",
        "Threshold",
        "number",
        f"Above 0 and at most 1; less finds more. Empty for {DEFAULT_THRESHOLD}.",
        required=False,
        attrs={"min": "0", "max": "1", "step": "any"},
    ),
    "max_characters": Field(
        "max_characters", "Longest text", "number", unit="characters", attrs={"min": "1"}
    ),
    "allowed": Field(
        "allowed",
        "Languages allowed",
        "checks",
        "A text whose language can't be told passes.",
        [(code, code) for code in LANGUAGES],
    ),
    "url": Field("url", "Address", "url", "Each text is posted there, signed.", attrs=_OFF),
    "timeout_ms": Field(
        "timeout_ms",
        "Longest wait",
        "number",
        f"Empty for {DEFAULT_TIMEOUT_MS} ms.",
        required=False,
        unit="ms",
    ),
}
_WINDOWS = (
    Field(
        "window_characters",
        "Window of a stream",
        "number",
        "How much is judged at once. Empty for the usual.",
        required=False,
        unit="characters",
    ),
    Field(
        "overlap_characters",
        "Overlap",
        "number",
        "How much of it is held back and judged again: the longest thing that must be found whole.",
        required=False,
        unit="characters",
    ),
)


@dataclass(frozen=True, slots=True)
class GuardrailForm:
    """A guardrail's form: the generic part, where its type is chosen, and what the try came to."""

    form: FormPage
    guardrail_id: str
    type: str
    sample: str = ""
    found: Found | None = None
    problem: str = ""
    """Why the try could not be made."""

    @property
    def types(self) -> list[tuple[str, str]]:
        """Every type with its title."""
        return [(name, one.title) for name, one in TYPES.items()]

    @property
    def main(self) -> list[Field]:
        """The controls that always stand there."""
        return [each for each in self.form.fields if each not in _WINDOWS]

    @property
    def more(self) -> list[Field]:
        """The controls behind the fold."""
        return [each for each in self.form.fields if each in _WINDOWS]

    @property
    def has_more(self) -> bool:
        """Something stands behind the fold, or is wrong there."""
        return any(self.form.value(f.name) or self.form.error(f.name) for f in self.more)

    @property
    def is_asked(self) -> bool:
        """Its texts go to a service of somebody's own."""
        return self.type == EVALUATOR


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector found in a text: the text in pieces with labels, and what would become of it."""

    pieces: Sequence[tuple[str, str]]
    labels: Sequence[str]
    outcome: str


May = Callable[[str, Guardrail], bool]


def table_of(rows: Sequence[Guardrail], names: homes.Names, may: May) -> Table:
    """Return the table of guardrails; ``may`` says who may update and delete each."""
    return Table(
        "guardrails",
        "Guardrails",
        COLUMNS,
        [
            _row(row, homes.label(row.scope, row.scope_id, names), may)
            for row in sorted(rows, key=lambda one: one.name.lower())
        ],
        "No guardrail yet: texts pass as they are.",
        "Automatic ones look at every key's calls where they apply; the others at those of keys that name them.",
    )


def _row(row: Guardrail, where: str, may: May) -> Row:
    path = f"{HERE}/{row.id}"
    archive = Action(
        "archive",
        f"Archive {row.name}",
        post=f"{path}/archive",
        title=f"Archive {row.name}?",
        body="It looks at no call any more, within seconds. Keys that name it go on without it.",
        yes="Archive",
    )
    edit = Action("pencil", f"Edit {row.name}", f"{path}/edit")
    attached = ("Automatic", "positive") if row.is_automatic else ("By key", "")
    cells = (
        Cell(
            row.name,
            note=row.description,
            badges=(attached, *(() if row.enabled else (("Off", ""),))),
        ),
        Cell(TYPES[row.type].title if row.type in TYPES else row.type),
        Cell(where),
        Cell(", ".join(DIRECTIONS[each] for each in row.directions)),
        Cell(
            *(("Blocks", "badge", "critical") if row.action == "block" else ("Replaces", "badge"))
        ),
        Cell("Passes" if row.on_failure == "fail_open" else "Refuses"),
    )
    actions = (*([edit] if may("update", row) else []), *([archive] if may("delete", row) else []))
    return Row(row.id, cells, actions, is_off=not row.enabled)


def fields_of(type_name: str, scopes: Sequence[tuple[str, str]], is_stored: bool) -> list[Field]:
    """Return the controls for a type; a stored evaluator keeps its secret unless another is typed."""
    kind = TYPES[type_name]
    actions = [pair for pair in _ACTIONS.items() if pair[0] == "block" or kind.can_redact]
    own = [_SETTINGS[name] for name in kind.settings]
    if type_name == EVALUATOR:
        kept = "Empty keeps the one that is stored. " if is_stored else ""
        own.append(
            Field(
                "secret",
                "Secret",
                "password",
                f"{kept}16 to 256 characters; calls are signed with it.",
                required=not is_stored,
                attrs={"autocomplete": "new-password"},
            )
        )
    return [
        Field("name", "Name", help="Shown to callers whose calls it blocks.", attrs=_OFF),
        *own,
        Field("directions", "Looks at", "checks", options=list(DIRECTIONS.items())),
        Field("action", "When it finds something", "select", options=actions),
        Field(
            "on_failure",
            "When it can't look",
            "select",
            "A text that can't be read, or a service that does not answer.",
            list(_FAILURES.items()),
        ),
        Field("applies_to", "Applies to", "select", options=scopes),
        Field(
            "is_automatic",
            "For every key there",
            "checkbox",
            "Otherwise it looks only at the calls of keys that name it.",
        ),
        Field("description", "Description", required=False, attrs=_OFF),
        Field("enabled", "In force", "checkbox"),
        *_WINDOWS,
    ]


def first_values(type_name: str) -> dict[str, Any]:
    """Return what stands in the controls of a new guardrail."""
    return {
        "directions": [REQUEST],
        "action": "redact" if type_name == "pii" else "block",
        "on_failure": "fail_closed",
        "applies_to": homes.ORGANIZATION,
        "is_automatic": True,
        "enabled": True,
        "whole_words": True,
        "kinds": list(KINDS),
        "allowed": ["en"],
    }


def values_of(row: Guardrail) -> dict[str, Any]:
    """Return what stands in the controls over a stored guardrail; nothing of its secret."""
    values: dict[str, Any] = {"whole_words": True, "kinds": list(KINDS)}
    for name, value in row.settings.items():
        is_lines = isinstance(value, list) and name in ("keywords", "patterns")
        values[name] = "\n".join(value) if is_lines else value
    names = ("name", "description", "directions", "action", "on_failure", "is_automatic", "enabled")
    return {
        **values,
        **{name: getattr(row, name) for name in names},
        "applies_to": homes.choice_of(row.scope, row.scope_id),
    }


def typed_guardrail(
    type_name: str, values: Mapping[str, Any], where: tuple[str, str], errors: dict[str, str]
) -> NewGuardrail:
    """Return the guardrail as typed; numbers that are none are complained about in ``errors``."""
    secret = str(values.get("secret", ""))
    return NewGuardrail(
        values["name"],
        *where,
        type_name,
        typed_settings(type_name, values, errors),
        tuple(values["directions"]),
        values["action"],
        values["on_failure"],
        values["is_automatic"] == "1",
        values["enabled"] == "1",
        values["description"],
        Secret(secret) if secret else None,
    )


def typed_settings(
    type_name: str, values: Mapping[str, Any], errors: dict[str, str]
) -> dict[str, Any]:
    """Return the settings as typed; an empty one that has a usual value is left out."""
    settings: dict[str, Any] = {}
    for name in (*TYPES[type_name].settings, "window_characters", "overlap_characters"):
        value = values.get(name, "")
        if name in ("keywords", "patterns"):
            settings[name] = [line.strip() for line in value.splitlines() if line.strip()]
        elif name in ("case_sensitive", "whole_words"):
            settings[name] = value == "1"
        elif value and name in (*_INTEGERS, "threshold"):
            settings[name] = _number(name, value, errors)
        elif value or name in ("kinds", "allowed"):
            settings[name] = value
    return settings


def _number(name: str, text: str, errors: dict[str, str]) -> int | float:
    try:
        return int(text) if name in _INTEGERS else float(text)
    except ValueError:
        errors[name] = "This is not a number." if name == "threshold" else "Give a whole number."
        return 0


def errors_by_control(errors: Mapping[str, str]) -> dict[str, str]:
    """Return complaints under the names of the controls; one about settings begins with the setting's name."""
    found: dict[str, str] = {}
    for name, sentence in homes.errors_by_control(errors).items():
        control = name
        if name == "settings":
            first = sentence.partition(" ")[0]
            named = {"The": "window_characters"}.get(first, first)
            # A pattern that is none begins with itself.
            control = named if named in (*_SETTINGS, "window_characters") else "patterns"
        found.setdefault(control, sentence)
    return found


def found_in(guard: Guard, text: str) -> Found:
    """Return what a guardrail finds in a text, by the code that looks at calls."""
    matches = guard.search(text)
    labels = list(dict.fromkeys(match.label for match in matches))
    if not matches:
        return Found([(text, "")], [], "The text would pass as it is.")
    if guard.action == "block":
        return Found(_pieces(text, matches), labels, "The call would be blocked.")
    return Found(_pieces(text, matches), labels, f"It would go on as: {redacted(text, matches)}")


def _pieces(text: str, matches: Sequence[Match]) -> list[tuple[str, str]]:
    pieces, kept = [], 0
    for match in matches:
        pieces += [(text[kept : match.start], ""), (text[match.start : match.end], match.label)]
        kept = match.end
    pieces.append((text[kept:], ""))
    return [(piece, label) for piece, label in pieces if piece]
