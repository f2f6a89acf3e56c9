"""How an access token is asked for: the form that a token endpoint takes, and the reading of its answer.

Used alike by the gateway and by whoever tests a connection. Sends nothing and keeps nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import jwt
import msgspec

from core.provider_settings import Credential
from core.settings import ENTRA_AT, GOOGLE_TOKENS_AT, Settings

GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
_ASSERTION_SECONDS = 3600
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SENTENCE_CHARACTERS = 200
FORM = "application/x-www-form-urlencoded"


class TokenRefused(Exception):
    """The endpoint gives no token; the message says why, in words and without a secret."""


class TokenCall(NamedTuple):
    """What to post to a token endpoint."""

    url: str
    is_operator_address: bool
    """The operator chose the address, so that it may be private."""
    form: bytes


class Token(NamedTuple):
    """A token and how long it is good for."""

    text: str
    seconds: float


def google_call(credential: Credential, scope: str, settings: Settings, now_s: float) -> TokenCall:
    """Return the exchange of a service account's own assertion for a token. Raises TokenRefused.

    The address in the account's file is not used: it came from whoever entered the credential.
    """
    claims = {
        "iss": credential.part("client_email"),
        "scope": scope,
        # The audience is the endpoint's public name, whatever relay the operator may have put before it.
        "aud": GOOGLE_TOKENS_AT,
        "iat": int(now_s),
        "exp": int(now_s) + _ASSERTION_SECONDS,
    }
    key_id = credential.part("private_key_id")
    try:
        assertion = jwt.encode(
            claims,
            credential.part("private_key"),
            algorithm="RS256",
            headers={"kid": key_id} if key_id else None,
        )
    except (ValueError, TypeError, jwt.PyJWTError):
        raise TokenRefused("the service account's private key can't be read") from None
    form = urlencode({"grant_type": _GRANT, "assertion": assertion})
    url = settings.google_token_url
    return TokenCall(url, url != GOOGLE_TOKENS_AT, form.encode())


def entra_call(credential: Credential, scope: str, settings: Settings, _now_s: float) -> TokenCall:
    """Return the request of an Entra application for a token of its own."""
    root = settings.entra_url
    tenant = quote(credential.part("tenant_id"), safe="")
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": credential.part("client_id"),
            "client_secret": credential.part("client_secret"),
            "scope": scope,
        }
    )
    url = f"{root}/{tenant}/oauth2/v2.0/token"
    return TokenCall(url, root != ENTRA_AT, form.encode())


CALLS: dict[str, Callable[[Credential, str, Settings, float], TokenCall]] = {
    "google": google_call,
    "entra": entra_call,
}
"""Issuer to how a token is asked for there."""


def read_token(status: int, body: bytes) -> Token:
    """Return what an endpoint answered. Raises TokenRefused with the endpoint's own words."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        answer = {}
    token, seconds = answer.get("access_token"), answer.get("expires_in")
    if status == 200 and isinstance(token, str) and token.isascii() and token.isprintable():
        is_number = isinstance(seconds, int | float | str) and str(seconds).isdigit()
        return Token(token, float(seconds) if is_number else 300.0)  # type: ignore[arg-type]
    code, words = answer.get("error"), answer.get("error_description")
    said = ": ".join(text for text in (code, words) if isinstance(text, str) and text.isprintable())
    raise TokenRefused((said or f"the token endpoint answered {status}")[:_SENTENCE_CHARACTERS])
