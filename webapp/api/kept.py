"""``/api/governance``: what is kept of calls and for how long: privacy rules and retention policies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring import privacy, retention
from core.authoring.privacy import NewPrivacyRule
from core.authoring.retention import NewRetentionPolicy
from core.authoring.validation import invalid
from core.models import PrivacyRule, RetentionPolicy
from rules.privacy import CATEGORIES
from webapp.api.endpoint import Call
from webapp.api.resource import Permissions, Resource, routes_of
from webapp.api.shared import GOVERNANCE, SEEN_AND_MANAGED
from webapp.places import privacy_rule_place
from webapp.queries.privacy import refuse_rule_at
from webapp.queries.retention import due_words, would_delete

_SCOPED = {"id": str, "scope": str, "scope_id": str}
_DATES = {"revision": int, "created_at": datetime, "updated_at": datetime}


def _create_rule(call: Call, new: NewPrivacyRule) -> PrivacyRule:
    refuse_rule_at(call.viewer, new.scope, new.scope_id)
    return privacy.create(call.actor, new, call.now)


def _update_rule(call: Call, row: PrivacyRule, new: NewPrivacyRule) -> PrivacyRule:
    refuse_rule_at(call.viewer, row.scope, row.scope_id)
    return privacy.update(call.actor, row.id, new, call.now, call.expected)


def _delete_rule(call: Call, rule_id: str) -> PrivacyRule:
    row = privacy.find(call.organization_id, rule_id)
    refuse_rule_at(call.viewer, row.scope, row.scope_id)
    return privacy.delete(call.actor, rule_id, call.now)


def _rule_stored(row: PrivacyRule) -> dict[str, Any]:
    plain = (
        *("scope", "scope_id", "is_personal_only", "drop_keys", "secret_patterns"),
        *("personal_data", "secrets", "audience"),
    )
    return {name: getattr(row, name) for name in plain} | {"choices": _choices(row)}


def _choices(row: PrivacyRule) -> dict[str, str]:
    return {name: chosen for name in CATEGORIES if (chosen := getattr(row, name))}


PRIVACY_RULES = routes_of(
    Resource(
        noun="privacy rule",
        root=f"{GOVERNANCE}/privacy-rules",
        tag="Privacy",
        model=PrivacyRule,
        permissions=Permissions(
            "organization:view", "project:update", "project:update", "project:update"
        ),
        takes=NewPrivacyRule,
        fixed=("scope", "scope_id", "is_personal_only"),
        stored=_rule_stored,
        shown={
            **_SCOPED,
            "is_personal_only": bool,
            "drop_keys": list[str],
            "secret_patterns": list[str],
            "personal_data": str,
            "secrets": str,
            "audience": list[str],
            **_DATES,
        },
        extra=lambda _, rows: [{"choices": _choices(row)} for row in rows],
        extra_shown={"choices": dict[str, str]},
        find=privacy.find,
        at=lambda organization_id, parts: privacy_rule_place(
            organization_id, {"rule_id": parts["privacy_rule_id"]}
        ),
        is_seen_whole=True,
        made_anywhere=True,
        make=_create_rule,
        alter=_update_rule,
        end=_delete_rule,
        ending="Delete",
    )
)


@dataclass(frozen=True, slots=True)
class AgreedRetentionPolicy(NewRetentionPolicy):
    """A policy, and whether whoever sends it agrees to what it deletes of what is stored already."""

    is_agreed: bool = False


def _create_policy(call: Call, new: AgreedRetentionPolicy) -> RetentionPolicy:
    _refuse_unless_agreed(call, new, None)
    return retention.create(call.actor, new, call.now)


def _update_policy(call: Call, row: RetentionPolicy, new: AgreedRetentionPolicy) -> RetentionPolicy:
    _refuse_unless_agreed(call, new, row)
    return retention.update(call.actor, row.id, new, call.now, call.expected)


def _refuse_unless_agreed(
    call: Call, new: AgreedRetentionPolicy, row: RetentionPolicy | None
) -> None:
    due = due_words(*would_delete(call.plane.lake, call.organization_id, new, row, call.now))
    if due and not new.is_agreed:
        sentence = f"The next run would delete {due}. Send `is_agreed: true` to agree."
        raise invalid({"is_agreed": sentence})


RETENTION_POLICIES = routes_of(
    Resource(
        noun="retention policy",
        root=f"{GOVERNANCE}/retention-policies",
        tag="Retention",
        model=RetentionPolicy,
        permissions=SEEN_AND_MANAGED,
        takes=AgreedRetentionPolicy,
        fixed=("scope", "scope_id"),
        stored=lambda row: {
            **{n: getattr(row, n) for n in ("scope", "scope_id", "activity_days", "content_days")},
            "is_retroactive": row.holds_from is None,
        },
        shown={
            **_SCOPED,
            "activity_days": int | None,
            "content_days": int | None,
            "holds_from": datetime,
            **_DATES,
        },
        find=retention.find,
        make=_create_policy,
        alter=_update_policy,
        end=lambda call, policy_id: retention.delete(call.actor, policy_id, call.now),
        ending="Delete",
    )
)
