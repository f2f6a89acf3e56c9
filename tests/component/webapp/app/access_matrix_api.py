"""The management API's part of the access matrix, worked out of what each route is and needs.

A member of no shared team holds what every member holds, and in a workspace of their own, which is none of the places
that are asked about, everything that a team has but the say over its budgets; whoever may, and names nothing that
exists, gets 404, and 400 where the route wants a body that ``{}`` is not. What is about whoever asks is everybody's.
"""

import msgspec

from rules.permissions import ADMIN, BAGS, MEMBER, OTHERS_DECIDE, TEAM_BAGS
from webapp.api.endpoint import Endpoint
from webapp.api.tables import TABLES

UNKNOWN_TO_STRANGERS = 401
FORBIDDEN = 403


def _passed(one: Endpoint) -> int:
    if one.at is not None:
        return 404
    if one.body is not None:
        try:
            msgspec.convert({}, one.body)
        except msgspec.ValidationError:
            return 400
    if "<" in one.path:
        return 404
    return one.status if one.answer not in (None, type(None)) else 204


def _is_held(one: Endpoint) -> bool:
    is_somewhere = one.anywhere or one.at is not None
    return one.permission in ("", *BAGS[MEMBER]) or (
        is_somewhere and one.permission in TEAM_BAGS[ADMIN] - OTHERS_DECIDE
    )


API: dict[str, tuple[int, int, int]] = {
    f"{one.method} {one.path}": (
        UNKNOWN_TO_STRANGERS,
        _passed(one) if _is_held(one) else FORBIDDEN,
        _passed(one),
    )
    for table in TABLES
    for one in table.endpoints
}
ENDING = {"POST /api/governance/me/end-sessions": API.pop("POST /api/governance/me/end-sessions")}
"""What ends the session that asks for the rest, and so comes last."""
