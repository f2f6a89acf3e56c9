"""The signed link under which somebody whose call was refused asks for a higher budget. It decides nothing.

Whoever holds the link may file one request at a time and read what became of it, and nothing else: it names the
budget and the virtual key, and ends by itself. The gateway signs it, the control plane reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import jwt

from core.secrets import Secret, derive

PATH = "/budget-increase"
LIFETIME_SECONDS = 7 * 86_400
_AUDIENCE = "langwatch-budget-increase"
_PURPOSE = "budget increase links"


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, for which budget."""

    organization_id: str
    budget_id: str
    virtual_key_id: str
    principal_id: str | None


def link(base_url: str, secret: Secret, asking: Asking, now_s: float) -> str:
    """Return the address of the page where an increase is asked for; it works for a week."""
    claims = {
        "aud": _AUDIENCE,
        "exp": int(now_s) + LIFETIME_SECONDS,
        "org": asking.organization_id,
        "budget": asking.budget_id,
        "vk": asking.virtual_key_id,
        "sub": asking.principal_id or "",
    }
    token = jwt.encode(claims, derive(secret, _PURPOSE), algorithm="HS256")
    return f"{base_url.rstrip('/')}{PATH}?{urlencode({'token': token})}"


def read(token: str, secrets: Sequence[Secret]) -> Asking | None:
    """Return what a link says, or None when none of the secrets signed it or its week is over."""
    for secret in secrets:
        if not secret:
            continue
        try:
            claims = jwt.decode(
                token,
                derive(secret, _PURPOSE),
                algorithms=["HS256"],
                audience=_AUDIENCE,
                options={"require": ["exp", "aud"]},
            )
        except jwt.InvalidTokenError:
            continue
        org, budget, key, person = (str(claims.get(n, "")) for n in ("org", "budget", "vk", "sub"))
        return Asking(org, budget, key, person or None)
    return None
