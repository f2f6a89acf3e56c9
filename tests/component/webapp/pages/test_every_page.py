"""What holds for each page of governance: who may open it, what it costs, and that its fragments match their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from core.authoring import bindings, custom_roles
from core.authoring.bindings import NewBinding
from core.authoring.custom_roles import NewRole
from core.models import User
from tests.component.webapp.pages.world import (
    empty_world,
    fixed_now,
    full_world,
    settings_in,
    signed_in,
)
from tests.statements import counted
from webapp.app import create_app

SOURCES = "/settings/governance/ingestion-sources"
RULES = "/settings/governance/anomaly-rules"
# Path, statements of the control database for the whole page, and its fragments with their own statements.
# Two of each answer are the session's person and whether the Govern entry shows; a fragment has only the first.
PAGES = (
    ("/governance", 7, {"figures": 2, "spend": 2, "people": 1, "watch": 3}),
    (SOURCES, 4, {"sources": 2}),
    (f"{SOURCES}/new", 4, {"drawer": 2}),
    (f"{SOURCES}/{{source}}", 6, {"source": 4}),
    (f"{SOURCES}/{{source}}/edit", 5, {"drawer": 3}),
    (RULES, 8, {"rules": 6}),
    (f"{RULES}/new", 6, {"drawer": 4}),
    (f"{RULES}/{{rule}}/edit", 8, {"drawer": 6}),
    ("/governance/anomalies", 5, {"anomalies": 3}),
    ("/governance/anomalies/{anomaly}", 5, {}),
    ("/settings/jobs", 4, {"jobs": 2}),
    ("/settings/audit-log", 6, {"rows": 4}),
)


@pytest.fixture
def visit(db: str, tmp_path: Path) -> Iterator[tuple[FlaskClient, dict[str, str]]]:
    """A signed-in administrator, and the ids that page addresses need."""
    settings = settings_in(tmp_path / "var")
    world = full_world(settings, fixed_now())
    ids = {"source": world.source_ids[0], "rule": world.rule_id, "anomaly": world.anomaly_id}
    yield signed_in(create_app(settings)), ids


def test_each_page_opens_at_its_price_and_its_fragments_carry_their_names(
    visit: tuple[FlaskClient, dict[str, str]],
) -> None:
    client, ids = visit
    costs: dict[str, object] = {}
    for path, _, fragments in PAGES:
        address = path.format(**ids)
        with counted() as statements:
            page = client.get(address)
        assert page.status_code == 200, page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert {"HX-Request", "HX-Target", "HX-Boosted"} <= set(page.vary)
        costs[path] = (
            len(statements.selects()),
            _fragment_costs(client, address, page.text, fragments),
        )
    assert costs == {path: (price, prices) for path, price, prices in PAGES}


def _fragment_costs(
    client: FlaskClient, address: str, page: str, fragments: dict[str, int]
) -> dict[str, int]:
    costs = {}
    for name in fragments:
        tag = re.search(rf'<(\w+) id="{name}"', page)
        assert tag and len(re.findall(rf'id="{name}"', page)) == 1, (address, name)
        with counted() as statements:
            part = client.get(address, headers=htmx(f"{tag[1]}#{name}"))
        assert re.match(rf'\s*<{tag[1]} id="{name}"', part.text), (address, name, part.text[:200])
        assert "<html" not in part.text
        costs[name] = len(statements.selects())
    return costs


def htmx(target: str) -> dict[str, str]:
    """Return the headers htmx sends for a target."""
    return {"HX-Request": "true", "HX-Target": target}


def test_a_boosted_link_and_a_restored_page_get_the_whole_page(
    visit: tuple[FlaskClient, dict[str, str]],
) -> None:
    client, _ = visit
    for header in ("HX-Boosted", "HX-History-Restore-Request"):
        assert (
            "<html"
            in client.get("/settings/jobs", headers=htmx("div#jobs") | {header: "true"}).text
        )
    assert "<html" in client.get("/settings/jobs", headers=htmx("div#elsewhere")).text


def test_ids_are_unique_and_every_described_control_has_its_description(
    visit: tuple[FlaskClient, dict[str, str]],
) -> None:
    client, ids = visit
    for path, *_ in PAGES:
        text = client.get(path.format(**ids)).text
        found = re.findall(r'\sid="([^"]+)"', text)
        assert len(found) == len(set(found)), path
        pointed = re.findall(
            r'(?:aria-describedby|aria-labelledby|popovertarget|for|form)="([^"]+)"', text
        )
        assert {name for group in pointed for name in group.split()} <= set(found), path
        assert not re.search(r"<(?:button|a)[^>]*>\s*</(?:button|a)>", text), path


def test_a_member_is_refused_and_sees_no_entry(db: str, tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "var")
    world = full_world(settings, fixed_now())
    client = signed_in(create_app(settings), "dan@acme.test")
    ids = {"source": world.source_ids[0], "rule": world.rule_id, "anomaly": world.anomaly_id}
    statuses = {path: client.get(path.format(**ids)).status_code for path, *_ in PAGES}
    assert set(statuses.values()) == {403}, statuses
    assert 'href="/governance"' not in client.get("/home").text


@pytest.mark.usefixtures("sqlite_db")
def test_a_panel_gives_way_to_the_name_of_the_permission_that_its_reader_lacks(
    tmp_path: Path,
) -> None:
    settings, now = settings_in(tmp_path / "var"), fixed_now()
    world = full_world(settings, now)
    app, dan = create_app(settings), User.get(User.email == "dan@acme.test").id
    client = signed_in(app, "dan@acme.test")

    def grant(*permissions: str) -> None:
        role = custom_roles.create(world.actor, NewRole(permissions[-1], permissions, ""), now)
        here = ("organization", world.organization_id)
        new = NewBinding("user", dan, "custom", *here, role.id)
        bindings.create(world.actor, new, now)

    grant("governance:view")
    home, sources, rules = (client.get(path).text for path in ("/governance", SOURCES, RULES))
    assert "activityMonitor:view" in home and 'id="figures"' not in home
    assert "ingestionSources:view" in sources and "notebooks" not in sources
    assert "anomalyRules:view" in rules and "Spend doubled" not in rules
    source = f"{SOURCES}/{world.source_ids[0]}"
    assert client.get(source).status_code == 403
    grant("activityMonitor:view")
    home = client.get("/governance").text
    assert "ingestionSources:view" in home and 'id="figures"' in home and "notebooks" not in home
    grant("anomalyRules:view")
    assert "Spend doubled" in client.get(RULES).text
    bindings.delete_all(world.actor, "user", dan, now)
    grant("governance:view", "ingestionSources:view")
    page = client.get(source).text
    assert "activityMonitor:view" in page and "chat_completion" not in page
    assert "/rotate" not in page and "notebooks" in client.get(SOURCES).text
    assert "What was changed" not in page
    ada = signed_in(app)
    shown = ada.get(source).text
    trail = f"targetKind=ingestion_source&amp;targetId={world.source_ids[0]}"
    assert "chat_completion" in shown and trail in shown
    anomaly = ada.get(f"/governance/anomalies/{world.anomaly_id}").text
    assert f"targetKind=anomaly&amp;targetId={world.anomaly_id}" in anomaly


def test_an_organization_without_anything_sees_the_first_steps(db: str, tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "var")
    empty_world(fixed_now())
    client = signed_in(create_app(settings))
    text = client.get("/governance").text
    assert "Set up governance" in text and 'id="checklist"' in text and 'id="figures"' not in text
    for path, said in (
        (SOURCES, "No push source"),
        (RULES, "No critical rule"),
        ("/governance/anomalies", "No open anomaly"),
        ("/settings/jobs", "No job has run yet"),
    ):
        assert said in client.get(path).text


def test_the_checklist_gives_way_to_the_figures_when_activity_arrives(
    visit: tuple[FlaskClient, dict[str, str]],
) -> None:
    client, _ = visit
    answer = client.get("/governance", headers=htmx("div#checklist"))
    assert answer.headers["HX-Refresh"] == "true"
    assert answer.text == ""
