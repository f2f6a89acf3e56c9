"""Bedrock Converse on the wire: the JSON of its stream's messages, and whole answers. Providers alone speak it.

Providers decode the binary event stream; what is read here are the payloads, told apart by their members.
"""

from typing import Any

import msgspec

from core.fault import Fault, Refused
from proxy.dialects.dialect import Ask, Counts, Dialect, Reading, merged, text_bytes, token_count


class _Message(msgspec.Struct, gc=False):
    delta: Any = None
    stop_reason: Any = msgspec.field(name="stopReason", default=None)
    usage: Any = None
    message: Any = None
    role: Any = None


class _Answer(msgspec.Struct, gc=False):
    output: msgspec.Raw = msgspec.Raw()
    stop_reason: Any = msgspec.field(name="stopReason", default=None)
    usage: Any = None


_message = msgspec.json.Decoder(_Message)
_answer = msgspec.json.Decoder(_Answer)


def read_request(_: bytes) -> Ask:
    """Refuse: no route takes requests of this dialect. Raises Refused: NOT_FOUND."""
    raise Refused(Fault.NOT_FOUND, "Converse is not served here.")


def read_event(data: bytes, reading: Reading) -> None:
    """Take in the payload of one message. Raises msgspec.DecodeError when it is not JSON."""
    message = _message.decode(data)
    if message.delta is not None:
        reading.visible_bytes += _generated_bytes(message.delta)
    elif message.stop_reason is not None:
        reading.may_end = True
        reading.stopped(message.stop_reason)
    elif message.usage is not None:
        reading.usage = merged(reading.usage, message.usage)
        reading.is_terminal = reading.may_end = True
    elif isinstance(message.message, str) and message.role is None:
        reading.error_code = "provider_error"


def read_body(data: bytes, reading: Reading) -> None:
    """Take in a whole answer. Raises msgspec.DecodeError when it is not JSON."""
    answer = _answer.decode(data)
    reading.stopped(answer.stop_reason)
    if isinstance(answer.usage, dict):
        reading.usage = answer.usage
        return
    reading.visible_bytes = len(bytes(answer.output))


def _generated_bytes(delta: object) -> int:
    if not isinstance(delta, dict):
        return 0
    total = text_bytes(delta.get("text"))
    for name, inner in (("toolUse", "input"), ("reasoningContent", "text")):
        block = delta.get(name)
        if isinstance(block, dict):
            total += text_bytes(block.get(inner))
    return total


def counts(usage: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object; its input excludes what was cached."""
    written = token_count(usage.get("cacheWriteInputTokens")) or 0
    details = usage.get("cacheDetails")
    long = sum(
        token_count(detail.get("inputTokens")) or 0
        for detail in (details if isinstance(details, list) else ())
        if isinstance(detail, dict) and detail.get("ttl") == "1h"
    )
    return Counts(
        token_count(usage.get("inputTokens")),
        token_count(usage.get("outputTokens")),
        token_count(usage.get("cacheReadInputTokens")) or 0,
        max(written - long, 0),
        long,
        is_consistent=long <= written,
    )


BEDROCK_CONVERSE = Dialect("bedrock_converse", read_request, read_event, read_body, counts)
