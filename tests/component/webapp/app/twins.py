"""The twin in the management API of everything that a page changes, or why there is none.

Each route of a page that writes has a row here; a new one without a row fails ``test_twins``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Without:
    """No twin, and why."""

    reason: str


TYPED_BY_ITS_PERSON = Without(
    "Part of signing in: a password or a link is typed and opened by its person, in a browser."
)
FILLS_A_FORM = Without(
    "Helps to fill in a form and saves nothing; a program sends the whole thing."
)
BEHIND_A_LINK = Without(
    "The signed link of a refused call is the permission; who is signed in asks under /me."
)

Row = tuple[str, ...] | Without


def _kept(here: str, part: str, noun: str, **other: tuple[str, ...]) -> dict[str, Row]:
    """Return the rows of a thing that is created, changed and archived."""
    return {
        f"POST {here}": other.get("create", (f"create_{noun}",)),
        f"POST {here}/<{part}>/edit": (f"update_{noun}",),
        f"POST {here}/<{part}>/archive": (f"archive_{noun}",),
    }


def _deleted(here: str, part: str, noun: str) -> dict[str, Row]:
    """Return the rows of a thing that is created, changed and deleted."""
    return {
        f"POST {here}": (f"create_{noun}",),
        f"POST {here}/<{part}>/edit": (f"update_{noun}",),
        f"POST {here}/<{part}>/delete": (f"delete_{noun}",),
    }


_SIGNING_IN: dict[str, Row] = {
    "POST /sign-in": TYPED_BY_ITS_PERSON,
    "POST /sign-out": TYPED_BY_ITS_PERSON,
    "POST /forgot-password": TYPED_BY_ITS_PERSON,
    "POST /password": TYPED_BY_ITS_PERSON,
    "POST /invitation": TYPED_BY_ITS_PERSON,
    "POST /me/settings/password": TYPED_BY_ITS_PERSON,
    "POST /setup": Without("Makes the first administrator, before anybody could hold a key."),
}
_OWN: dict[str, Row] = {
    "POST /welcome": ("make_first_virtual_key",),
    "POST /me/keys": ("create_own_virtual_key",),
    "POST /me/keys/<key_id>/rotate": ("rotate_own_virtual_key",),
    "POST /me/keys/<key_id>/revoke": ("revoke_own_virtual_key",),
    "POST /me/api-keys": ("create_own_api_key",),
    "POST /me/api-keys/<key_id>/revoke": ("revoke_own_api_key",),
    "POST /me/budgets/<budget_id>/request": ("create_own_budget_increase",),
    "POST /me/settings/edit": ("update_me",),
    "POST /me/settings/landing": ("update_me",),
    "POST /me/settings/sessions": ("end_own_sessions",),
    "GET /me/data/person.zip": ("export_own_data",),
}
_GATEWAY: dict[str, Row] = {
    **_kept("/settings/virtual-keys", "key_id", "virtual_key"),
    "POST /settings/virtual-keys/new/providers": FILLS_A_FORM,
    "POST /settings/virtual-keys/<key_id>/edit/providers": FILLS_A_FORM,
    "GET /settings/virtual-keys/<key_id>": Without(
        "Shows the calls of another person's own key, and notes that; the API shows no calls."
    ),
    "POST /settings/virtual-keys/<key_id>/rotate": ("rotate_virtual_key",),
    "POST /settings/virtual-keys/<key_id>/disable": ("disable_virtual_key",),
    "POST /settings/virtual-keys/<key_id>/enable": ("enable_virtual_key",),
    "POST /settings/virtual-keys/<key_id>/revoke": ("revoke_virtual_key",),
    **_kept("/settings/providers", "provider_id", "provider"),
    "POST /settings/providers/test": ("test_provider_draft",),
    "POST /settings/providers/<provider_id>/edit/test": ("test_provider_change",),
    "POST /settings/providers/<provider_id>/test": ("test_provider",),
    "POST /settings/providers/<provider_id>/rotate": ("rotate_provider_credential",),
    **_kept("/gateway/budgets", "budget_id", "budget"),
    "POST /gateway/budgets/<budget_id>/reset": ("reset_budget",),
    "POST /budget-increase": BEHIND_A_LINK,
    "POST /gateway/budget-requests/<increase_id>/approve": ("approve_budget_increase",),
    "POST /gateway/budget-requests/<increase_id>/decline": ("decline_budget_increase",),
    **_kept("/settings/cache-rules", "rule_id", "cache_rule"),
    **_kept("/settings/guardrails", "guardrail_id", "guardrail"),
    "POST /settings/guardrails/try": ("try_guardrail",),
    **_kept("/settings/policy-rules", "set_id", "policy_rule_set"),
    "POST /settings/policy-rules/fill": FILLS_A_FORM,
    "POST /settings/policy-rules/<set_id>/<any(shadow, enforce):mode>": ("update_policy_rule_set",),
    "POST /settings/policy-rules/test": ("test_request",),
    "POST /settings/policy-rules/test/pattern": ("test_pattern",),
    **_kept("/settings/routing-policies", "policy_id", "routing_policy"),
    "POST /settings/routing-policies/arrange": FILLS_A_FORM,
    "POST /settings/routing-policies/<policy_id>/default": ("update_routing_policy",),
    **_kept("/settings/trace-destinations", "destination_id", "trace_destination"),
    "POST /settings/trace-destinations/<destination_id>/test": ("test_trace_destination",),
    "POST /settings/trace-destinations/capture": ("put_capture",),
}
del _GATEWAY["POST /settings/virtual-keys/<key_id>/archive"]
_PEOPLE: dict[str, Row] = {
    "POST /settings/members/invite": ("create_invitation",),
    "POST /settings/members/invite-many": ("create_invitations",),
    "POST /settings/members/invite-many/preview": FILLS_A_FORM,
    "POST /settings/invitations/<invitation_id>/renew": ("renew_invitation",),
    "POST /settings/invitations/<invitation_id>/cancel": ("cancel_invitation",),
    "POST /settings/members/<user_id>/edit": ("update_member",),
    "POST /settings/members/<user_id>/<any(disable, enable):change>": (
        "disable_member",
        "enable_member",
    ),
    "POST /settings/members/<user_id>/remove": ("remove_member",),
    "POST /settings/members/<user_id>/password-link": ("create_password_link",),
    "POST /settings/members/<user_id>/erase": ("erase_member",),
    "GET /settings/members/<user_id>/data/person.zip": ("export_member_data",),
    **_kept("/settings/teams", "team_id", "team"),
    "POST /settings/teams/<team_id>/people": ("put_team_member",),
    "POST /settings/teams/<team_id>/people/<user_id>/remove": ("remove_team_member",),
    **_kept("/settings/projects", "project_id", "project"),
    **_kept("/settings/departments", "department_id", "department"),
    **_deleted("/settings/groups", "group_id", "group"),
    "POST /settings/groups/<group_id>/people": ("put_group_members",),
    "POST /settings/groups/<group_id>/people/<user_id>/remove": ("put_group_members",),
    **_deleted("/settings/roles", "role_id", "custom_role"),
    "POST /settings/roles/bindings": ("create_role_binding",),
    "POST /settings/roles/bindings/<binding_id>/delete": ("delete_role_binding",),
    **_kept("/settings/service-accounts", "account_id", "service_account"),
    "POST /settings/service-accounts/<account_id>/<any(disable, enable):change>": (
        "disable_service_account",
        "enable_service_account",
    ),
    "POST /settings/api-keys": ("create_api_key",),
    "POST /settings/api-keys/<key_id>/revoke": ("revoke_api_key",),
    "POST /settings/organization/edit": ("update_organization",),
    "POST /settings/organization/slack": ("put_request_channel",),
    **_kept("/settings/sign-in", "connection_id", "sign_in_connection"),
    "POST /settings/sign-in/<connection_id>/check": ("check_sign_in_connection",),
    "POST /settings/sign-in/directory-token": ("create_directory_token",),
    "POST /settings/sign-in/directory-token/revoke": ("revoke_directory_token",),
}
_GOVERNANCE: dict[str, Row] = {
    **_kept("/settings/governance/ingestion-sources", "source_id", "ingestion_source"),
    "POST /settings/governance/ingestion-sources/<source_id>/rotate": ("rotate_source_secret",),
    **_kept("/settings/governance/anomaly-rules", "rule_id", "anomaly_rule"),
    "POST /settings/governance/anomaly-rules/preview": FILLS_A_FORM,
    "POST /settings/governance/anomaly-rules/<rule_id>/<any(enable, disable):change>": (
        "enable_anomaly_rule",
        "disable_anomaly_rule",
    ),
    "POST /governance/anomalies/<anomaly_id>/acknowledge": ("acknowledge_anomaly",),
    "POST /governance/anomalies/<anomaly_id>/resolve": ("resolve_anomaly",),
    "POST /settings/audit-log/verify": ("verify_audit_log",),
    "POST /settings/privacy/mode": ("put_content_mode",),
    **_deleted("/settings/privacy/rules", "rule_id", "privacy_rule"),
    **_deleted("/settings/retention/policies", "policy_id", "retention_policy"),
}
TWINS: dict[str, Row] = {**_SIGNING_IN, **_OWN, **_GATEWAY, **_PEOPLE, **_GOVERNANCE}
WRITING_READS = {name for name in TWINS if name.startswith("GET ")}
"""Pages that are read and yet leave a row in the audit log: what is stored about somebody was handed out."""
