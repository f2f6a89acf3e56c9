"""Places in teams, groups, custom roles and bindings; departments, invitations, service accounts, API keys.

A frozen copy of the tables as they were; the models may have moved on."""

from peewee import IntegerField, Model, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    class TeamMember(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        team_id = TextField()
        user_id = TextField(index=True)
        role = TextField()
        custom_role_id = TextField(null=True)
        created_at = UtcField()

        class Meta:
            database = db
            table_name = "team_member"
            indexes = ((("team_id", "user_id"), True),)

    class CustomRole(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        name = TextField()
        description = TextField(default="")
        permissions = JsonField(default=list)
        revision = IntegerField(default=1)
        created_at = UtcField()
        updated_at = UtcField()

        class Meta:
            database = db
            table_name = "custom_role"
            indexes = ((("organization_id", "name"), True),)

    class Group(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        name = TextField()
        origin = TextField(default="manual")
        external_id = TextField(null=True)
        revision = IntegerField(default=1)
        created_at = UtcField()
        updated_at = UtcField()

        class Meta:
            database = db
            table_name = "people_group"
            indexes = ((("organization_id", "name"), True),)

    class GroupMember(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        group_id = TextField()
        user_id = TextField(index=True)
        created_at = UtcField()

        class Meta:
            database = db
            table_name = "group_member"
            indexes = ((("group_id", "user_id"), True),)

    class RoleBinding(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        principal_kind = TextField()
        principal_id = TextField(index=True)
        role = TextField()
        custom_role_id = TextField(default="")
        scope = TextField()
        scope_id = TextField()
        created_at = UtcField()

        class Meta:
            database = db
            table_name = "role_binding"
            indexes = (
                (
                    (
                        "principal_kind",
                        "principal_id",
                        "role",
                        "custom_role_id",
                        "scope",
                        "scope_id",
                    ),
                    True,
                ),
            )

    class Department(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        name = TextField()
        revision = IntegerField(default=1)
        created_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "department"
            indexes = ((("organization_id", "name"), False),)

    class Invitation(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        email = TextField()
        role = TextField()
        teams = JsonField(default=list)
        token_hash = TextField(unique=True)
        invited_by_id = TextField()
        created_at = UtcField()
        expires_at = UtcField()
        accepted_at = UtcField(null=True)
        cancelled_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "invitation"

    class ServiceAccount(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        name = TextField()
        description = TextField(default="")
        revision = IntegerField(default=1)
        created_at = UtcField()
        updated_at = UtcField()
        disabled_at = UtcField(null=True)
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "service_account"
            indexes = ((("organization_id", "name"), False),)

    class ApiKey(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        name = TextField()
        owner_kind = TextField()
        owner_id = TextField(index=True)
        secret_hash = TextField(unique=True)
        display_prefix = TextField()
        permission_mode = TextField(default="all")
        scopes = JsonField(default=list)
        created_by_id = TextField()
        created_at = UtcField()
        expires_at = UtcField(null=True)
        last_used_at = UtcField(null=True)
        revoked_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "api_key"

    db.create_tables(
        [
            TeamMember,
            CustomRole,
            Group,
            GroupMember,
            RoleBinding,
            Department,
            Invitation,
            ServiceAccount,
            ApiKey,
        ]
    )
    migrator.migrate(
        migrator.add_column("organization", "support_contact", TextField(default="")),
        migrator.add_column("organization", "max_session_days", IntegerField(default=0)),
        migrator.add_column("organization", "revision", IntegerField(default=1)),
        migrator.add_column("member", "department_id", TextField(null=True)),
        migrator.add_column("member", "external_id", TextField(null=True)),
        migrator.add_column("member", "revision", IntegerField(default=1)),
        migrator.add_column("team", "department_id", TextField(null=True)),
        migrator.add_column("team", "revision", IntegerField(default=1)),
        migrator.add_column("project", "department_id", TextField(null=True)),
        migrator.add_column("project", "revision", IntegerField(default=1)),
    )
    # Whoever owns a personal team administers it; until now that was understood and not written down.
    db.execute_sql(
        "INSERT INTO team_member (id, organization_id, team_id, user_id, role, created_at) "
        "SELECT 'tm_' || id, organization_id, id, owner_user_id, 'admin', created_at FROM team "
        "WHERE owner_user_id IS NOT NULL"
    )
