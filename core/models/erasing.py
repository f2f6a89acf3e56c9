"""Who asked to be forgotten: what is done at once, and what the streamer still has to do in the lake."""

from peewee import TextField

from core.database import Model
from core.fields import UtcField


class Erasure(Model):
    """A person's erasure. The address and the name stay only until the lake has forgotten them."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    user_id = TextField(unique=True)
    pseudonym = TextField()
    email = TextField(default="")
    name = TextField(default="")
    address_hash = TextField()
    """Peppered, so that asking twice for one address finds that it is done already."""
    requested_by_id = TextField()
    requested_at = UtcField()
    finished_at = UtcField(null=True)
