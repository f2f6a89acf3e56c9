"""Finds keys and people by the words they are found by: a range of an index, however many there are.

Of several words the rarest is looked for and the others are asked of what it found. Where even that is in very many,
a list is read in its own order until a page is full, which it then soon is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

from peewee import SQL, Select, fn

from core.authoring.search_words import KEY, PERSON
from core.models import SearchWord, VirtualKey
from rules.keys import without_prefix
from rules.words import beginning_with, words_of

MOST_FOUND = 1000
"""Where the rarest word is in more than so many, they are not gathered before the list is read."""
MOST_WORDS = 6

Words = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Found:
    """What has all of the words: ``ids``, or a condition for the query of the list when those are too many."""

    ids: list[str] | None
    kind: str
    organization_id: str
    words: Words

    def among(self, column: Any) -> Any:
        """Return the condition that a column holds the id of something found."""
        if self.ids is not None:
            return column.in_(self.ids)
        return reduce(and_, (fn.EXISTS(_having(self, word, column)) for word in self.words))


def people_found(organization_id: str, text: str) -> Found:
    """Return the people with all the words of a text, in two statements."""
    return _found(organization_id, PERSON, text)


def keys_found(organization_id: str, text: str) -> Any:
    """Return the condition that a key has all the words of a text, or its owner has; in five statements at most."""
    own = _found(organization_id, KEY, text)
    owners = _found(organization_id, PERSON, text)
    theirs = _keys_of(organization_id, owners)
    if own.ids is not None and theirs is not None:
        return VirtualKey.id.in_([*own.ids, *theirs])
    within = VirtualKey.organization_id == organization_id
    return within & (own.among(VirtualKey.id) | owners.among(VirtualKey.principal_user_id))


def _found(organization_id: str, kind: str, text: str) -> Found:
    words = words_of(*(without_prefix(each) for each in text.split()))[:MOST_WORDS]
    counts = _counts(organization_id, kind, words)
    if not words or min(counts) == 0:
        return Found([], kind, organization_id, words)
    rarest = words[counts.index(min(counts))]
    found = Found(None, kind, organization_id, words)
    if min(counts) > MOST_FOUND:
        return found
    query = SearchWord.select(SearchWord.target_id).where(*_range(found, rarest)).distinct()
    for word in words:
        if word != rarest:
            query = query.where(fn.EXISTS(_having(found, word, SearchWord.target_id)))
    rows: Any = query.tuples()
    return Found([target_id for (target_id,) in rows], kind, organization_id, words)


def _counts(organization_id: str, kind: str, words: Words) -> list[int]:
    """Return how many rows begin with each word, counted no further than is looked for; one statement."""
    if not words:
        return []
    found = Found(None, kind, organization_id, words)
    counts = []
    for word in words:
        few = SearchWord.select(SQL("1").alias("one")).where(*_range(found, word))
        counts.append(Select((few.limit(MOST_FOUND + 1),), (fn.COUNT(SQL("*")),)))
    row: Any = Select(columns=counts).bind(SearchWord._meta.database).tuples().execute()
    return list(next(iter(row)))


def _range(found: Found, word: bytes, rows: Any = SearchWord) -> list[Any]:
    least, bound = beginning_with(word)
    return [
        rows.organization_id == found.organization_id,
        rows.kind == found.kind,
        rows.word >= least,
        rows.word < bound,
    ]


def _having(found: Found, word: bytes, column: Any) -> Any:
    other = SearchWord.alias()
    least, bound = beginning_with(word)
    return other.select(SQL("1")).where(
        other.target_id == column, other.kind == found.kind, other.word >= least, other.word < bound
    )


def _keys_of(organization_id: str, owners: Found) -> list[str] | None:
    """Return the keys of some people; None when they are too many."""
    if owners.ids is None:
        return None
    rows: Any = (
        VirtualKey.select(VirtualKey.id)
        .where(
            VirtualKey.organization_id == organization_id,
            VirtualKey.principal_user_id.in_(owners.ids),
        )
        .limit(MOST_FOUND + 1)
        .tuples()
    )
    ids = [key_id for (key_id,) in rows]
    return ids if len(ids) <= MOST_FOUND else None
