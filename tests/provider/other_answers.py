"""What the fake provider answers where no text is generated: vectors, verdicts, pictures, sound. Pure."""

import base64
import struct
from typing import Any

import orjson

from tests.provider.answers import Answer, count, error, plain, text_of, values_of
from tests.provider.behaviour import Behaviour
from tests.provider.dialects import GEMINI, OPENAI, Dialect
from tests.provider.exchanges import Variant, read
from tests.provider.request import Request

DIMENSIONS = 8
SOUND = b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x64\r\n\r\n\x00data: [DONE]\n\n"


def embedding(request: Request, behaviour: Behaviour) -> Answer:
    """OpenAI's answer to an embedding request."""
    asked = request.json or {}
    given = asked.get("input")
    many = isinstance(given, list) and given and not isinstance(given[0], int)
    as_text = asked.get("encoding_format") == "base64"
    vectors = []
    for index in range(len(given) if many and isinstance(given, list) else 1):
        value = _vector(index, behaviour)
        told: Any = base64.b64encode(struct.pack(f"<{len(value)}f", *value)).decode()
        shown = told if as_text else value
        vectors.append({"object": "embedding", "index": index, "embedding": shown})
    return _counted(OPENAI, "embedding", request, behaviour, _joined(vectors))


def gemini_embedding(request: Request, behaviour: Behaviour) -> Answer:
    """Gemini's answer to an embedding request, of one text or of a batch."""
    if request.action == "embedContent":
        vector = orjson.dumps({"values": _vector(0, behaviour)})
        return _counted(GEMINI, "embed", request, behaviour, vector)
    batch = [{"values": _vector(n, behaviour)} for n, _ in enumerate(request.json["requests"])]
    return _counted(GEMINI, "batch_embed", request, behaviour, _joined(batch))


def moderation(request: Request, behaviour: Behaviour) -> Answer:
    """OpenAI's verdict on a text."""
    return _counted(OPENAI, "moderation", request, behaviour)


def image(request: Request, behaviour: Behaviour) -> Answer:
    """OpenAI's picture, in one piece or in events."""
    return _either(request, behaviour, "image")


def speech(request: Request, behaviour: Behaviour) -> Answer:
    """OpenAI's sound, as bytes or in events."""
    return _either(request, behaviour, "speech")


def transcription(request: Request, behaviour: Behaviour) -> Answer:
    """OpenAI's text of a sound; the oldest model is billed by the second."""
    name = "transcription_seconds" if request.model.startswith("whisper") else "transcription"
    return _either(request, behaviour, name)


def _either(request: Request, behaviour: Behaviour, name: str) -> Answer:
    if not request.streams:
        return _counted(OPENAI, name, request, behaviour)
    if behaviour.status != 200:
        return error(OPENAI, behaviour)
    counted = count(request, behaviour)
    exchange = read("openai", f"{name}_stream", Variant())
    values = values_of(OPENAI, request, behaviour, counted)
    values[b"text"] = text_of(behaviour)
    return Answer(
        200,
        exchange.head.render(values),
        events=[event.render(values) for event in exchange.events],
        answer_id=values[b"unique"].decode(),
        counted=counted,
        error_event=OPENAI.error_event,
    )


def _counted(
    dialect: Dialect, name: str, request: Request, behaviour: Behaviour, vectors: bytes = b""
) -> Answer:
    if behaviour.status != 200:
        return error(dialect, behaviour)
    counted = count(request, behaviour)
    values = values_of(dialect, request, behaviour, counted)
    values |= {b"text": text_of(behaviour), b"vectors": vectors}
    values[b"sound"] = SOUND * max(1, behaviour.body_bytes // len(SOUND))
    made = plain(dialect, name, values, not behaviour.no_usage)
    made.answer_id, made.counted = values[b"unique"].decode(), counted
    return made


def _joined(values: list[dict[str, Any]]) -> bytes:
    return b",".join(orjson.dumps(value) for value in values)


def _vector(index: int, behaviour: Behaviour) -> list[float]:
    size = max(DIMENSIONS, behaviour.body_bytes // 20)
    return [round(((index + 1) * 31 + place * 17) % 100 / 100 - 0.5, 2) for place in range(size)]
