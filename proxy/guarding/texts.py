"""Replaces texts in a body. Which texts there are is found in ``rules.guardrails.texts``."""

import json
from collections.abc import Mapping

import msgspec

from proxy.splice_at import Path, becoming, edited

_PROBABILITIES = ("logprobs", "logprobsResult")
"""Members that spell a text out once more, a token at a time, beside it or around it."""


def with_texts(data: bytes, changes: Mapping[Path, str], start: int = 0) -> bytes:
    """Return JSON in which the texts at some paths are replaced, and no other byte but their probabilities."""
    edits = {path: becoming(_written(text)) for path, text in changes.items()}
    around = {path[:steps] for path in changes for steps in range(len(path) + 1)}
    for path in around.difference(changes):
        for name in _PROBABILITIES:
            if (*path, name) not in around:
                edits[(*path, name)] = _emptied
    return edited(data, edits, start)


def _written(text: str) -> bytes:
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:
        # Half of a character, whose other half may come with the next event, is an escape only.
        return json.dumps(text).encode()


def _emptied(value: bytes) -> bytes:
    return {b"[": b"[]", b"{": b"null"}.get(value[:1], value)
