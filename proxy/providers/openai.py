"""OpenAI: all of its APIs under ``/v1``, a bearer key, usage on chat streams only when asked."""

from proxy.bundle import ProviderBinding
from proxy.dialects.openai_audio import OPENAI_SPEECH, OPENAI_TRANSCRIPTIONS
from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.dialects.openai_completions import OPENAI_COMPLETIONS
from proxy.dialects.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.dialects.openai_image_forms import OPENAI_IMAGE_FORMS
from proxy.dialects.openai_images import OPENAI_IMAGES
from proxy.dialects.openai_moderations import OPENAI_MODERATIONS
from proxy.dialects.openai_responses import OPENAI_RESPONSES
from proxy.providers.provider import Headers, Provider, Wanted, bearer

OPENAI_DIALECTS = frozenset(
    row.name
    for row in (
        OPENAI_CHAT,
        OPENAI_COMPLETIONS,
        OPENAI_EMBEDDINGS,
        OPENAI_IMAGES,
        OPENAI_IMAGE_FORMS,
        OPENAI_MODERATIONS,
        OPENAI_RESPONSES,
        OPENAI_SPEECH,
        OPENAI_TRANSCRIPTIONS,
    )
)
"""The wire formats of OpenAI's APIs, which compatible servers speak as far as they have them."""


def address(binding: ProviderBinding, wanted: Wanted) -> str:
    """Return the path under the base path as given, as OpenAI's own SDKs do; under ``/v1`` where none is given."""
    return (binding.base_path or "/v1") + wanted.upstream_path


def credential_headers(binding: ProviderBinding) -> Headers:
    """Return the key as a bearer token."""
    return bearer(binding.credential)


OPENAI = Provider(
    "openai",
    OPENAI_DIALECTS,
    address,
    credential_headers,
    asks_for_usage=True,
    socket_headers=credential_headers,
)
