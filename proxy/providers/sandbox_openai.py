"""The sandbox in OpenAI's older APIs: chat completions, text completions, embeddings."""

import base64
import math
import random
import struct
from typing import Any

from proxy.providers.sandbox_script import Script, event

_DIMENSIONS = 256
_MAX_DIMENSIONS = 4096


def _usage(script: Script) -> dict[str, Any]:
    output = len(script.words)
    return {
        "prompt_tokens": script.input_tokens,
        "completion_tokens": output,
        "total_tokens": script.input_tokens + output,
    }


def chat(script: Script) -> dict[str, Any]:
    """Return a whole chat completion."""
    message = {"role": "assistant", "content": script.text, "refusal": None}
    finish = "length" if script.is_cut else "stop"
    return {
        "id": f"chatcmpl-{script.answer_id}",
        "object": "chat.completion",
        "created": script.created_s,
        "model": script.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _usage(script),
    }


def chat_events(script: Script, tells_usage: bool) -> list[bytes]:
    """Return the events of a streamed chat completion."""
    head = {
        "id": f"chatcmpl-{script.answer_id}",
        "object": "chat.completion.chunk",
        "created": script.created_s,
        "model": script.model,
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**head, "choices": [choice]})

    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": piece}) for piece in script.pieces]
    events.append(chunk({}, "length" if script.is_cut else "stop"))
    if tells_usage:
        events.append(event({**head, "choices": [], "usage": _usage(script)}))
    return [*events, b"data: [DONE]\n\n"]


def completion(script: Script) -> dict[str, Any]:
    """Return a whole text completion."""
    return _text_head(script) | {
        "choices": [_text_choice(script.text, "length" if script.is_cut else "stop")],
        "usage": _usage(script),
    }


def completion_events(script: Script, tells_usage: bool) -> list[bytes]:
    """Return the events of a streamed text completion."""
    head = _text_head(script)
    events = [event({**head, "choices": [_text_choice(piece)]}) for piece in script.pieces]
    finish = "length" if script.is_cut else "stop"
    events.append(event({**head, "choices": [_text_choice("", finish)]}))
    if tells_usage:
        events.append(event({**head, "choices": [], "usage": _usage(script)}))
    return [*events, b"data: [DONE]\n\n"]


def _text_head(script: Script) -> dict[str, Any]:
    return {
        "id": f"cmpl-{script.answer_id}",
        "object": "text_completion",
        "created": script.created_s,
        "model": script.model,
    }


def _text_choice(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}


def embeddings(script: Script) -> dict[str, Any]:
    """Return a vector for each text that is given: the same for the same request, and without meaning."""
    request = script.request
    given = request.get("input")
    is_many = isinstance(given, list) and given and not isinstance(given[0], int)
    count = len(given) if is_many and isinstance(given, list) else 1
    size = wanted_size(request.get("dimensions"))
    vectors = [vector(script.seed + number, size) for number in range(count)]
    as_text = request.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(v) if as_text else v}
        for index, v in enumerate(vectors)
    ]
    usage = {"prompt_tokens": script.input_tokens, "total_tokens": script.input_tokens}
    return {"object": "list", "data": data, "model": script.model, "usage": usage}


def wanted_size(asked: object) -> int:
    """Return the length of a vector: as asked for, where that is reasonable."""
    return asked if isinstance(asked, int) and 0 < asked <= _MAX_DIMENSIONS else _DIMENSIONS


def vector(seed: int, size: int) -> list[float]:
    """Return a vector of length 1 that follows from the seed."""
    draw = random.Random(seed)
    values = [draw.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(value * value for value in values))
    return [round(value / length, 8) for value in values]


def _packed(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
