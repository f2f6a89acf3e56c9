"""Sends plain mail through the operator's server. What it says and whom it goes to is the callers' choice."""

import logging
import smtplib
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from core.mail_settings import MailSettings

LOG = logging.getLogger(__name__)
SEND_SECONDS = 10.0


class MailFailedError(Exception):
    """The mail was not accepted; the message says why, and never what the mail said."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one address, in plain text."""

    to: str
    subject: str
    text: str


def is_configured(settings: MailSettings) -> bool:
    """Say whether mail can be sent at all."""
    return bool(settings.smtp_host)


def send(settings: MailSettings, letter: Letter) -> None:
    """Hand a letter to the mail server, within some ten seconds. Raises MailFailedError."""
    try:
        message = _message(settings, letter)
        with _server(settings) as server:
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password.reveal())
            server.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # An SMTP error may quote the recipient and the server's words, but no password and no body.
        LOG.warning("mail_failed", extra={"error": type(error).__name__})
        raise MailFailedError(_reason(error)) from None


def send_each(settings: MailSettings, letters: Sequence[Letter], seconds: float) -> list[str]:
    """Hand letters to the mail server over one connection; return the addresses to which none went.

    After ``seconds``, or when the server goes away, those that remain are not tried. One refused address ends nothing.
    """
    left = list(letters)
    unsent: list[str] = []
    deadline = time.monotonic() + seconds
    try:
        with _server(settings) as server:
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password.reveal())
            while left and time.monotonic() < deadline:
                try:
                    server.send_message(_message(settings, left[0]))
                except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, ValueError):
                    unsent.append(left[0].to)
                left.pop(0)
    except (OSError, smtplib.SMTPException) as error:
        LOG.warning("mail_failed", extra={"error": type(error).__name__})
    return unsent + [letter.to for letter in left]


def _message(settings: MailSettings, letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message["From"] = settings.smtp_from
    message["To"] = letter.to
    message["Subject"] = letter.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="langwatch.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message


def _server(settings: MailSettings) -> smtplib.SMTP:
    host, port = settings.smtp_host, settings.smtp_port
    if settings.smtp_tls == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=SEND_SECONDS, context=context)
    server = smtplib.SMTP(host, port, timeout=SEND_SECONDS)
    if settings.smtp_tls == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except Exception:
            server.close()
            raise
    return server


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "The mail server refused the address."
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "The mail server refused the sign-in."
    if isinstance(error, ssl.SSLError):
        return "The mail server's certificate is not trusted."
    if isinstance(error, ValueError):
        return "This is not an address that mail can go to."
    return "The mail server did not take the mail."
