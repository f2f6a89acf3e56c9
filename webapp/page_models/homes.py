"""What a rule applies to, as one choice of a form: the whole organization, a team or a project. Looks nothing up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from webapp.page_models.settings_pages import Table

WHOLE = "Whole organization"
ORGANIZATION = "organization"
Names = Mapping[tuple[str, str], str]
"""Labels of teams and projects by scope and id."""


def choice_of(scope: str, scope_id: str) -> str:
    """Return the value of the choice that stands for a scope."""
    return ORGANIZATION if scope == ORGANIZATION else f"{scope}:{scope_id}"


def chosen(value: str, organization_id: str) -> tuple[str, str]:
    """Return the scope and its id that a choice stands for; what is no choice has a scope that nobody knows."""
    scope, _, scope_id = value.partition(":")
    return scope, organization_id if scope == ORGANIZATION else scope_id


def options(names: Names, has_whole: bool = True) -> list[tuple[str, str]]:
    """Return the choices: the organization, where it may be chosen, then what ``names`` holds, in its order."""
    whole = [(ORGANIZATION, WHOLE)] if has_whole else []
    return [*whole, *((choice_of(*key), label) for key, label in names.items())]


def label(scope: str, scope_id: str, names: Names) -> str:
    """Return how a scope is written on a page."""
    if scope == ORGANIZATION:
        return WHOLE
    return names.get((scope, scope_id), f"{scope.capitalize()} {scope_id}")


def errors_by_control(errors: Mapping[str, str]) -> dict[str, str]:
    """Return complaints under the names of the controls: those about a scope are about the choice."""
    names = {"scope": "applies_to", "scope_id": "applies_to"}
    return {names.get(name, name): sentence for name, sentence in errors.items()}


def of_some(table: Table) -> Table:
    """Return a table for somebody who sees what stands in their teams and projects, and not what holds for all."""
    caption = "What is set for your teams and projects is shown, not what holds for the whole organization."
    return replace(table, caption=caption, empty="Nothing is set for your teams and projects.")
