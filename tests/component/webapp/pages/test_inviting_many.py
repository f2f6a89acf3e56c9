"""Inviting many people from a list: what each line becomes, that all or nobody is invited, and its twin in the API."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import pytest

from core.authoring import custom_roles, departments, teams
from core.authoring.invitations import MOST_PEOPLE
from core.models import AuditRow, Invitation, Member, TeamMember, User
from tests.component.webapp.pages.desk import Desk, desk, shown
from tests.component.webapp.pages.world import fixed_now, form_token

MANY = "/settings/members/invite-many"
PREVIEW = {"HX-Request": "true", "HX-Target": "div#preview"}
LIST = """\
email,name,role,team,team role,department
eve@acme.test,Eve,,Engineering,Key keeper,research
Ida@acme.test,Ida Rhodes,External,eng | Data,viewer,
jo@acme.test
dan@acme.test,Dan
"""


@pytest.fixture
def ada(sqlite_db: str, tmp_path: Path) -> Desk:
    made = desk(tmp_path)
    now = fixed_now()
    research = departments.create(made.actor, "Research", now)
    teams.create(made.actor, "Engineering", "eng", now, research.id)
    teams.create(made.actor, "Data", "data", now)
    keeper = custom_roles.NewRole("Key keeper", ("virtualKeys:manage",))
    custom_roles.create(made.actor, keeper, now)
    return made


def rows(page: str) -> list[str]:
    """Return the text of each line of a preview."""
    table = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        " ".join(html.unescape(re.sub(r"<[^>]+>", " ", row)).split())
        for row in table.split("</tr>")[:-1]
    ]


def links(page: str) -> dict[str, str]:
    heading, *lines = page.splitlines()
    assert heading == "email,link"
    return dict(line.split(",") for line in lines)


def test_a_list_is_shown_as_what_it_becomes_then_invites_all_of_it(ada: Desk) -> None:
    page = ada.post(f"{MANY}/preview", PREVIEW, people=LIST, role="member", team_role="member")
    assert page.status_code == 200 and "<html" not in page.text
    assert rows(page.text) == [
        "eve@acme.test Eve 2 Member Engineering · Key keeper Research Is invited",
        "ida@acme.test Ida Rhodes 3 External Engineering · Viewer Data · Viewer Unassigned Is invited",
        "jo@acme.test 4 Member – Unassigned Is invited",
        "dan@acme.test Dan 5 Member – Unassigned Left out: is a member",
    ]
    assert "3 people can be invited; 1 member left out" in page.text
    assert Invitation.select().count() == 0
    audited = AuditRow.select().count()
    answer = ada.post(MANY, people=LIST, role="member", team_role="member")
    found = links(shown(answer))
    assert list(found) == ["eve@acme.test", "ida@acme.test", "jo@acme.test"]
    newest = (
        AuditRow.select().order_by(AuditRow.id.desc()).limit(AuditRow.select().count() - audited)
    )
    assert [row.action for row in newest] == ["invitation.created"] * 3
    again = ada.post(f"{MANY}/preview", PREVIEW, people="jo@acme.test", role="member")
    assert "Gets a fresh link" in again.text

    eve = ada.app.test_client()
    path = found["eve@acme.test"].removeprefix("http://localhost")
    assert 'value="Eve"' in eve.get(path).text
    form = {"csrf_token": form_token(eve), "token": path.partition("=")[2], "name": "Eve"}
    assert eve.post("/invitation", data=form | {"password": "a good password"}).status_code == 303
    user = User.get(User.email == "eve@acme.test")
    assert Member.get(Member.user_id == user.id).department_id
    roles = {row.role for row in TeamMember.select().where(TeamMember.user_id == user.id)}
    assert roles == {"admin", "custom"}, "in their own workspace, and where they were invited to"
    waiting = ada.client.get("/settings/members/invitations").text
    assert "2 invitations" in waiting and "jo@acme.test" in waiting and "eve@" not in waiting
    assert "Ida Rhodes" in ada.client.get("/settings/members/invitations?q=rhod").text


def test_a_mistake_is_told_by_its_line_and_then_nobody_is_invited(ada: Desk) -> None:
    teams.create(ada.actor, "Data", "data-two", fixed_now())
    text = (
        "ok@acme.test\nnobody\n\nok@acme.test\na@acme.test,A,boss\nb@acme.test,B,,Nowhere\n"
        "c@acme.test,C,,Data\nd@acme.test,D,,eng,chief,Space\n,E"
    )
    said = {
        "nobody 2": "This is not an e-mail address.",
        "ok@acme.test 4": "This address stands in line 1 already.",
        "a@acme.test A 5": "There is no role “boss”. Choose one of admin, member, external.",
        "b@acme.test B 6": "There is no team “Nowhere”.",
        "c@acme.test C 7": "Several teams are called “Data”; write the slug of one.",
        "d@acme.test D 8": "There is no department “Space”. There is no role in a team “chief”.",
        "E E 9": "There is no address in this line.",
    }
    form = {"people": text, "role": "member", "team_role": "member"}
    page = ada.post(f"{MANY}/preview", PREVIEW, **form)
    *wrong, right = rows(page.text)
    assert right.startswith("ok@acme.test 1")
    assert len(wrong) == len(said)
    for (start, end), row in zip(said.items(), wrong, strict=True):
        assert row.startswith(start) and row.endswith(f"Mistake {end}"), row
    assert "7 lines to put right first; nobody is invited yet" in page.text
    assert "Invite 1" not in page.text
    assert ada.post(MANY, **form).status_code == 422
    empty = ada.post(MANY, people=" \n", role="member")
    assert empty.status_code == 422 and "Name at least one person." in empty.text
    crowd = "\n".join(f"p{n}@acme.test" for n in range(MOST_PEOPLE + 1))
    assert "501 people; invite 500 at once" in ada.post(f"{MANY}/preview", people=crowd).text
    assert Invitation.select().count() == 0


def test_a_file_of_a_spreadsheet_takes_the_place_of_the_list_without_script(ada: Desk) -> None:
    data = "email;name\nren\u00e9@acme.test;Ren\u00e9e Noether".encode("cp1252")
    sent = {"csrf_token": form_token(ada.client), "role": "member", "people": "x@acme.test"}
    sent["file"] = (io.BytesIO(data), "people.csv")  # type: ignore[assignment]
    page = ada.client.post(f"{MANY}/preview", data=sent, content_type="multipart/form-data")
    assert rows(page.text) == [
        "ren\u00e9@acme.test Ren\u00e9e Noether 2 Member – Unassigned Is invited"
    ]


def test_the_api_invites_all_of_a_list_or_nobody(ada: Desk) -> None:
    path, token = "/api/governance/invitations/batch", form_token(ada.client)
    eve, ida = {"email": "eve@acme.test", "role": "member", "name": "Eve"}, {"role": "boss"}

    def sent(*people: dict[str, str]):
        headers = {"X-CSRF-Token": token}
        return ada.client.post(path, json={"people": list(people)}, headers=headers)

    refused = sent(eve, {"email": "ida@acme.test"} | ida, eve)
    assert refused.status_code == 422, refused.text
    assert set(refused.json["error"]["errors"]) == {"people[1].role", "people[2].email"}
    assert Invitation.select().count() == 0
    made = sent(eve, {"email": "ida@acme.test", "role": "external"})
    assert made.status_code == 201
    assert [each["invitation"]["email"] for each in made.json["invitations"]] == [
        "eve@acme.test",
        "ida@acme.test",
    ]
    token_of_eve = made.json["invitations"][0]["token"]
    assert "Eve" in ada.app.test_client().get(f"/invitation?token={token_of_eve}").text
    assert sent().status_code == 422
