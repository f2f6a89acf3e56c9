"""Spans of calls on their way to the tenants' own OTLP endpoints."""
