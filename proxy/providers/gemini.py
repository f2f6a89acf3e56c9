"""Gemini with an API key: Google's generative language API, the model in the path, the key in ``x-goog-api-key``."""

import re
from urllib.parse import quote, unquote_to_bytes

from proxy.bundle import ProviderBinding
from proxy.dialects.gemini import GEMINI, GEMINI_COUNT, GEMINI_EMBEDDINGS
from proxy.providers.provider import Headers, Provider, Wanted

BASE_URL = "https://generativelanguage.googleapis.com"
_VERSIONS = ("/v1beta", "/v1")
_FORM = re.compile(rb"\$?alt=(?:sse|json)(?:;enum-encoding=int)?|\$?prettyPrint=\w+")


def address(binding: ProviderBinding, wanted: Wanted) -> str:
    """Return the path with the model in it, in the version of the API that the caller chose."""
    base_path = binding.base_path
    for version in _VERSIONS:
        base_path = base_path.removesuffix(version)
    # Quoted whole: a name must not be able to lead to another address.
    return base_path + wanted.upstream_path.replace("{model}", quote(wanted.model, safe=""))


def credential_headers(binding: ProviderBinding) -> Headers:
    """Return the key as Google takes it."""
    credential = binding.credential
    return [(b"x-goog-api-key", credential.reveal().encode("latin-1"))] if credential else []


def query(given: bytes) -> bytes:
    """Return of a caller's query what says in which form the answer comes.

    Google's parameters also cut an answer down to some fields, without its usage, or pack it in a form that
    nobody here reads.
    """
    parts = given.split(b"&")
    return b"&".join(part for part in parts if _FORM.fullmatch(unquote_to_bytes(part)))


GEMINI_PROVIDER = Provider(
    "gemini",
    frozenset({GEMINI.name, GEMINI_COUNT.name, GEMINI_EMBEDDINGS.name}),
    address,
    credential_headers,
    query=query,
)
