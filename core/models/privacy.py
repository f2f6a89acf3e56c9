"""Privacy rules and retention policies: what may be kept of people's words, and for how long."""

from peewee import BooleanField, IntegerField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class PrivacyRule(Model):
    """What is dropped or redacted before it is stored, and who may read it, at an organization, a department, a team or
    a project."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    scope = TextField()
    scope_id = TextField()
    is_personal_only = BooleanField(default=False)
    """Only personal projects; for an organization's and a department's rules."""
    input = TextField(default="")
    """capture, restrict, drop, or empty where the rule leaves it to a wider one."""
    output = TextField(default="")
    system = TextField(default="")
    tool_calls = TextField(default="")
    drop_keys = JsonField(default=list)
    """Names of fields, with ``*`` and ``?``, whose values are dropped."""
    secret_patterns = JsonField(default=list)
    personal_data = TextField(default="")
    """redact, keep, or empty where the rule leaves it to a wider one."""
    secrets = TextField(default="")
    audience = JsonField(default=list)
    """Who may read what the rule restricts: admins, members, group:<id>, department:<id>; empty is nobody."""
    revision = IntegerField(default=1)
    created_at = UtcField()
    updated_at = UtcField()

    class Meta:
        indexes = ((("organization_id", "scope", "scope_id", "is_personal_only"), True),)


class RetentionPolicy(Model):
    """How long activity events and captured content stay, at an organization, a team or a project."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    scope = TextField()
    scope_id = TextField()
    activity_days = IntegerField(null=True)
    """None leaves it to a wider policy."""
    content_days = IntegerField(null=True)
    holds_from = UtcField(null=True)
    """What was stored before stays; none for a policy that also holds for what is there already."""
    revision = IntegerField(default=1)
    created_at = UtcField()
    updated_at = UtcField()

    class Meta:
        indexes = ((("organization_id", "scope", "scope_id"), True),)
