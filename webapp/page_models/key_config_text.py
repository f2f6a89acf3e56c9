"""Parts of a virtual key's configuration as text in a form's controls, and back. Judges only what can't be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

RATES: Mapping[str, str] = {
    "rpm": "Requests a minute",
    "tpm": "Tokens a minute",
    "rpd": "Requests a day",
}
Guardrails = dict[str, list[str]]
_FOR = " @ "


def lines_of(text: str) -> list[str]:
    """Return the lines that hold something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def number(values: Mapping[str, Any], name: str, errors: dict[str, str]) -> int | None:
    """Return a whole number, None for an empty control, or note that it is none."""
    text = str(values.get(name) or "").replace(",", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        return int(text)
    errors[name] = "Give a whole number."
    return None


def aliases_text(aliases: Mapping[str, Any]) -> str:
    """Return model aliases, one a line; one that means a model a provider is a line for each."""
    found = []
    for alias, meant in aliases.items():
        if isinstance(meant, str):
            found.append(f"{alias} = {meant}")
        else:
            found += [f"{alias}{_FOR}{provider} = {model}" for provider, model in meant.items()]
    return "\n".join(found)


def aliases_of(text: str, errors: dict[str, str]) -> dict[str, Any]:
    """Return model aliases from their lines, or note the first line that can't be read."""
    found: dict[str, Any] = {}
    for line in lines_of(text):
        left, mark, model = (part.strip() for part in line.partition("="))
        alias, at, provider = (part.strip() for part in left.partition(_FOR))
        if not mark or not alias or not model or (at and not provider):
            errors["model_aliases"] = f'Write "{line[:80]}" as alias = provider/model.'
            return {}
        before = found.get(alias)
        if before is not None and not (at and isinstance(before, dict) and provider not in before):
            errors["model_aliases"] = f"{alias} has two meanings."
            return {}
        found[alias] = {**(before or {}), provider: model} if at else model
    return found


def attachments(guardrails: Mapping[str, Iterable[str]]) -> list[str]:
    """Return attached guardrails as ``direction:id``."""
    return [f"{direction}:{each}" for direction, ids in guardrails.items() for each in ids]


def attached(chosen: Iterable[str]) -> Guardrails:
    """Return guardrails by direction, in the order in which they were chosen."""
    found: Guardrails = {}
    for pair in chosen:
        direction, _, guardrail_id = pair.partition(":")
        found.setdefault(direction, []).append(guardrail_id)
    return found
