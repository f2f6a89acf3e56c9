"""Who acts and on whose account, and what the gateway serves by.

A frozen copy of the tables as they were; the models may have moved on."""

from peewee import AutoField, BooleanField, IntegerField, Model, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    class Organization(Model):
        id = TextField(primary_key=True)
        name = TextField()
        slug = TextField(unique=True)
        created_at = UtcField()

        class Meta:
            database = db
            table_name = "organization"

    class User(Model):
        id = TextField(primary_key=True)
        email = TextField(unique=True)
        name = TextField()
        password_hash = TextField(null=True)
        session_epoch = IntegerField(default=0)
        failed_sign_ins = IntegerField(default=0)
        locked_until = UtcField(null=True)
        created_at = UtcField()
        deactivated_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "user"

    class Member(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        user_id = TextField(index=True)
        role = TextField()
        disabled_at = UtcField(null=True)
        created_at = UtcField()

        class Meta:
            database = db
            table_name = "member"
            indexes = ((("organization_id", "user_id"), True),)

    class Team(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        name = TextField()
        slug = TextField()
        is_personal = BooleanField(default=False)
        owner_user_id = TextField(null=True)
        created_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "team"
            indexes = ((("organization_id", "slug"), True),)

    class Project(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        team_id = TextField(index=True)
        name = TextField()
        slug = TextField()
        kind = TextField(default="application")
        is_personal = BooleanField(default=False)
        owner_user_id = TextField(null=True)
        created_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "project"
            indexes = ((("organization_id", "slug"), True),)

    class OneTimeLink(Model):
        id = TextField(primary_key=True)
        kind = TextField(index=True)
        organization_id = TextField()
        user_id = TextField(null=True)
        token_hash = TextField(unique=True)
        created_at = UtcField()
        expires_at = UtcField()
        used_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "one_time_link"

    class Provider(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        name = TextField()
        type = TextField()
        base_url = TextField()
        sealed_credential = TextField(null=True)
        is_operator_address = BooleanField(default=False)
        created_at = UtcField()
        updated_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "provider"
            indexes = ((("organization_id", "name"), False),)

    class VirtualKey(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        project_id = TextField(index=True)
        name = TextField()
        description = TextField(default="")
        status = TextField(default="active")
        secret_hash = TextField(unique=True)
        display_prefix = TextField()
        previous_secret_hash = TextField(index=True, null=True)
        previous_valid_until = UtcField(null=True)
        principal_user_id = TextField(index=True, null=True)
        provider_ids = JsonField(default=list)
        config = JsonField(default=dict)
        tags = JsonField(default=list)
        revision = IntegerField(default=1)
        created_at = UtcField()
        updated_at = UtcField()
        expires_at = UtcField(null=True)
        last_used_at = UtcField(null=True)
        revoked_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "virtual_key"
            indexes = ((("organization_id", "name"), False),)

    class ChangeEvent(Model):
        revision = AutoField()
        organization_id = TextField(index=True)
        kind = TextField()
        virtual_key_id = TextField(null=True)
        budget_id = TextField(null=True)
        provider_id = TextField(null=True)
        created_at = UtcField()

        class Meta:
            database = db
            table_name = "change_event"

    db.create_tables(
        [Organization, User, Member, Team, Project, OneTimeLink, Provider, VirtualKey, ChangeEvent]
    )
