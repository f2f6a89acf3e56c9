"""Migrations and models describe the same schema, and applying them twice changes nothing."""

import threading

import peewee
from playhouse.migrations import Runner

from core.database import (
    MIGRATIONS,
    connection,
    database,
    migrate,
    open_database,
    pending_migrations,
)
from core.models import ALL_MODELS
from tests.databases import close_database


def described() -> dict[str, object]:
    """Every table as the database itself describes it."""
    return {
        model._meta.table_name: (
            sorted(
                (c.name, c.data_type.lower(), c.null, c.primary_key)
                for c in database.get_columns(model._meta.table_name)
            ),
            sorted((i.columns, i.unique) for i in database.get_indexes(model._meta.table_name)),
        )
        for model in ALL_MODELS
    }


def test_the_schema_from_migrations_equals_the_one_from_models(db):
    with connection():
        migrated = described()
        database.drop_tables(ALL_MODELS)
        database.create_tables(ALL_MODELS)
        assert described() == migrated


def test_migrating_again_does_nothing(db):
    assert migrate() == []
    assert pending_migrations() == []


def test_two_programs_that_migrate_at_once_apply_each_migration_once(database_url):
    open_database(database_url)
    applied: list[list[str]] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            applied.append(migrate())
        except peewee.PeeweeException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [m.name for m in Runner(database.obj, str(MIGRATIONS)).migrations()]
    assert failures == []
    assert sorted(applied) == [[], [], names]
    close_database()
