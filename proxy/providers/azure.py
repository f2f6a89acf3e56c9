"""Azure OpenAI: OpenAI's dialects at the address of a resource, by deployment or in the ``v1`` form.

With an API version the classic addresses are used, where the path names a deployment; without one the
``v1`` form, where the body's model is the deployment. A key goes in ``api-key``, an Entra application
shows a token.
"""

from urllib.parse import quote, unquote_to_bytes

from core.provider_tokens import ENTRA_SCOPE
from proxy.bundle import ProviderBinding
from proxy.providers.openai import OPENAI_DIALECTS
from proxy.providers.provider import Headers, Provider, TokenNeed, Wanted, bearer

_NOT_BY_DEPLOYMENT = frozenset({"responses", "responses_compact", "responses_input_tokens"})
"""Request types whose classic address names no deployment; the body does."""


def address(binding: ProviderBinding, wanted: Wanted) -> str:
    """Return the path of a request; ``/openai`` or ``/openai/v1`` at the base path's end may be given or not."""
    root = binding.base_path.removesuffix("/v1").removesuffix("/openai") + "/openai"
    version = binding.settings.api_version
    if not version:
        return f"{root}/v1{wanted.upstream_path}"
    if wanted.request_type not in _NOT_BY_DEPLOYMENT:
        root += f"/deployments/{quote(wanted.model, safe='')}"
    return f"{root}{wanted.upstream_path}?api-version={quote(version, safe='')}"


def credential_headers(binding: ProviderBinding) -> Headers:
    """Return the key as Azure takes it; nothing for an application, which shows a token instead."""
    key = binding.proof.key
    return [(b"api-key", key.reveal().encode("latin-1"))] if key else []


def token(binding: ProviderBinding) -> TokenNeed | None:
    """Return the token that an Entra application must show; None with a key."""
    proof = binding.proof
    return TokenNeed(proof.account, "entra", ENTRA_SCOPE) if proof.parts else None


def socket_headers(binding: ProviderBinding) -> Headers | None:
    """Return the key as Azure takes it in handshakes, which only the ``v1`` form has."""
    if binding.settings.api_version:
        return None
    return bearer(binding.proof.key)


def query(given: bytes) -> bytes:
    """Return the caller's query without a version of its own: the provider's is what counts."""
    return b"&".join(part for part in given.split(b"&") if part and not _names_version(part))


def _names_version(part: bytes) -> bool:
    # Azure takes names in any case, and escaped.
    return unquote_to_bytes(part.partition(b"=")[0]).lower() == b"api-version"


AZURE = Provider(
    "azure",
    OPENAI_DIALECTS,
    address,
    credential_headers,
    asks_for_usage=True,
    query=query,
    token=token,
    socket_headers=socket_headers,
)
