"""A company of fifty people, set up by one file and by the management API alone: the same company."""

from __future__ import annotations

from pathlib import Path

from cli.apply.changes import carry_out
from cli.apply.result import Keys
from cli.apply.shape import read as declared
from core.authoring import api_keys, organizations, people, scim_tokens
from core.authoring.actor import Actor, system
from core.authoring.api_keys import NewApiKey
from core.authoring.people import NewUser
from core.clock import utcnow
from core.database import database, migrate, open_database
from core.models import AuditRow, Member, VirtualKey
from core.sealing import database_sealer
from core.secret_files import with_control_plane_secrets
from core.settings import GOVERNANCE_FLAG, Settings, load
from tests.company import ENVIRON, FILE, ByApi, described, read
from tests.databases import close_database
from webapp.app import create_app


def _settings(folder: Path) -> Settings:
    environ = {"LANGWATCH_DATA_DIR": str(folder), "FEATURE_FLAG_FORCE_ENABLE": GOVERNANCE_FLAG}
    settings = with_control_plane_secrets(load(environ))
    open_database(settings.control_database_url)
    migrate()
    return settings


def by_file(folder: Path) -> dict[str, list[str]]:
    settings = _settings(folder)
    keys = Keys(settings.pepper, database_sealer(settings))
    document = declared(FILE.read_text(), ENVIRON)
    with database.connection_context():
        carry_out(document, keys, utcnow())
        assert Member.select().count() == 50
        again = carry_out(document, keys, utcnow())
        assert {verb for verb, _ in again.steps} == {"unchanged"}
        found = described(keys.sealer)
    close_database()
    return found


def by_api(folder: Path) -> dict[str, list[str]]:
    settings, told, now = _settings(folder), read(), utcnow()
    first = told["users"][0]
    with database.connection_context():
        organization = organizations.create(told["organization"]["name"], "acme", now)
        new = NewUser(first["email"], first["name"], first["role"])
        ada = people.create(system(organization.id), new, now)
        actor = Actor(organization.id, ada.id, "web")
        own = NewApiKey("set-up", "user", ada.id)
        key = api_keys.create(actor, own, settings.pepper, now)[1].reveal()
        token = scim_tokens.mint(actor, settings.pepper, now).reveal()
    api = ByApi(create_app(settings).test_client(), key, token, organization.id)
    api.ids["user", first["email"]] = ada.id
    api.run(told)
    with database.connection_context():
        made = AuditRow.select().where(AuditRow.target_kind == "virtual_key")
        assert made.count() == VirtualKey.select().count()
        assert {row.surface for row in made} == {"api"}
        found = described(database_sealer(settings))
    close_database()
    return found


def test_a_file_and_the_management_api_make_the_same_company(tmp_path: Path) -> None:
    declared, called = by_file(tmp_path / "file"), by_api(tmp_path / "api")
    assert declared.keys() == called.keys()
    assert all(declared.values()), "the file leaves a kind out"
    for table, rows in declared.items():
        assert called[table] == rows, table
