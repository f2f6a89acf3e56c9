"""Every table of the first release."""

from core.models import ALL_MODELS


def up(migrator, db):
    db.create_tables(ALL_MODELS)
