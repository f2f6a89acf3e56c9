"""Reads the heartbeats that the streamer's jobs leave."""

from __future__ import annotations

from core.models import JobHeartbeat


def heartbeats() -> list[JobHeartbeat]:
    """Return one row per job that ever ran, by name."""
    return list(JobHeartbeat.select().order_by(JobHeartbeat.name))
