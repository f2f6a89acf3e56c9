"""The words by which keys and people are found: a row a word, so that a search is a range of an index."""

from peewee import BlobField, CompositeKey, TextField

from core.database import Model


class SearchWord(Model):
    """A word of a key's or a person's texts; ``kind`` is virtual_key or person. Written with the row it is of.

    Words are stored as bytes: those that begin alike then stand beside each other whatever the database's language.
    """

    organization_id = TextField()
    kind = TextField()
    word = BlobField()
    target_id = TextField(index=True)

    class Meta:
        primary_key = CompositeKey("organization_id", "kind", "word", "target_id")
