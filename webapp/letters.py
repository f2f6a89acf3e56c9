"""Links that let people in, written as mail or shown to whoever made them. It makes no link and decides nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from flask import flash, request

from core import mail
from core.mail import Letter, MailFailedError
from core.secrets import Secret
from webapp.state import control_plane

MANY_SECONDS = 30.0
"""How long an administrator waits for the mails of a list; to whom none went by then, they are told."""
_INVITATION = """\
{who} invites you to {organization} on LangWatch.

Open this link to choose your name and password. It works once, for seven days:

{link}

If you did not expect this, you need not do anything.
"""
_NEW_LOGIN = """\
A new password was asked for your account at {organization} on LangWatch.

Open this link to choose it. It works once, for two hours:

{link}

If it was not you, you need not do anything; your password stays as it is.
"""


_INCREASE = """\
{who} asks for a higher limit of the budget {budget}: {wanted}, {until}.

They say:

{reason}

Decide it here:

{link}
"""


def link_to(path: str, token: Secret) -> str:
    """Return the address of a page of ours that a one-time token opens."""
    base = control_plane().settings.web_url or request.host_url.rstrip("/")
    return f"{base}{path}?token={token.reveal()}"


def mails() -> bool:
    """Say whether mail with a link can be sent: there is a mail server, and a public address to lead to.

    Without one links lead to where the request says it was sent, which whoever asks for another's link chooses.
    """
    settings = control_plane().settings
    return mail.is_configured(settings) and bool(settings.web_url)


def mail_invitation(to: str, who: str, organization: str, link: str) -> bool:
    """Mail an invitation; say whether it went, and tell the administrator when it did not."""
    text = _INVITATION.format(who=who, organization=organization, link=link)
    return _mailed(Letter(to, f"You are invited to {_line(organization)}", text))


def mail_invitations(links: Mapping[str, str], who: str, organization: str) -> list[str]:
    """Mail an invitation to each address with its link; return those to which none went."""
    if not mails():
        return list(links)
    subject = f"You are invited to {_line(organization)}"
    written = [
        Letter(to, subject, _INVITATION.format(who=who, organization=organization, link=link))
        for to, link in links.items()
    ]
    return mail.send_each(control_plane().settings, written, MANY_SECONDS)


def mail_password_link(to: str, organization: str, link: str) -> bool:
    """Mail a link for a new password; say whether it went, and tell the administrator when it did not."""
    return _mailed(_password_letter(to, organization, link))


def mail_password_link_quietly(to: str, organization: str, link: str) -> None:
    """Mail a link for a new password beside this request: how long it takes tells a stranger nothing."""
    letter = _password_letter(to, organization, link)
    settings = control_plane().settings

    def run() -> None:
        # What failed is logged where it failed; there is nobody to tell.
        with suppress(MailFailedError):
            mail.send(settings, letter)

    threading.Thread(target=run, name="password mail").start()


def mail_increase_quietly(
    to: Sequence[str], budget: str, who: str, wanted: str, until: str, reason: str, path: str
) -> None:
    """Mail approvers that somebody asks for a higher budget, beside this request."""
    if not mails() or not to:
        return
    settings = control_plane().settings
    base = settings.web_url or request.host_url.rstrip("/")
    text = _INCREASE.format(
        who=who, budget=budget, wanted=wanted, until=until, reason=reason, link=f"{base}{path}"
    )
    subject = f"{_line(who)} asks for more of {_line(budget)}"

    def run() -> None:
        for address in to:
            with suppress(MailFailedError):
                mail.send(settings, Letter(address, subject, text))

    threading.Thread(target=run, name="increase mail").start()


def _password_letter(to: str, organization: str, link: str) -> Letter:
    text = _NEW_LOGIN.format(organization=organization, link=link)
    return Letter(to, "Choose a new password", text)


def _mailed(letter: Letter) -> bool:
    if not mails():
        return False
    try:
        mail.send(control_plane().settings, letter)
    except MailFailedError as failed:
        flash(f"The mail did not go: {failed}", "warning")
        return False
    return True


def _line(text: str) -> str:
    return " ".join(text.split())
