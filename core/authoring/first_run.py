"""Makes an empty installation usable: an organization, a place to book to, the sandbox, and a way in.

Everything here may be called at each start; what exists already is left alone.
"""

from datetime import datetime, timedelta

from core.authoring import organizations, people, projects, providers, teams
from core.authoring.actor import Actor, system
from core.authoring.people import NewUser
from core.authoring.record import Target, audited, change
from core.authoring.validation import Complaints, invalid, name_error, password_error
from core.database import connection, transaction
from core.fault import Fault, Refused
from core.ids import new_id, new_token
from core.models import Member, OneTimeLink, Organization, Provider, User
from core.secrets import Sealer, Secret, peppered_hash, peppered_hashes
from rules.permissions import ADMIN

SETUP = "setup"
LINK_LIFETIME = timedelta(hours=24)
SANDBOX_NAME = "sandbox"
_DEFAULT = ("Default", organizations.UNNAMED)


def ensure(pepper: Secret, sealer: Sealer, now: datetime) -> Secret | None:
    """Make what is missing; return a fresh setup token when nobody can sign in as administrator.

    The token is valid for 24 hours and replaces the one of the start before.
    """
    with change():
        organization = organizations.only() or _first_organization(now)
        actor = system(organization.id)
        if not _has_sandbox(organization.id):
            sandbox = providers.NewProvider(SANDBOX_NAME, providers.SANDBOX, providers.SANDBOX_URL)
            providers.create(actor, sandbox, sealer, now)
        return None if has_administrator(organization.id) else _new_link(organization, pepper, now)


def has_administrator(organization_id: str) -> bool:
    """Say whether somebody can sign in and administer."""
    with connection():
        query = Member.select().join(User, on=(User.id == Member.user_id))
        return bool(
            query.where(
                Member.organization_id == organization_id,
                Member.role == ADMIN,
                Member.disabled_at.is_null(),
                User.deactivated_at.is_null(),
                User.password_hash.is_null(False),
            ).exists()
        )


def is_open(pepper: Secret, token: str, now: datetime) -> bool:
    """Say whether a setup token may still be used."""
    with connection():
        return _open_link(pepper, token, now) is not None


def create_administrator(
    pepper: Secret,
    token: Secret,
    new: NewUser,
    ip_address: str,
    now: datetime,
    organization_name: str = "",
) -> tuple[Organization, User]:
    """Spend a setup token on the first administrator. Raises Refused.

    A person who is declared already but has no password gets this one, and becomes administrator. An
    organization that nobody named yet takes the name given.
    """
    _check(new)
    with change():
        link = _open_link(pepper, token.reveal(), now)
        if link is None or has_administrator(link.organization_id):
            raise Refused(Fault.NOT_FOUND, "This link has been used or has expired.")
        actor = Actor(link.organization_id, SETUP, "web", ip_address)
        if organization_name and is_unnamed():
            _name(actor, organization_name, now)
        user = _administrator(actor, new, now)
        OneTimeLink.update(used_at=now, user_id=user.id).where(OneTimeLink.id == link.id).execute()
        organization = Organization.get_by_id(link.organization_id)
        after = {"organization": organization.name, "role": ADMIN}
        audited(actor, Target("organization.set_up", "user", user.id), now, after=after)
        return organization, user


def is_unnamed() -> bool:
    """Say whether the organization still has the name that the first start gave it."""
    organization = organizations.only()
    return organization is None or (organization.name, organization.slug) == _DEFAULT


def _name(actor: Actor, name: str, now: datetime) -> None:
    try:
        organizations.update(actor, name, organizations.UNNAMED, now)
    except Refused as refused:
        errors = refused.facts.get("errors")
        wrong = errors.get("name") if isinstance(errors, dict) else None
        raise invalid({"organization": str(wrong)}) if wrong else refused from refused


def _check(new: NewUser) -> None:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("password", password_error(new.password.reveal() if new.password else ""))
    complaints.refuse_any()


def _administrator(actor: Actor, new: NewUser, now: datetime) -> User:
    declared = people.find_by_email(actor.organization_id, new.email)
    if declared is None:
        return people.create(actor, new, now)
    if declared.password_hash is None and new.password is not None:
        people.update(actor, declared.id, new.name, ADMIN, now)
        people.set_password(actor, declared.id, new.password, now)
        return User.get_by_id(declared.id)
    raise invalid({"email": "Somebody has this e-mail address already."})


def _first_organization(now: datetime) -> Organization:
    organization = organizations.create(*_DEFAULT, now)
    actor = system(organization.id)
    team = teams.create(actor, *_DEFAULT, now)
    projects.create(actor, *_DEFAULT, team.id, now)
    return organization


def _has_sandbox(organization_id: str) -> bool:
    found = Provider.select().where(
        Provider.organization_id == organization_id, Provider.type == providers.SANDBOX
    )
    return bool(found.exists())


def _new_link(organization: Organization, pepper: Secret, now: datetime) -> Secret:
    token = Secret(new_token())
    with transaction():
        unused = (OneTimeLink.kind == SETUP) & OneTimeLink.used_at.is_null()
        OneTimeLink.delete().where(unused).execute()  # type: ignore[misc]
        OneTimeLink.create(
            id=new_id("link", now),
            kind=SETUP,
            organization_id=organization.id,
            token_hash=peppered_hash(pepper, token.reveal()),
            created_at=now,
            expires_at=now + LINK_LIFETIME,
        )
    return token


def _open_link(pepper: Secret, token: str, now: datetime) -> OneTimeLink | None:
    link: OneTimeLink | None = OneTimeLink.get_or_none(
        OneTimeLink.token_hash.in_(peppered_hashes(pepper, token)),
        OneTimeLink.kind == SETUP,
        OneTimeLink.used_at.is_null(),
        OneTimeLink.expires_at > now,
    )
    return link
