"""OpenAI speech and transcription on the wire: sound in one direction, so text is not what is counted.

A transcription's request is a form; a speech's answer is sound, and what it costs is known beforehand.
"""

from typing import Any

import msgspec

from proxy.dialects.dialect import (
    UNREADABLE,
    Ask,
    Counts,
    Dialect,
    Reading,
    merged,
    text_bytes,
    token_count,
)
from proxy.dialects.form_fields import form_of, read_json, renamed_form
from proxy.dialects.openai_choices import error_code
from proxy.dialects.request_fields import (
    check_model,
    check_present,
    refused_json,
)
from rules.pricing import CHARACTERS, SECONDS
from rules.usage import Usage

_TOKENS_PER_CHARACTER = 4 / 3
"""Speech has about 15 characters a second, and OpenAI counts 20 tokens a second of sound it makes."""
_LEAST_BYTES_PER_SECOND = 2_000
"""Speech at 16 kbit/s, about the thinnest that is in use: the estimate of a length is rather too high."""
_TOKENS_PER_SECOND = 17
_MAX_EVENT_BYTES = 4 * 1024 * 1024


class _Speech(msgspec.Struct, gc=False):
    model: str = ""
    input: str = ""
    stream_format: Any = None


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    delta: Any = None
    usage: Any = None
    error: Any = None


class _Transcription(msgspec.Struct, gc=False):
    text: Any = None
    usage: Any = None
    duration: Any = None


_speech = msgspec.json.Decoder(_Speech)
_event = msgspec.json.Decoder(_Event)
_transcription = msgspec.json.Decoder(_Transcription)


# Speech
def read_speech(body: bytes) -> Ask:
    """Return what a request asks for. Raises Refused: bad_request or missing_model."""
    try:
        request = _speech.decode(body)
    except UNREADABLE as error:
        raise refused_json(error) from None
    check_model(request.model, "speech")
    if not request.input:
        check_present(msgspec.Raw(b'""'), "input")
    return Ask(
        request.model, request.stream_format == "sse", asks_usage=True, units=len(request.input)
    )


def estimate_speech(ask: Ask, _: int, unit: str) -> Usage:
    """Return what a request will probably consume; exactly so where characters are what is billed."""
    if unit == CHARACTERS:
        return Usage(input_tokens=ask.units)
    return Usage(ask.units, int(ask.units * _TOKENS_PER_CHARACTER) + 1)


def read_sound(data: bytes, reading: Reading) -> None:
    """Take in an answer that is sound: there is nothing to read."""
    reading.visible_bytes = 0


# Transcription
def read_form(body: bytes, content_type: bytes) -> Ask:
    """Return what a form asks for. Raises Refused: bad_request or missing_model."""
    return form_of(body, content_type, "transcription")[0]


def estimate_transcription(_: Ask, body_bytes: int, unit: str) -> Usage:
    """Return what a request will probably consume, judged by the size of the sound."""
    seconds = body_bytes // _LEAST_BYTES_PER_SECOND + 1
    if unit == SECONDS:
        return Usage(input_tokens=seconds)
    return Usage(seconds * _TOKENS_PER_SECOND, seconds * _TOKENS_PER_SECOND // 4)


def read_transcription(data: bytes, reading: Reading) -> None:
    """Take in a whole answer. Raises one of UNREADABLE when it is not JSON, as subtitles are."""
    answer = _transcription.decode(data)
    reading.usage = merged(reading.usage, answer.usage)
    if reading.usage is None and isinstance(answer.duration, (int, float)):
        reading.usage = {"type": "duration", "seconds": answer.duration}
    reading.visible_bytes = text_bytes(answer.text)


# Both
def read_event(data: bytes, reading: Reading) -> None:
    """Take in the data of one event. Raises one of UNREADABLE when it is not JSON."""
    event = _event.decode(data)
    if event.error is not None:
        reading.error_code = error_code(event.error)
    reading.usage = merged(reading.usage, event.usage)
    if event.type == "transcript.text.delta":
        reading.visible_bytes += text_bytes(event.delta)
    elif event.type in ("transcript.text.done", "speech.audio.done"):
        reading.is_terminal = reading.may_end = True


def counts(usage: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object; one in seconds has none."""
    return Counts(token_count(usage.get("input_tokens")), token_count(usage.get("output_tokens")))


OPENAI_SPEECH = Dialect(
    "openai_speech",
    read_speech,
    read_event,
    read_sound,
    counts,
    estimate=estimate_speech,
    max_event_bytes=_MAX_EVENT_BYTES,
    answers_text=False,
)
OPENAI_TRANSCRIPTIONS = Dialect(
    "openai_transcriptions",
    read_json,
    read_event,
    read_transcription,
    counts,
    read_form=read_form,
    renamed=renamed_form,
    estimate=estimate_transcription,
)
