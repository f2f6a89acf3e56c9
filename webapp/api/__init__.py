"""The management API: each route one declared function over ``core.authoring``, described by one document."""
