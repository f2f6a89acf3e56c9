"""Routing policies: which providers are tried in which order, for the keys of an organization, a team or a project."""

from peewee import BooleanField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class RoutingPolicy(Model):
    """One policy. It applies to keys that name it and, as the default of its scope, to those that name none."""

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    scope = TextField()
    """organization, team or project."""
    scope_id = TextField()
    name = TextField()
    description = TextField(default="")
    strategy = TextField(default="priority")
    """priority, cost, latency or round_robin."""
    provider_ids = JsonField(default=list)
    """In the order in which they are tried."""
    models_allowed = JsonField(default=list)
    """Globs; none is no restriction."""
    model_aliases = JsonField(default=dict)
    is_default = BooleanField(default=False)
    """At most one of a scope is."""
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)

    class Meta:
        table_name = "routing_policy"
