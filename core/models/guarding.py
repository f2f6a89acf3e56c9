"""What calls are checked against beside budgets: policy rules, guardrails and cache rules."""

from peewee import BooleanField, IntegerField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class PolicyRuleSet(Model):
    """Policy rules for every key at a scope: organization, team or project. All sets that apply must agree."""

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    name = TextField()
    description = TextField(default="")
    scope = TextField()
    scope_id = TextField()
    rules = JsonField(default=dict)
    """``{tools|mcp|urls|models: {deny: [pattern], allow: [pattern] | null, shadow: bool}}``."""
    enabled = BooleanField(default=True)
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)


class CacheRule(Model):
    """Which cache mode calls get that match; the highest priority wins, of equals the older one."""

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    name = TextField()
    description = TextField(default="")
    priority = IntegerField(default=100)
    enabled = BooleanField(default=True)
    matchers = JsonField(default=dict)
    mode = TextField()
    """respect, force or disable."""
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)


class Guardrail(Model):
    """A check of text. ``action`` is block or redact, ``on_failure`` is fail_closed or fail_open."""

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    name = TextField()
    description = TextField(default="")
    scope = TextField()
    scope_id = TextField()
    type = TextField()
    settings = JsonField(default=dict)
    sealed_secret = TextField(null=True)
    """What calls to an evaluator are signed with."""
    is_operator_address = BooleanField(default=False)
    """True when the operator wrote the evaluator's address in a file, so that it may be private."""
    action = TextField(default="block")
    directions = JsonField(default=list)
    """Some of request, response and stream_chunk."""
    on_failure = TextField(default="fail_closed")
    is_automatic = BooleanField(default=False)
    """True when every key at the scope has it; otherwise keys name it in their configuration."""
    enabled = BooleanField(default=True)
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)
