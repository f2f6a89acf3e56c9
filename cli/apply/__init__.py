"""Configuration as code: read a file, compare it with the control plane, change what differs."""
