"""What the tables of routes have in common: the two roots, who manages the organization, the dates of a row."""

from __future__ import annotations

from datetime import datetime

import msgspec

from webapp.api.resource import Permissions

GATEWAY = "/api/gateway/v1"
GOVERNANCE = "/api/governance"
MANAGE = "organization:manage"
MANAGED = Permissions(MANAGE, MANAGE, MANAGE, MANAGE)
SEEN_AND_MANAGED = Permissions("organization:view", MANAGE, MANAGE, MANAGE)
"""Everybody sees it, administrators change it."""
OWN = ""
"""The permission of what is the caller's own: none."""
DATES = {"created_at": datetime, "updated_at": datetime, "archived_at": datetime}
Unset = msgspec.UnsetType
