"""Keeps the words by which keys and people are found. Call in the transaction that writes the row they are of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.bulk import insert_new
from core.models import SearchWord, User, VirtualKey
from rules.keys import without_prefix
from rules.words import words_of

KEY, PERSON = "virtual_key", "person"
_COLUMNS = ("organization_id", "kind", "word", "target_id")


def note_key(row: VirtualKey) -> None:
    """Let a key be found by its name, its tags and the beginning of its secret."""
    _note(row.id, key_words(row.organization_id, row.id, row.name, row.display_prefix, row.tags))


def note_person(organization_id: str, user: User) -> None:
    """Let a person be found by name and e-mail address, in one organization and in no other any more."""
    _note(user.id, person_words(organization_id, user.id, user.name, user.email))


def key_words(
    organization_id: str, key_id: str, name: str, prefix: str, tags: Iterable[str]
) -> list[tuple[Any, ...]]:
    """Return the rows of a key."""
    words = words_of(name, without_prefix(prefix), *tags)
    return [(organization_id, KEY, word, key_id) for word in words]


def person_words(
    organization_id: str, user_id: str, name: str, email: str
) -> list[tuple[Any, ...]]:
    """Return the rows of a person."""
    return [(organization_id, PERSON, word, user_id) for word in words_of(name, email)]


def insert_words(rows: Iterable[tuple[Any, ...]]) -> None:
    """Write the rows of things that had none."""
    insert_new(SearchWord, _COLUMNS, rows)


def _note(target_id: str, rows: list[tuple[Any, ...]]) -> None:
    words: Any = SearchWord
    words.delete().where(words.target_id == target_id).execute()
    insert_words(rows)
