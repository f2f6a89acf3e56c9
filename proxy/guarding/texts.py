"""Replaces texts in a body. Which texts there are is found in ``rules.guardrails.texts``."""

from collections.abc import Mapping

import msgspec

from proxy.splice_at import Path, with_values


def with_texts(data: bytes, changes: Mapping[Path, str], start: int = 0) -> bytes:
    """Return JSON in which the texts at some paths are replaced, and no other byte."""
    values = {path: msgspec.json.encode(text) for path, text in changes.items()}
    return with_values(data, values, start)
