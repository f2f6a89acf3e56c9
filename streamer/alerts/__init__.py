"""Alerts on their way out: one module a channel, one for delivery, one for the guarded connection."""
