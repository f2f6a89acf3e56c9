"""The sandbox in Gemini's API: contents, streamed in both of its forms, counts and embeddings."""

from typing import Any

import msgspec

from proxy.providers.sandbox_openai import vector, wanted_size
from proxy.providers.sandbox_script import Script, event


def content(script: Script) -> dict[str, Any]:
    """Return a whole answer."""
    return _chunk(script, script.text, len(script.words), is_last=True)


def content_events(script: Script) -> list[bytes]:
    """Return the chunks of a stream as server-sent events."""
    return [event(chunk) for chunk in _chunks(script)]


def content_elements(script: Script) -> list[bytes]:
    """Return the chunks of a stream as the pieces of one JSON array."""
    chunks = [msgspec.json.encode(chunk) for chunk in _chunks(script)]
    return [b"[%b" % chunks[0], *(b"\n,\r\n%b" % chunk for chunk in chunks[1:]), b"\n]"]


def count(script: Script) -> dict[str, Any]:
    """Return what a request would be counted as."""
    tokens = script.input_tokens
    return {
        "totalTokens": tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
    }


def embedding(script: Script) -> dict[str, Any]:
    """Return one vector."""
    size = wanted_size(script.request.get("outputDimensionality"))
    return {"embedding": {"values": vector(script.seed, size)}, **_embed_usage(script)}


def embeddings(script: Script) -> dict[str, Any]:
    """Return a vector for each request of a batch."""
    asked = script.request.get("requests")
    vectors = [
        {
            "values": vector(
                script.seed + number,
                wanted_size(one.get("outputDimensionality") if isinstance(one, dict) else None),
            )
        }
        for number, one in enumerate(asked if isinstance(asked, list) else [])
    ]
    return {"embeddings": vectors, **_embed_usage(script)}


def _embed_usage(script: Script) -> dict[str, Any]:
    return {"usageMetadata": {"promptTokenCount": script.input_tokens}}


def _chunks(script: Script) -> list[dict[str, Any]]:
    pieces = list(script.pieces)
    told = 0
    chunks = []
    for number, piece in enumerate(pieces):
        is_last = number == len(pieces) - 1
        told = len(script.words) if is_last else told + len(piece.split())
        chunks.append(_chunk(script, piece, told, is_last))
    return chunks


def _chunk(script: Script, text: str, output: int, is_last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "content": {"parts": [{"text": text}], "role": "model"},
        "index": 0,
    }
    if is_last:
        candidate["finishReason"] = "MAX_TOKENS" if script.is_cut else "STOP"
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": script.input_tokens,
            "candidatesTokenCount": output,
            "totalTokenCount": script.input_tokens + output,
        },
        "modelVersion": script.model,
        "responseId": script.answer_id,
    }
