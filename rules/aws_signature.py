"""AWS Signature Version 4 for a request without a query: the headers that prove an account. Pure; sends nothing."""

import hashlib
import hmac
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_END = "aws4_request"


class AwsKey(NamedTuple):
    """An access key. ``session_token`` is empty unless the key is temporary."""

    access_key: str
    secret_key: str
    session_token: str = ""


class AwsScope(NamedTuple):
    """Where a signature counts."""

    region: str
    service: str


def signing_key(key: AwsKey, scope: AwsScope, day: str) -> bytes:
    """Return the key that signs on one day (``YYYYMMDD``); it can be kept until the day is over."""
    made = f"AWS4{key.secret_key}".encode()
    for part in (day, scope.region, scope.service, _END):
        made = hmac.digest(made, part.encode(), hashlib.sha256)
    return made


def signed_headers(
    key: AwsKey,
    scope: AwsScope,
    request: tuple[str, str, str, bytes],
    now: datetime,
    kept_key: bytes | None = None,
) -> list[tuple[str, str]]:
    """Return the headers to add to a request of method, path, host and body, at an aware UTC moment.

    The path is as it goes over the wire, its escapes included. Host, time and session token are signed;
    other headers may be added to the request freely.
    """
    method, path, host, body = request
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    signed = [("host", host), ("x-amz-date", moment)]
    if key.session_token:
        signed.append(("x-amz-security-token", key.session_token))
    names = ";".join(name for name, _ in signed)
    canonical = "\n".join(
        (
            method,
            # Every service but S3 counts the escapes of the path as characters to be escaped.
            quote(path, safe="/~"),
            "",
            *(f"{name}:{value}" for name, value in signed),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    day = moment[:8]
    where = "/".join((day, scope.region, scope.service, _END))
    text = "\n".join((_ALGORITHM, moment, where, hashlib.sha256(canonical.encode()).hexdigest()))
    secret = kept_key or signing_key(key, scope, day)
    signature = hmac.digest(secret, text.encode(), hashlib.sha256).hex()
    proof = f"{_ALGORITHM} Credential={key.access_key}/{where}, SignedHeaders={names}, Signature={signature}"
    return [*signed[1:], ("authorization", proof)]
