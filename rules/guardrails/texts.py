"""Finds the texts in a request or a whole answer, in any dialect. Judges and changes none of them.

Every text under the members that hold prompts and answers is one, but for names, ids, signatures and
encoded files; so a field that a vendor adds tomorrow is looked at as well.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Path = tuple[str | int, ...]
"""Names of members and indexes of elements, from the outermost value inwards."""
REQUEST_PLACES = (
    *("messages", "system", "input", "instructions", "contents", "content"),
    *("systemInstruction", "system_instruction", "prompt", "suffix", "requests", "prediction"),
    *("generateContentRequest", "generate_content_request", "documents"),
)
_FOLDED_PLACES = frozenset(place.casefold() for place in REQUEST_PLACES)
ANSWER_PLACES = (
    *("choices", "content", "output", "output_text", "candidates", "text", "segments"),
    *("message", "part", "item", "delta", "arguments", "refusal", "content_block", "annotation"),
)
_SKIPPED = frozenset(
    {
        *(
            "type",
            "role",
            "id",
            "name",
            "model",
            "object",
            "status",
            "finish_reason",
            "stop_reason",
        ),
        *("tool_use_id", "tool_call_id", "call_id", "item_id", "server_label", "finishReason"),
        *("signature", "encrypted_content", "thoughtSignature", "thought_signature", "phase"),
        *("media_type", "mimeType", "mime_type", "format", "detail", "cache_control"),
        *("logprobs", "logprobsResult"),
        *("encrypted_index", "encrypted_stdout", "file_id", "fileId", "system_fingerprint"),
    }
)
_FREE = frozenset({"args", "response", "arguments", "parameters"})
"""What is in these is a tool's own; there a member called ``name`` is as good a text as any."""
_ENCODED = ("media_type", "mimeType", "mime_type", "format", "filename")
_ADDRESSES = frozenset(
    {"url", "image_url", "file_url", "video_url", "audio_url", "file_data", "fileUri", "file_uri"}
)
"""Members in which a file may stand as an address with the scheme ``data``."""
_MAX_DEPTH = 64


class Text(NamedTuple):
    """A text and where it stands. One that is signed can't be changed without being refused later."""

    path: Path
    text: str
    is_signed: bool = False

    @property
    def place(self) -> str:
        """The path as people write it."""
        steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path]
        return "".join(steps).removeprefix(".")


class Unreadable(ValueError):
    """A body whose texts can't be told; the text of the error says why."""


def parsed(data: bytes) -> Any:
    """Return a JSON value. Raises Unreadable when it is none, or has a member twice."""
    try:
        return json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # One reader would be shown what another one never sees.
        raise ValueError("an object has a member twice")
    return found


def request_texts(body: bytes) -> list[Text]:
    """Return the texts of a request, in order. Raises Unreadable."""
    value = parsed(body)
    if not isinstance(value, dict):
        raise Unreadable("the body is no object")
    for name in value:
        if name not in REQUEST_PLACES and name.casefold() in _FOLDED_PLACES:
            # Some servers take a name in any case, and the last of two.
            raise Unreadable("a member is spelled in another way")
    return [text for text in _under(value, REQUEST_PLACES) if not text.is_signed]


def answer_texts(value: Any) -> list[Text]:
    """Return the texts of a whole answer, or of the chunks of one, in order."""
    if isinstance(value, list):
        return [
            text._replace(path=(number, *text.path))
            for number, chunk in enumerate(value)
            for text in answer_texts(chunk)
        ]
    return list(_under(value, ANSWER_PLACES)) if isinstance(value, dict) else []


def _under(value: Mapping[str, Any], places: tuple[str, ...]) -> Iterator[Text]:
    for place in value:
        if place in places:
            yield from leaves(value[place], (place,))


def leaves(
    value: Any, path: Path, is_free: bool = False, is_signed: bool = False
) -> Iterator[Text]:
    """Yield the texts in a value that stands at a path. Raises Unreadable when it is nested too deeply."""
    if isinstance(value, str):
        if value:
            yield Text(path, value, is_signed)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number), is_free, is_signed)
    elif isinstance(value, dict):
        if len(path) > _MAX_DEPTH:
            raise Unreadable("it is nested too deeply")
        yield from _members(value, path, is_free, is_signed)


def _members(value: dict[str, Any], path: Path, is_free: bool, is_signed: bool) -> Iterator[Text]:
    kind = value.get("type")
    is_file = not is_free and any(name in value for name in _ENCODED)
    for name, inner in value.items():
        if is_free:
            yield from leaves(inner, (*path, name), True, is_signed)
            continue
        if name in _SKIPPED or (kind == "additional_tools" and name == "tools"):
            continue
        if isinstance(inner, str) and (
            (is_file and name in ("data", "file_data") and kind != "text")
            or (name in _ADDRESSES and inner.startswith("data:"))
            or (kind == "redacted_thinking" and name == "data")
        ):
            continue
        is_own = name in _FREE or (name == "input" and kind in ("tool_use", "server_tool_use"))
        is_thought = kind == "thinking" and name == "thinking" and bool(value.get("signature"))
        yield from leaves(inner, (*path, name), is_own, is_signed or is_thought)
