"""What surrounds every page: who is signed in, for which organization, and which entries the navigation shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One link; it is shown to those who hold ``permission`` and marked on its path and all paths below ``covers``.

    Without a permission it is everyone's who is signed in.
    """

    label: str
    path: str
    icon: str
    permission: str
    covers: tuple[str, ...] = ()
    anywhere: bool | None = False
    """Whether holding the permission anywhere is enough; None: anywhere but in one's own workspace."""

    def is_current(self, path: str) -> bool:
        return any(_is_at(path, root) for root in (self.path, *self.covers))


def _is_at(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")


@dataclass(frozen=True, slots=True)
class NavSection:
    """A captioned group of links, with the maturity of the whole group as a pill."""

    caption: str
    entries: tuple[NavEntry, ...]
    pill: str = ""
    is_governance: bool = False
    is_gateway: bool = False


# Address, label, permission, whether holding it anywhere is enough; None: anywhere but in one's own workspace.
SETTINGS_TABS = (
    ("/settings/members", "Members", "organization:manage", False),
    ("/settings/groups", "Groups", "organization:manage", False),
    ("/settings/teams", "Teams", "team:view", True),
    ("/settings/projects", "Projects", "project:view", True),
    ("/settings/departments", "Departments", "governance:view", False),
    ("/settings/roles", "Roles", "organization:manage", False),
    ("/settings/service-accounts", "Service accounts", "organization:manage", False),
    ("/settings/api-keys", "API keys", "organization:manage", False),
    ("/settings/sign-in", "Sign-in", "organization:manage", False),
    ("/settings/providers", "Providers", "modelProviders:view", False),
    ("/settings/privacy", "Privacy", "organization:view", False),
    ("/settings/retention", "Retention", "organization:view", False),
    ("/settings/organization", "Organization", "organization:view", False),
)
GATEWAY_TABS = (
    ("/settings/virtual-keys", "Virtual keys", "virtualKeys:view", True),
    ("/settings/providers", "Providers", "modelProviders:view", False),
    ("/settings/routing-policies", "Routing policies", "routingPolicies:view", None),
    ("/settings/policy-rules", "Policy rules", "routingPolicies:view", None),
    ("/settings/guardrails", "Guardrails", "gatewayGuardrails:view", None),
    ("/settings/cache-rules", "Cache rules", "gatewayCacheRules:view", False),
    ("/settings/trace-destinations", "Trace destinations", "organization:view", False),
)
"""They stand in the place of the settings' on the gateway's own pages."""
PEOPLE_PATHS = (
    "/settings/groups",
    "/settings/departments",
    "/settings/roles",
    "/settings/service-accounts",
    "/settings/api-keys",
    "/settings/sign-in",
)

SECTIONS = (
    NavSection("Personal", (NavEntry("My workspace", "/me", "screen", ""),)),
    NavSection("Observe", (NavEntry("Jobs", "/settings/jobs", "pulse", "governance:view"),)),
    NavSection(
        "Govern",
        (
            NavEntry(
                "Governance", "/governance", "eye", "organization:manage", ("/settings/governance",)
            ),
        ),
        pill="Preview",
        is_governance=True,
    ),
    NavSection(
        "AI Gateway",
        (
            NavEntry(
                "Virtual keys",
                "/settings/virtual-keys",
                "key",
                "virtualKeys:view",
                anywhere=True,
            ),
            NavEntry("Calls", "/gateway/calls", "chart", "gatewayLogs:view", anywhere=True),
            NavEntry("Providers", "/settings/providers", "plug", "modelProviders:view"),
            NavEntry(
                "Budgets",
                "/gateway/budgets",
                "bucket",
                "gatewayBudgets:view",
                ("/gateway/budget-requests",),
                anywhere=True,
            ),
            NavEntry(
                "Routing policies",
                "/settings/routing-policies",
                "route",
                "routingPolicies:view",
                anywhere=None,
            ),
            NavEntry(
                "Policy rules",
                "/settings/policy-rules",
                "check",
                "routingPolicies:view",
                anywhere=None,
            ),
            NavEntry(
                "Guardrails",
                "/settings/guardrails",
                "shield",
                "gatewayGuardrails:view",
                anywhere=None,
            ),
            NavEntry("Cache rules", "/settings/cache-rules", "layers", "gatewayCacheRules:view"),
            NavEntry(
                "Trace destinations", "/settings/trace-destinations", "send", "organization:view"
            ),
        ),
        pill="Beta",
        is_gateway=True,
    ),
    NavSection(
        "Organization",
        (
            NavEntry("People", "/settings/members", "users", "organization:manage", PEOPLE_PATHS),
            NavEntry("Teams", "/settings/teams", "tree", "team:view", anywhere=True),
            NavEntry("Projects", "/settings/projects", "folder", "project:view", anywhere=True),
            NavEntry("Organization", "/settings/organization", "building", "organization:view"),
        ),
    ),
    NavSection(
        "Settings",
        (
            NavEntry(
                "Privacy",
                "/settings/privacy",
                "lock",
                "organization:view",
                ("/settings/retention",),
            ),
            NavEntry("Audit log", "/settings/audit-log", "clock", "auditLog:view"),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame of one response; ``governs`` and ``has_gateway`` are the decided gates of two sections."""

    organization_name: str
    user_name: str
    user_email: str
    governs: bool
    may: Callable[[str], bool]
    csrf_token: str
    sign_out_path: str = "/sign-out"
    may_somewhere: Callable[[str], bool] = lambda _: False
    may_with_others: Callable[[str], bool] = lambda _: False
    has_gateway: bool = True

    @classmethod
    def signed_out(cls, csrf_token: str) -> Shell:
        """Return the frame for a visitor who is nobody yet: no navigation, no account."""
        return cls("", "", "", governs=False, may=lambda _: False, csrf_token=csrf_token)

    def sections(self) -> tuple[NavSection, ...]:
        """Return the sections with at least one entry that this person may open."""
        shown = (
            NavSection(
                section.caption,
                tuple(entry for entry in section.entries if self._shows(entry)),
                section.pill,
                section.is_governance,
                section.is_gateway,
            )
            for section in SECTIONS
            if (self.governs or not section.is_governance)
            and (self.has_gateway or not section.is_gateway)
        )
        return tuple(section for section in shown if section.entries)

    def settings_tabs(self, path: str) -> list[tuple[str, str, bool]]:
        """Return label, address and whether it is open, of each page beside this one that this person may open."""
        is_gateway = self.has_gateway and any(_is_at(path, tab[0]) for tab in GATEWAY_TABS)
        return [
            (label, address, _is_at(path, address))
            for address, label, permission, anywhere in (
                GATEWAY_TABS if is_gateway else SETTINGS_TABS
            )
            if self._may(permission, anywhere)
        ]

    def _shows(self, entry: NavEntry) -> bool:
        if not entry.permission:
            return bool(self.user_name)
        return self._may(entry.permission, entry.anywhere)

    def _may(self, permission: str, anywhere: bool | None) -> bool:
        if anywhere is None:
            return self.may_with_others(permission)
        return (self.may_somewhere if anywhere else self.may)(permission)
