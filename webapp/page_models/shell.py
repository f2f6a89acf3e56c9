"""What surrounds every page: who is signed in, for which organisation, and which entries the navigation shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One link; it is shown to those who hold ``permission`` and marked on its path and all paths below ``covers``."""

    label: str
    path: str
    icon: str
    permission: str
    covers: tuple[str, ...] = ()

    def is_current(self, path: str) -> bool:
        return any(
            path == root or path.startswith(root + "/") for root in (self.path, *self.covers)
        )


@dataclass(frozen=True, slots=True)
class NavSection:
    """A captioned group of links, with the maturity of the whole group as a pill."""

    caption: str
    entries: tuple[NavEntry, ...]
    pill: str = ""
    is_governance: bool = False


SECTIONS = (
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
        "Settings", (NavEntry("Audit log", "/settings/audit-log", "clock", "auditLog:view"),)
    ),
)


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame of one response; ``governs`` is the decided gate of the Govern entry."""

    organization_name: str
    user_name: str
    user_email: str
    governs: bool
    may: Callable[[str], bool]
    csrf_token: str
    sign_out_path: str = "/sign-out"

    @classmethod
    def signed_out(cls, csrf_token: str) -> Shell:
        """Return the frame for a visitor who is nobody yet: no navigation, no account."""
        return cls("", "", "", governs=False, may=lambda _: False, csrf_token=csrf_token)

    def sections(self) -> tuple[NavSection, ...]:
        """Return the sections with at least one entry that this person may open."""
        shown = (
            NavSection(
                section.caption,
                tuple(entry for entry in section.entries if self.may(entry.permission)),
                section.pill,
                section.is_governance,
            )
            for section in SECTIONS
            if self.governs or not section.is_governance
        )
        return tuple(section for section in shown if section.entries)
