"""``/api/gateway/v1/cache-rules``: which cache mode calls get."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from core.authoring import cache_rules as authoring
from core.models import CacheRule
from webapp.api.endpoint import Body, Call, ListQuery, Moment, Page, Routes, given, moment
from webapp.api.paging import page_of

CACHE_RULES = Routes("Cache rules", "/api/gateway/v1/cache-rules")
Priority = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]


class CacheRuleOut(msgspec.Struct, kw_only=True):
    """A cache rule. The highest priority wins; of equals the older one."""

    id: str
    name: str
    description: str
    priority: int
    enabled: bool
    matchers: dict[str, Any]
    mode: str
    created_at: Moment
    updated_at: Moment
    archived_at: Moment | None


class NewCacheRule(Body, kw_only=True):
    """A cache rule to be; at least one matcher, and all that are given must match."""

    name: str
    matchers: dict[str, Any]
    mode: str
    priority: Priority = 100
    description: str = ""
    enabled: bool = True


class CacheRuleChange(Body, kw_only=True):
    """What shall be different; what is left out stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    matchers: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    mode: str | msgspec.UnsetType = msgspec.UNSET
    priority: Priority | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


_FIELDS = ("name", "matchers", "mode", "priority", "description", "enabled")


@CACHE_RULES.get("", "gatewayCacheRules:view")
def list_cache_rules(call: Call, query: ListQuery) -> Page[CacheRuleOut]:
    """List the cache rules."""
    rows = CacheRule.select().where(
        CacheRule.organization_id == call.organization_id, CacheRule.archived_at.is_null()
    )
    return page_of(query, rows, CacheRule.id, _told, "cache-rules")


@CACHE_RULES.create("", "gatewayCacheRules:create")
def create_cache_rule(call: Call, body: NewCacheRule) -> CacheRuleOut:
    """Create a cache rule; gateways follow it within two seconds."""
    new = authoring.NewCacheRule(**{name: getattr(body, name) for name in _FIELDS})
    return _told(authoring.create(call.actor, new, call.now))


@CACHE_RULES.get("/<rule_id>", "gatewayCacheRules:view")
def get_cache_rule(call: Call, rule_id: str) -> CacheRuleOut:
    """Read a cache rule."""
    return _told(authoring.find(call.organization_id, rule_id))


@CACHE_RULES.patch("/<rule_id>", "gatewayCacheRules:update")
def update_cache_rule(call: Call, rule_id: str, body: CacheRuleChange) -> CacheRuleOut:
    """Change a cache rule; ``matchers`` are replaced as a whole."""
    row = authoring.find(call.organization_id, rule_id)
    values = {name: getattr(row, name) for name in _FIELDS} | given(body)
    return _told(authoring.update(call.actor, rule_id, authoring.NewCacheRule(**values), call.now))


@CACHE_RULES.delete("/<rule_id>", "gatewayCacheRules:delete")
def archive_cache_rule(call: Call, rule_id: str) -> CacheRuleOut:
    """Archive a cache rule."""
    return _told(authoring.archive(call.actor, rule_id, call.now))


def _told(row: CacheRule) -> CacheRuleOut:
    return CacheRuleOut(
        id=row.id,
        name=row.name,
        description=row.description,
        priority=row.priority,
        enabled=row.enabled,
        matchers=row.matchers,
        mode=row.mode,
        created_at=moment(row.created_at) or "",
        updated_at=moment(row.updated_at) or "",
        archived_at=moment(row.archived_at),
    )
