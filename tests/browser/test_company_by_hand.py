"""A company of fifty people, set up in a browser alone and by one file alone: the same company."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from cli.apply.changes import carry_out
from cli.apply.result import Keys
from cli.apply.shape import read as declared
from core.authoring import first_run
from core.clock import utcnow
from core.database import database, migrate, open_database
from core.models import AuditRow, Invitation, Member
from core.sealing import database_sealer
from core.secret_files import with_control_plane_secrets
from core.settings import Settings, load
from tests.browser.by_hand import ByHand, accept
from tests.browser.shots import tab
from tests.company import ENVIRON, FILE, described, read
from tests.component.webapp.app.program import web_program


def opened(folder: Path) -> Settings:
    settings = with_control_plane_secrets(load({"LANGWATCH_DATA_DIR": str(folder)}))
    open_database(settings.control_database_url)
    migrate()
    return settings


def by_file(folder: Path) -> dict[str, list[str]]:
    """Start for the first time, apply the file, and return what is there."""
    settings = opened(folder)
    keys = Keys(settings.pepper, database_sealer(settings))
    with database.connection_context():
        first_run.ensure(settings.pepper, keys.sealer, utcnow())
        carry_out(declared(FILE.read_text(), ENVIRON), keys, utcnow())
        found = described(keys.sealer)
    database.close()
    return found


def by_hand(browser: Browser, folder: Path) -> dict[str, list[str]]:
    """Start for the first time, do all by hand from the link that is printed, and return what is there."""
    with web_program(folder) as program:
        with tab(browser) as page:
            ada = ByHand(page, program.url, read())
            ada.begin(program.setup_path())
            ada.places()
            links = ada.invite()
            with tab(browser) as others:
                for link in links.values():
                    accept(others, link)
            ada.who_may()
            ada.what_may_be_used()
            ada.who_uses_it()
            ada.what_is_watched()
        assert program.stop() == 0
    settings = opened(folder)
    with database.connection_context():
        found = described(database_sealer(settings))
        assert Member.select().count() == len(links) + 1 == 50
        offers = AuditRow.select().where(AuditRow.action == "invitation.created")
        assert offers.count() == Invitation.select().count() == len(links)
        assert {row.surface for row in AuditRow.select()} == {"web", "system"}
    database.close()
    return found


def test_a_company_made_by_hand_from_the_first_link_on_is_what_its_file_makes(
    browser: Browser, tmp_path: Path
) -> None:
    made, told = by_hand(browser, tmp_path / "hand"), by_file(tmp_path / "file")
    assert made.keys() == told.keys()
    for table, rows in told.items():
        assert rows, table
        assert made[table] == rows, table
