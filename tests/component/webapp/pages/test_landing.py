"""Where the start address leads: by itself, by choice, and no further than one may go."""

from pathlib import Path

import pytest

from core.authoring import ingestion_sources
from core.authoring.ingestion_sources import NewSource
from core.clock import utcnow
from core.models import AuditRow
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of

HERE = "/me/settings/landing"


def lands(at: Desk) -> str:
    return at.client.get("/").headers["Location"]


@pytest.mark.usefixtures("sqlite_db")
def test_the_start_address_leads_where_somebody_works_or_chose_to_land(tmp_path: Path) -> None:
    at = desk(tmp_path)
    dan = Desk(at.app, at.browser("dan@acme.test"), at.settings, at.actor)
    assert (lands(at), lands(dan)) == ("/governance", "/home")
    home = dan.client.get("/home").text
    assert 'href="/me"' in home
    assert 'href="/settings/teams">Teams</a>' in home.partition("What else you may open")[2]
    new = NewSource("otel_generic", "agents")
    ingestion_sources.create(at.actor, new, at.settings.pepper, utcnow())
    assert (lands(at), lands(dan)) == ("/governance", "/me")
    assert "/me/settings/landing" in at.client.get("/me/settings").text
    assert at.post(HERE, landing="personal").status_code == 303
    assert lands(at) == "/me"
    refused = dan.post(HERE, DRAWER, landing="governance")
    assert (refused.status_code, bool(error_of(refused, "landing"))) == (422, True)
    assert "Governance overview" not in dan.client.get(HERE).text
    assert dan.post(HERE, landing="personal").status_code == 303
    assert (lands(dan), dan.client.get("/me").status_code) == ("/me", 200)
    assert at.post(HERE, landing="auto").status_code == 303
    assert lands(at) == "/governance"
    chosen = [row.after for row in AuditRow.select() if row.action == "user.landing_chosen"]
    assert chosen == [{"landing": "personal"}, {"landing": "personal"}, {"landing": "auto"}]
