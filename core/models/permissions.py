"""Who is bound to which role where: teams and their members, groups, custom roles, bindings."""

from peewee import IntegerField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class TeamMember(Model):
    """A person's place in a team; ``role`` is admin, member, viewer or custom."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    team_id = TextField()
    user_id = TextField(index=True)
    role = TextField()
    custom_role_id = TextField(null=True)
    created_at = UtcField()

    class Meta:
        indexes = ((("team_id", "user_id"), True),)


class CustomRole(Model):
    """A role of an organization's own: a list of ``resource:verb``."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    name = TextField()
    description = TextField(default="")
    permissions = JsonField(default=list)
    revision = IntegerField(default=1)
    created_at = UtcField()
    updated_at = UtcField()

    class Meta:
        indexes = ((("organization_id", "name"), True),)


class Group(Model):
    """People who get the same bindings. ``origin`` is manual, scim or oidc: who keeps its list."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    name = TextField()
    origin = TextField(default="manual")
    external_id = TextField(null=True)
    revision = IntegerField(default=1)
    created_at = UtcField()
    updated_at = UtcField()

    class Meta:
        table_name = "people_group"
        indexes = ((("organization_id", "name"), True),)


class GroupMember(Model):
    """One person in one group."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    group_id = TextField()
    user_id = TextField(index=True)
    created_at = UtcField()

    class Meta:
        indexes = ((("group_id", "user_id"), True),)


class RoleBinding(Model):
    """A role given to a principal at a scope.

    ``principal_kind`` is user, group, service_account or api_key; ``scope`` is organization, team or project.
    """

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    principal_kind = TextField()
    principal_id = TextField(index=True)
    role = TextField()
    custom_role_id = TextField(default="")
    """Empty unless the role is custom; not null, so that a binding can be unique."""
    scope = TextField()
    scope_id = TextField()
    created_at = UtcField()

    class Meta:
        indexes = (
            (
                ("principal_kind", "principal_id", "role", "custom_role_id", "scope", "scope_id"),
                True,
            ),
        )
