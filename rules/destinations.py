"""Where alerts may be sent: brings the accepted spellings into one list. Pure; nothing is sealed or sent here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DESTINATIONS = 10
_TEXT_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class DestinationType:
    """One type of destination. All its fields are sealed before they are stored."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """The fields that hold an outbound address."""

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields, in the order in which they are kept."""
        return self.required + self.optional


DELIVERED: Mapping[str, DestinationType] = {
    row.name: row for row in (DestinationType("slack", ("webhookUrl",), (), ("webhookUrl",)),)
}
"""The types that the streamer delivers to. No other type is taken: a rule must not seem to alert and stay silent."""

Destination = dict[str, str]


def normalised(value: Any) -> tuple[list[Destination], list[str]]:
    """Return destinations as a list of flat objects with a ``type``, and what is wrong, one sentence each.

    Taken are a list, ``{"destinations": [...]}``, and an object keyed by type; nothing at all means that
    an alert is only recorded.
    """
    entries, errors = _entries(value)
    if len(entries) > DESTINATIONS:
        errors.append(f"Use at most {DESTINATIONS} destinations.")
    found = []
    for entry in entries:
        destination, wrong = _checked(entry)
        errors.extend(wrong)
        if not wrong:
            found.append(destination)
    return found, errors


def _entries(value: Any) -> tuple[list[Mapping[str, Any]], list[str]]:
    if value is None or value == {} or value == []:
        return [], []
    if isinstance(value, Mapping) and "destinations" in value:
        extra = [
            f"`{name}` does not belong beside `destinations`."
            for name in value
            if name != "destinations"
        ]
        entries, errors = _entries(value["destinations"])
        return entries, errors + extra
    if isinstance(value, Mapping):
        if not all(isinstance(entry, Mapping) for entry in value.values()):
            return [], ["Each destination is an object."]
        return [{**entry, "type": name} for name, entry in value.items()], []
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if not all(isinstance(entry, Mapping) for entry in value):
            return [], ["Each destination is an object."]
        return list(value), []
    return [], ["Destinations are a list of objects, each with a `type`."]


def _checked(entry: Mapping[str, Any]) -> tuple[Destination, list[str]]:
    known = DELIVERED.get(str(entry.get("type", "")))
    if known is None:
        return {}, [f"A destination's `type` is one of: {', '.join(DELIVERED)}."]
    errors = [
        f"`{name}` is not a field of a {known.name} destination."
        for name in entry
        if name not in (*known.fields, "type")
    ]
    for name in known.fields:
        errors.extend(_field_errors(known, name, entry.get(name)))
    destination = {name: entry[name] for name in known.fields if entry.get(name)}
    return {"type": known.name, **destination}, errors


def _field_errors(known: DestinationType, name: str, value: Any) -> list[str]:
    if value is None or value == "":
        return [f"A {known.name} destination needs `{name}`."] if name in known.required else []
    if not isinstance(value, str) or len(value) > _TEXT_CHARACTERS:
        return [f"`{name}` is a text of up to {_TEXT_CHARACTERS} characters."]
    return []
