"""Replaces texts in a body. Which texts there are is found in ``rules.guardrails.texts``."""

from collections.abc import Mapping

import msgspec

from proxy.splice_at import Path, becoming, edited

_PROBABILITIES = ("logprobs", "logprobsResult")
"""Members that spell a text out once more, a token at a time, beside it or around it."""


def with_texts(data: bytes, changes: Mapping[Path, str], start: int = 0) -> bytes:
    """Return JSON in which the texts at some paths are replaced, and no other byte but their probabilities."""
    edits = {path: becoming(msgspec.json.encode(text)) for path, text in changes.items()}
    around = {path[:steps] for path in changes for steps in range(len(path) + 1)}
    for path in around.difference(changes):
        for name in _PROBABILITIES:
            if (*path, name) not in around:
                edits[(*path, name)] = _emptied
    return edited(data, edits, start)


def _emptied(value: bytes) -> bytes:
    return {b"[": b"[]", b"{": b"null"}.get(value[:1], value)
