"""Organizations, people, teams and projects: who acts, and on whose account."""

from peewee import BooleanField, IntegerField, TextField

from core.database import Model
from core.fields import UtcField


class Organization(Model):
    """The tenant. Every other row belongs to exactly one, directly or through its parent."""

    id = TextField(primary_key=True)
    name = TextField()
    slug = TextField(unique=True)
    support_contact = TextField(default="")
    """Where people turn to: an e-mail address, a URL or a sentence."""
    max_session_days = IntegerField(default=0)
    """How long a sign-in holds at most; 0 sets no bound."""
    is_capture_allowed = BooleanField(default=True)
    """Whether keys may keep prompts and answers at all."""
    content_mode = TextField(default="full")
    """full, strip_io or strip_all: what is dropped of prompts and answers wherever they enter."""
    sealed_request_channel = TextField(null=True)
    """The address of the Slack webhook that tells of requests for more; it is as good as a password there."""
    revision = IntegerField(default=1)
    created_at = UtcField()


class User(Model):
    """A person who can sign in. ``session_epoch`` goes up to end every browser session at once."""

    id = TextField(primary_key=True)
    email = TextField(unique=True)
    """Lower case."""
    name = TextField()
    password_hash = TextField(null=True)
    session_epoch = IntegerField(default=0)
    failed_sign_ins = IntegerField(default=0)
    locked_until = UtcField(null=True)
    landing = TextField(default="auto")
    """Where the start address leads: auto, personal, project or governance."""
    created_at = UtcField()
    deactivated_at = UtcField(null=True)


class Member(Model):
    """A user's place in an organization; ``role`` is admin, member or external."""

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    user_id = TextField(index=True)
    role = TextField()
    department_id = TextField(null=True)
    external_id = TextField(null=True)
    """What the directory that provisions this person calls them."""
    revision = IntegerField(default=1)
    """Goes up with every change of the person or their place here."""
    disabled_at = UtcField(null=True)
    created_at = UtcField()

    class Meta:
        indexes = (
            (("organization_id", "user_id"), True),
            (("organization_id", "id"), False),
        )


class Team(Model):
    """A group of people and projects."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    name = TextField()
    slug = TextField()
    is_personal = BooleanField(default=False)
    owner_user_id = TextField(null=True)
    department_id = TextField(null=True)
    revision = IntegerField(default=1)
    created_at = UtcField()
    archived_at = UtcField(null=True)

    class Meta:
        indexes = ((("organization_id", "slug"), True),)


class Project(Model):
    """Where traffic is booked. ``kind`` is application or internal_governance."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    team_id = TextField(index=True)
    name = TextField()
    slug = TextField()
    kind = TextField(default="application")
    is_personal = BooleanField(default=False)
    owner_user_id = TextField(null=True)
    department_id = TextField(null=True)
    revision = IntegerField(default=1)
    created_at = UtcField()
    archived_at = UtcField(null=True)

    class Meta:
        indexes = ((("organization_id", "slug"), True),)


class OneTimeLink(Model):
    """A link that works once: only its hash is kept. ``kind`` is setup or password."""

    id = TextField(primary_key=True)
    kind = TextField(index=True)
    organization_id = TextField()
    user_id = TextField(null=True)
    token_hash = TextField(unique=True)
    created_at = UtcField()
    expires_at = UtcField()
    used_at = UtcField(null=True)
