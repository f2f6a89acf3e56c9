"""Checks the signed claims that come with a bundle: who signed, for whom, until when, and that both agree."""

from collections.abc import Sequence

import jwt

from core.secrets import Secret
from proxy.bundle import BundleText

_ISSUER = "langwatch-control-plane"
_AUDIENCE = "langwatch-gateway"


class ClaimsError(Exception):
    """The claims are not signed by our control plane, are too old, or say something else than the bundle."""


def check_claims(
    token: str, bundle: BundleText, secrets: Sequence[Secret], *, is_fresh: bool
) -> None:
    """Raise ClaimsError unless one of the secrets signed claims that agree with the bundle.

    ``is_fresh`` also asks that they have not run out; a sealed copy from disk may be older.
    """
    claims = _verified(token, secrets, is_fresh)
    stated = {
        "vk_id": bundle.vk_id,
        "organization_id": bundle.organization_id,
        "project_id": bundle.project_id,
        "team_id": bundle.team_id,
        "principal_id": bundle.principal_id,
        "personal": bundle.personal,
        "revision": bundle.revision,
    }
    for name, value in stated.items():
        if (claims.get(name) or None) != (value or None):
            raise ClaimsError(f"claims and bundle disagree about {name}")


def _verified(token: str, secrets: Sequence[Secret], is_fresh: bool) -> dict[str, object]:
    reason = "no claim secret is set"
    for secret in secrets:
        if not secret:
            continue
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                secret.reveal(),
                algorithms=["HS256"],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                options={"require": ["exp", "iss", "aud"], "verify_exp": is_fresh},
            )
        except jwt.InvalidTokenError as error:
            reason = type(error).__name__
        else:
            return claims
    raise ClaimsError(f"claims refused: {reason}")
