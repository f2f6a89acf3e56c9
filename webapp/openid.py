"""Speaks OpenID Connect with a company's provider: discovery, the way there, and what comes back. Signs nobody in.

Authorization code with PKCE; the identity token is checked for signature, issuer, audience, nonce and time.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import orjson
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from core.authoring.federated import Vouched
from core.ids import new_token
from core.models import SignInConnection
from core.outbound import AddressRefused, Reach, exchange
from core.secrets import Secret

DISCOVERY = "/.well-known/openid-configuration"
# A signature that anybody could make with what the provider publishes is none, so no shared-secret algorithm.
ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
KEPT_SECONDS = 600.0
LEEWAY_SECONDS = 60
ANSWER_BYTES = 1024 * 1024
"""The most that a provider's answer may have; past it there is no whole JSON."""
_JSON = {"Accept": "application/json"}


class ProviderFailedError(Exception):
    """The provider, or what it sent, can't be used; the message says why and holds no secret and no token."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a provider."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """What discovery found, as far as it is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    token_auth_methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Errand:
    """One sign-in under way: what the browser's session keeps until it returns."""

    connection_id: str
    state: str
    nonce: str
    verifier: str
    redirect_uri: str


@dataclass(slots=True)
class _Kept:
    provider: Provider
    keys: KeySet | None
    until: float


@dataclass(slots=True)
class OpenIdProviders:
    """Talks to providers, and keeps what they publish for some minutes. Safe to share between threads."""

    _kept: dict[str, _Kept] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def discover(self, issuer: str, reach: Reach, *, is_fresh: bool = False) -> Provider:
        """Return what a provider publishes about itself. Raises ProviderFailedError."""
        with self._lock:
            kept = self._kept.get(issuer)
        if kept is not None and not is_fresh and kept.until > time.monotonic():
            return kept.provider
        found = _discovered(issuer, _json(Asked("GET", issuer + DISCOVERY, _JSON), reach))
        with self._lock:
            self._kept[issuer] = _Kept(found, None, time.monotonic() + KEPT_SECONDS)
        return found

    def keys(self, provider: Provider, reach: Reach, *, is_fresh: bool = False) -> KeySet:
        """Return a provider's signing keys. Raises ProviderFailedError."""
        with self._lock:
            kept = self._kept.get(provider.issuer)
        if kept is not None and kept.keys is not None and not is_fresh:
            return kept.keys
        body = _json(Asked("GET", provider.jwks_uri, _JSON), reach)
        try:
            found = KeySet.import_key_set({"keys": _usable(body)})
        except (JoseError, ValueError, TypeError, KeyError):
            raise ProviderFailedError("The provider's keys can't be read.") from None
        with self._lock:
            if provider.issuer in self._kept:
                self._kept[provider.issuer].keys = found
        return found


def start(connection_id: str, redirect_uri: str) -> Errand:
    """Return a fresh errand; everything in it is used once."""
    return Errand(connection_id, new_token(), new_token(), new_token() + new_token(), redirect_uri)


def authorization_address(provider: Provider, row: SignInConnection, errand: Errand) -> str:
    """Return where the browser goes."""
    address: str = prepare_grant_uri(
        provider.authorization_endpoint,
        client_id=row.client_id,
        response_type="code",
        redirect_uri=errand.redirect_uri,
        scope=row.scopes,
        state=errand.state,
        nonce=errand.nonce,
        code_challenge=create_s256_code_challenge(errand.verifier),
        code_challenge_method="S256",
    )
    return address


def returned(
    providers: OpenIdProviders,
    row: SignInConnection,
    secret: Secret | None,
    errand: Errand,
    code: str,
    reach: Reach,
) -> Vouched:
    """Exchange a code and return whom the provider vouches for. Raises ProviderFailedError."""
    provider = providers.discover(row.issuer, reach)
    tokens = _exchanged(provider, row, secret, errand, code, reach)
    claims = _identity(providers, provider, row, errand, tokens, reach)
    if not claims.get("email") or row.groups_claim not in claims:
        claims = _more(provider, claims, str(tokens.get("access_token", "")), reach) | claims
    return _vouched(claims, row.groups_claim)


def _discovered(issuer: str, body: Mapping[str, Any]) -> Provider:
    if str(body.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        raise ProviderFailedError(
            "The provider calls itself by another issuer than the one entered."
        )
    endpoints = {
        name: str(body.get(name, ""))
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    missing = [
        name for name, url in endpoints.items() if not url.startswith(("https://", "http://"))
    ]
    if missing:
        raise ProviderFailedError(f"The provider publishes no {missing[0]}.")
    methods = body.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Provider(
        issuer=str(body["issuer"]),
        userinfo_endpoint=str(body.get("userinfo_endpoint", "")),
        token_auth_methods=tuple(str(m) for m in methods) if isinstance(methods, list) else (),
        **endpoints,
    )


def _exchanged(
    provider: Provider,
    row: SignInConnection,
    secret: Secret | None,
    errand: Errand,
    code: str,
    reach: Reach,
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": errand.redirect_uri,
        "code_verifier": errand.verifier,
        "client_id": row.client_id,
    }
    headers = _JSON | {"Content-Type": "application/x-www-form-urlencoded"}
    if secret is not None and "client_secret_basic" in provider.token_auth_methods:
        headers["Authorization"] = _basic(row.client_id, secret)
        del form["client_id"]
    elif secret is not None:
        form["client_secret"] = secret.reveal()
    asked = Asked("POST", provider.token_endpoint, headers, urlencode(form).encode())
    return _json(asked, reach)


def _basic(client_id: str, secret: Secret) -> str:
    # RFC 6749, 2.3.1: both parts are form-encoded before they are joined.
    pair = f"{quote(client_id, safe='')}:{quote(secret.reveal(), safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _identity(
    providers: OpenIdProviders,
    provider: Provider,
    row: SignInConnection,
    errand: Errand,
    tokens: Mapping[str, Any],
    reach: Reach,
) -> dict[str, Any]:
    text = tokens.get("id_token")
    if not isinstance(text, str):
        raise ProviderFailedError("The provider sent no identity token.")
    try:
        token = jwt.decode(text, providers.keys(provider, reach), algorithms=ALGORITHMS)
    except (JoseError, ValueError):
        # A provider that has just changed its keys signs with one that was not kept yet.
        token = _decoded(text, providers.keys(provider, reach, is_fresh=True))
    claims = CodeIDToken(
        token.claims,
        token.header,
        options={
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": row.client_id},
        },
        params={
            "nonce": errand.nonce,
            "client_id": row.client_id,
            "access_token": tokens.get("access_token"),
        },
    )
    try:
        claims.validate(now=int(time.time()), leeway=LEEWAY_SECONDS)
    except JoseError as error:
        raise ProviderFailedError(f"The identity token is not right: {error.error}.") from None
    return dict(claims)


def _decoded(text: str, keys: KeySet) -> jwt.Token:
    try:
        return jwt.decode(text, keys, algorithms=ALGORITHMS)
    except (JoseError, ValueError):
        raise ProviderFailedError("The identity token is not signed by the provider.") from None


def _more(
    provider: Provider, claims: Mapping[str, Any], access_token: str, reach: Reach
) -> dict[str, Any]:
    """Return what the provider says beside the identity token, of the same subject."""
    if not provider.userinfo_endpoint or not access_token:
        return {}
    headers = _JSON | {"Authorization": f"Bearer {access_token}"}
    found = _json(Asked("GET", provider.userinfo_endpoint, headers), reach)
    if found.get("sub") != claims.get("sub"):
        raise ProviderFailedError("The provider speaks of somebody else in its user information.")
    return found


def _vouched(claims: Mapping[str, Any], groups_claim: str) -> Vouched:
    groups = claims.get(groups_claim, ())
    if isinstance(groups, str):
        groups = [groups]
    verified = claims.get("email_verified")
    if isinstance(verified, str):
        verified = verified.lower() == "true"
    return Vouched(
        str(claims["sub"]),
        str(claims.get("email") or ""),
        str(claims.get("name") or claims.get("preferred_username") or ""),
        verified if isinstance(verified, bool) else None,
        tuple(g for g in groups if isinstance(g, str)) if isinstance(groups, list | tuple) else (),
    )


def _usable(body: Mapping[str, Any]) -> list[Any]:
    """Return the keys that sign; what is published for other uses or of unknown kinds is left out."""
    keys = body.get("keys")
    if not isinstance(keys, list):
        raise ProviderFailedError("The provider publishes no keys.")
    return [
        key
        for key in keys
        if isinstance(key, dict)
        and key.get("use", "sig") == "sig"
        and key.get("kty") in ("RSA", "EC", "OKP")
    ]


def _json(asked: Asked, reach: Reach) -> dict[str, Any]:
    try:
        answer = exchange(asked.method, asked.url, asked.headers, asked.body, reach)
        body = orjson.loads(answer.start)
    except AddressRefused as refused:
        raise ProviderFailedError(f"The provider's address: {refused}.") from None
    except httpx.HTTPError as failed:
        raise ProviderFailedError(f"The provider cannot be reached: {_kind(failed)}.") from None
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise ProviderFailedError("The provider answered with something else than JSON.")
    if answer.status != 200:
        error = body.get("error")
        code = error if isinstance(error, str) and error.isprintable() else f"HTTP {answer.status}"
        raise ProviderFailedError(f"The provider refused: {code[:80]}.")
    return body


def _kind(error: httpx.HTTPError) -> str:
    return "it took too long" if isinstance(error, httpx.TimeoutException) else "no connection"
