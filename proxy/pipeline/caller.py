"""Tells whose client is calling where the path alone does not, and takes a key out of a query. Judges no key."""

from urllib.parse import unquote_to_bytes

from proxy.pipeline.incoming import Incoming

OPENAI, ANTHROPIC, GEMINI = "openai", "anthropic", "gemini"
_GEMINI_PATHS = ("/v1beta/", "/api/v1beta/")


def api_of(path: str, incoming: Incoming) -> str:
    """Return the API whose form an answer of our own has, on a path that more than one of them uses."""
    if path.startswith(_GEMINI_PATHS) or incoming.get(b"x-goog-api-key"):
        return GEMINI
    return ANTHROPIC if incoming.get(b"anthropic-version") else OPENAI


def without_key(query: bytes) -> tuple[bytes, bytes]:
    """Return the value of the parameter ``key``, or nothing, and the query without that parameter.

    What is left keeps its bytes and its order.
    """
    if b"key" not in query and b"%" not in query:
        return b"", query
    key, kept = b"", []
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if unquote_to_bytes(name.replace(b"+", b" ")) == b"key":
            key = key or unquote_to_bytes(value.replace(b"+", b" ")).strip()
        else:
            kept.append(pair)
    return key, b"&".join(kept)
