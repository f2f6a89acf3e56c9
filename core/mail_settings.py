"""The part of the table of settings that is about sending mail. Sends nothing."""

from dataclasses import dataclass

from core import setting_values as value
from core.gateway_settings import GatewaySettings
from core.secrets import Secret
from core.setting_values import row


@dataclass(frozen=True, slots=True)
class MailSettings(GatewaySettings):
    """How mail leaves; without a host none is sent, and what it would say is shown to administrators instead."""

    smtp_host: str = row(
        "LANGWATCH_SMTP_HOST",
        str,
        "",
        "host",
        "The server that sends mail; unset, or without a public URL, links are shown to administrators and not sent.",
    )
    smtp_port: int = row(
        "LANGWATCH_SMTP_PORT", value.port, 587, "port", "The port of the mail server."
    )
    smtp_tls: str = row(
        "LANGWATCH_SMTP_TLS",
        value.one_of("starttls", "tls", "none"),
        "starttls",
        "starttls, tls or none",
        "How the connection to the mail server is protected: upgraded, from the start, or not.",
    )
    smtp_user: str = row(
        "LANGWATCH_SMTP_USER", str, "", "name", "The name to sign in to the mail server with."
    )
    smtp_password: Secret = row(
        "LANGWATCH_SMTP_PASSWORD",
        Secret,
        Secret(""),
        "secret",
        "The password to sign in to the mail server with.",
    )
    smtp_from: str = row(
        "LANGWATCH_SMTP_FROM",
        str,
        "LangWatch <langwatch@localhost>",
        "address",
        "Whom mail says it is from.",
    )
