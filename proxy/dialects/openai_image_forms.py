"""OpenAI's edits and variations of pictures on the wire: a form with pictures in it, an answer like a generation's."""

from msgspec.structs import replace

from proxy.dialects.dialect import Ask, Dialect, token_count
from proxy.dialects.form_fields import form_of, read_json, renamed_form, value_of
from proxy.dialects.openai_images import (
    DEAREST_PICTURE_TOKENS,
    MAX_EVENT_BYTES,
    MAX_PICTURES,
    counts,
    read_body,
    read_event,
    read_skipped,
)
from rules.estimates import BYTES_PER_TOKEN
from rules.usage import Usage

_PICTURES = frozenset({b"image", b"image[]"})
_MOST_GIVEN = 16
"""How many pictures a form may have, by the API's description."""


def read_form(body: bytes, content_type: bytes) -> Ask:
    """Return what a form asks for. Raises Refused: bad_request or missing_model."""
    ask, found = form_of(body, content_type, "images", _PICTURES)
    wanted = token_count(value_of(body, found, b"n").decode("latin-1")) or 1
    return replace(ask, units=min(wanted, MAX_PICTURES))


def estimate(ask: Ask, body_bytes: int, _: str) -> Usage:
    """Return what a request will probably consume: pictures are no text, whatever their size."""
    given = min(int(body_bytes / BYTES_PER_TOKEN) + 1, _MOST_GIVEN * DEAREST_PICTURE_TOKENS)
    return Usage(given, ask.units * DEAREST_PICTURE_TOKENS)


OPENAI_IMAGE_FORMS = Dialect(
    "openai_image_forms",
    read_json,
    read_event,
    read_body,
    counts,
    read_form=read_form,
    renamed=renamed_form,
    read_skipped=read_skipped,
    estimate=estimate,
    max_event_bytes=MAX_EVENT_BYTES,
    answers_text=False,
)
