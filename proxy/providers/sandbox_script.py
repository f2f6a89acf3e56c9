"""What the sandbox says: the text of an answer and how it is counted, before it has any API's form."""

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.dialects.dialect import Ask

LABEL = "[sandbox]"
_SENTENCES = (
    "No model was asked and nothing left this machine.",
    "The request passed the same checks as any other: key, limits, budget.",
    "Its tokens are counted and priced, so it shows on the governance home.",
    "Bind a real provider to this key to get real answers.",
    "The text is the same for the same question, which makes it handy in tests.",
    "Streams arrive word by word, at about the pace of a hosted model.",
)
_QUOTED_CHARACTERS = 80
_BYTES_PER_TOKEN = 4
_WORDS_PER_EVENT = 2
_QUESTIONS = ("messages", "input", "contents", "prompt")
"""Where the APIs have what is asked: the last turn of a list, or a text."""


@dataclass(frozen=True, slots=True)
class Script:
    """One answer."""

    answer_id: str
    model: str
    words: list[str]
    input_tokens: int
    is_cut: bool
    created_s: int
    seed: int
    request: dict[str, Any]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.words)

    @property
    def pieces(self) -> Iterator[str]:
        """The same, as a stream cuts it."""
        for start in range(0, len(self.words), _WORDS_PER_EVENT):
            yield "".join(self.words[start : start + _WORDS_PER_EVENT])


def script_of(ask: Ask, body: bytes) -> Script:
    """Return the answer to a request, the same for the same bytes."""
    seed = zlib.crc32(body)
    request = msgspec.json.decode(body)
    asked = _last_question(request)
    opening = f"{LABEL} This is a practice answer"
    opening += f' to "{asked}". ' if asked else ". "
    first = seed % len(_SENTENCES)
    chosen = [_SENTENCES[(first + step) % len(_SENTENCES)] for step in range(2 + seed % 3)]
    words = [word + " " for word in (opening + " ".join(chosen)).split(" ") if word]
    words[-1] = words[-1].rstrip()
    is_cut = ask.max_tokens is not None and 0 < ask.max_tokens < len(words)
    return Script(
        f"sandbox{seed:08x}",
        ask.model,
        words[: ask.max_tokens] if is_cut else words,
        max(1, len(body) // _BYTES_PER_TOKEN),
        is_cut,
        int(time.time()),
        seed,
        request,
    )


def _last_question(request: dict[str, Any]) -> str:
    asked = next((request[name] for name in _QUESTIONS if request.get(name)), None)
    last = asked[-1] if isinstance(asked, list) and asked else asked
    content = last
    if isinstance(last, dict):
        content = last.get("content") or last.get("parts")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = next((text for text in reversed(texts) if isinstance(text, str)), "")
    text = " ".join(content.split()) if isinstance(content, str) else ""
    return text if len(text) <= _QUOTED_CHARACTERS else text[: _QUOTED_CHARACTERS - 1] + "…"


def event(value: dict[str, Any], name: str = "") -> bytes:
    """Return one server-sent event."""
    start = b"event: %b\n" % name.encode() if name else b""
    return b"%bdata: %b\n\n" % (start, msgspec.json.encode(value))
