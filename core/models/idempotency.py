"""What creates have answered, so that one that is repeated answers the same and creates nothing."""

from peewee import AutoField, IntegerField, TextField

from core.database import Model
from core.fields import UtcField


class IdempotencyKey(Model):
    """One create that was asked for under a key of the caller's choice. The answer may hold a one-time secret."""

    id = AutoField()
    organization_id = TextField()
    caller_id = TextField()
    key = TextField()
    """Of the caller's choice; unique for a caller."""
    fingerprint = TextField()
    """The hash of method, path and body: the same key with another request is a mistake."""
    status = IntegerField()
    sealed_answer = TextField()
    created_at = UtcField()

    class Meta:
        table_name = "idempotency_key"
        indexes = (
            (("organization_id", "caller_id", "key"), True),
            (("created_at",), False),
        )
