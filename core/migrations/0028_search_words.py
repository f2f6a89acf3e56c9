"""The words by which keys and people are found, and those of all that are there.

A frozen copy of the tables as they were, and of how words are made; both may have moved on."""

import re
import unicodedata
from collections.abc import Iterable

from peewee import BlobField, CompositeKey, Model, TextField, chunked

from core.fields import JsonField

_WORD = re.compile(r"[^\W_]+")
_PREFIX = re.compile(r"^(lw_vk_live_|lw_vk_test_|vk-lw-live_|vk-lw-test_|vk-lw-)")
_COLUMNS = ("organization_id", "kind", "word", "target_id")
_ROWS = 500


def up(migrator, db):
    class SearchWord(Model):
        organization_id = TextField()
        kind = TextField()
        word = BlobField()
        target_id = TextField(index=True)

        class Meta:
            database = db
            table_name = "search_word"
            primary_key = CompositeKey("organization_id", "kind", "word", "target_id")

    class Key(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        name = TextField()
        display_prefix = TextField()
        tags = JsonField()

        class Meta:
            database = db
            table_name = "virtual_key"

    def words(*texts: str) -> list[bytes]:
        plain = unicodedata.normalize("NFKD", " ".join(texts)).casefold()
        bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
        return sorted({word.encode()[:64] for word in _WORD.findall(bare)})

    def add(found: Iterable[tuple[str, str, bytes, str]]) -> None:
        for some in chunked([dict(zip(_COLUMNS, row, strict=True)) for row in found], _ROWS):
            SearchWord.insert_many(some).execute()

    db.create_tables([SearchWord])
    people = db.execute_sql(
        'SELECT m.organization_id, u.id, u.name, u.email FROM member m JOIN "user" u ON u.id = m.user_id'
    ).fetchall()
    add((home, "person", word, one) for home, one, *texts in people for word in words(*texts))
    last, keys = "", None
    while keys is None or len(keys) == _ROWS:
        keys = list(Key.select().where(Key.id > last).order_by(Key.id).limit(_ROWS))
        last = keys[-1].id if keys else last
        add(
            (key.organization_id, "virtual_key", word, key.id)
            for key in keys
            for word in words(key.name, _PREFIX.sub("", key.display_prefix), *(key.tags or ()))
        )
