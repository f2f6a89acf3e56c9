"""People, roles and sign-in as a file declares them: applied, repeated, changed, and every mistake named."""

import pytest

from core.authoring import organizations, sign_in_connections
from core.grants import person_grants
from core.models import (
    CustomRole,
    Department,
    Group,
    GroupMember,
    Invitation,
    Member,
    RoleBinding,
    SignInConnection,
    Team,
    TeamMember,
    User,
)
from core.secrets import Secret
from rules.permissions import Place, holds
from tests.component.cli.test_apply import ENVIRON, KEYS, REFERENCE, applied, mistakes, verbs

FILE = """\
organization: {name: Acme, slug: acme, max_session_days: 7}
departments: [{name: Research}]
custom_roles: [{name: Keeper, permissions: [virtualKeys:manage]}]
users:
  - {email: ada@acme.test, name: Ada, role: admin}
  - {email: dan@acme.test, name: Dan, department: Research}
teams: [{name: Eng, slug: eng, members: {dan@acme.test: Keeper, ada@acme.test: viewer}}]
projects: [{name: Bots, slug: bots, team: eng}]
groups: [{name: Readers, members: [dan@acme.test]}]
service_accounts: [{name: terraform}]
role_bindings:
  - {group: Readers, role: viewer, scope: project, target: bots}
  - {service_account: terraform, role: admin}
sign_in:
  - {name: Login, issuer: "http://127.0.0.1:1", client_id: c, client_secret_env: OIDC_SECRET,
     domains: [acme.test], forced: "true", group_roles: {Admins: admin}}
invitations: [{email: eve@acme.test, name: Eve, role: external, department: Research, teams: [eng]}]
"""
SECRETS = ENVIRON | {"OIDC_SECRET": "a client secret"}


def test_people_and_roles_are_made_once_and_then_left_alone(db: str) -> None:
    first = applied(FILE, SECRETS)
    assert verbs(first) == {"created"}
    ((item, link),) = first.secrets
    assert str(item) == "invitation eve@acme.test"
    assert link.reveal().startswith("/invitation?token=")
    second = applied(FILE, SECRETS)
    assert verbs(second) == {"unchanged"}
    assert second.secrets == []
    organization = organizations.only()
    assert organization is not None and organization.max_session_days == 7
    dan, eng = User.get(User.email == "dan@acme.test"), Team.get(Team.slug == "eng")
    held = person_grants(organization.id, dan.id, "member")
    assert holds(held, "virtualKeys:rotate", Place(eng.id))
    assert Member.get(Member.user_id == dan.id).department_id == Department.get().id
    assert TeamMember.select().where(TeamMember.team_id == eng.id).count() == 2
    assert {row.scope for row in RoleBinding.select()} == {"project", "organization"}
    row = SignInConnection.get()
    assert (row.is_forced, row.is_operator_address) == (True, True)
    assert sign_in_connections.secret_of(row, KEYS.sealer) == Secret("a client secret")


def test_a_change_in_the_file_is_one_here_and_what_it_leaves_out_stays(db: str) -> None:
    applied(FILE, SECRETS)
    text = FILE.replace("members: [dan@acme.test]", "members: []")
    text = text.replace("virtualKeys:manage]", "virtualKeys:view]")
    text = text.replace(", department: Research}", "}").replace("a: Keeper", "a: Keeper")
    changed = applied(text, SECRETS | {"OIDC_SECRET": "another one"})
    names = {str(item) for verb, item in changed.steps if verb == "changed"}
    assert names == {"group Readers", "custom role Keeper", "sign-in connection Login"}
    assert GroupMember.select().count() == 0 and Group.select().count() == 1
    assert CustomRole.get().permissions == ["virtualKeys:view"]
    assert Member.select().where(Member.department_id.is_null(False)).count() == 1
    applied(text.replace('forced: "true"', 'forced: "false"'), SECRETS)
    assert SignInConnection.get().is_forced is False


MISTAKES = (
    ("teams: [eng]}]", "teams: [sales]}]", "no team `sales`"),
    ("{group: Readers,", "{group: Writers,", "no group `Writers`"),
    ("role: admin}\nsign_in", "role: Boss}\nsign_in", "no custom role `Boss`"),
    ("ada@acme.test: viewer", "zoe@acme.test: viewer", "no user `zoe@acme.test`"),
    ("department: Research}", "department: Sales}", "no department `Sales`"),
    ("permissions: [virtualKeys:manage]", "permissions: [tea:brew]", "tea:brew"),
    ("{name: Keeper,", "{name: admin,", "built-in role"),
    ("max_session_days: 7", "max_session_days: soon", "not a number of days"),
    ("max_session_days: 7", "max_session_days: 999", "0 to 365"),
    ("scope: project, target: bots", "scope: project", "must name the project"),
    ("{service_account: terraform, role", "{role", "needs one of user, group"),
    ("domains: [acme.test]", "domains: [nonsense]", "is not a domain"),
    ("{Admins: admin}", "{Admins: root}", "root is not one of"),
    ("client_secret_env: OIDC_SECRET", "client_secret: plain", "does not belong in the file"),
)


@pytest.mark.parametrize(("there", "wrong", "said"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_each_mistake_is_named_and_nothing_is_applied(
    sqlite_db: str, there: str, wrong: str, said: str
) -> None:
    assert there in FILE
    found = mistakes(FILE.replace(there, wrong, 1), SECRETS)
    assert any(said in sentence for _, sentence in found), found
    assert User.select().count() == Invitation.select().count() == 0


def test_the_reference_example_names_every_section_about_people(db: str) -> None:
    result = applied(REFERENCE.read_text())
    kinds = {item.kind for _, item in result.steps}
    assert kinds >= {
        "department",
        "custom role",
        "group",
        "service account",
        "role binding",
        "sign-in connection",
        "members of team",
    }
