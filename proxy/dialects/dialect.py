"""What every wire format tells the pipeline, as values. Each format fills these in; none is parsed here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from proxy.dialects.error_forms import OPENAI_ERRORS, ErrorForm
from proxy.splice import renamed_model
from rules.usage import Usage

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What decoding raises for bytes that are not JSON; text that is not UTF-8 has an error of its own."""


class Ask(msgspec.Struct, frozen=True, gc=False):
    """The few fields of a request that decisions need; all others pass unread."""

    model: str
    is_streamed: bool = False
    max_tokens: int | None = None
    """The most that each answer may have."""
    asks_usage: bool | None = None
    """Whether the caller asked for usage on the stream; None when the request does not say."""
    units: int = 0
    """What is billed by the piece and known beforehand: characters to speak, pictures to make."""
    model_span: tuple[int, int] | None = None
    """Where the model stands in a body that is not JSON."""
    answers: int = 1
    """How many answers are asked for at once, and billed."""
    tier: str = ""
    """The service tier that is asked for where it costs more than others; the word of ``rules.surcharges``."""


class Counts(NamedTuple):
    """Token counts as far as the provider told them: None is "not told", 0 is a measured zero.

    The classes never overlap. ``is_consistent`` is False when the provider's parts did not add up to
    its own total; the residue is then counted in the dearest class that may hold it.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    is_consistent: bool = True


@dataclass(slots=True)
class Reading:
    """What has been read of one answer so far."""

    usage: dict[str, Any] | None = None
    """The provider's own usage object; later fields have replaced earlier ones."""
    model: str = ""
    answer_id: str = ""
    tier: str = ""
    """The service tier that the provider says it served the call in; empty where it says none."""
    finish_reasons: tuple[str, ...] = ()
    """Why generating stopped, in the provider's own words; one for each answer that it was asked for."""
    unread_choices: bytes = b""
    """Choices of a whole answer, as JSON, that nothing but their finish reasons is still to be read of."""
    visible_bytes: int = 0
    """UTF-8 bytes of generated text, thinking and tool arguments: what an estimate is made from."""
    is_terminal: bool = False
    """The dialect's terminal event has passed."""
    may_end: bool = False
    """A clean end of the body is a whole answer from here on."""
    error_code: str = ""
    """The provider broke off with an error event of its own."""

    def stopped(self, reason: object) -> None:
        """Note why generating stopped, told once for each answer."""
        if isinstance(reason, str) and len(self.finish_reasons) < _MAX_REASONS:
            self.finish_reasons += (reason[:_REASON_CHARACTERS],)


_MAX_REASONS, _REASON_CHARACTERS = 8, 64
MAX_METERED_EVENT_BYTES = 64 * 1024
"""Events with usage are small in most dialects; one that is longer holds content and is only counted."""


def _renamed(body: bytes, _: Ask, model: str) -> bytes:
    return renamed_model(body, model)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A wire format. ``read_event`` takes the data of one server-sent event, ``read_body`` a whole answer."""

    name: str
    read_request: Callable[[bytes], Ask]
    read_event: Callable[[bytes, Reading], None]
    read_body: Callable[[bytes, Reading], None]
    counts: Callable[[dict[str, Any]], Counts]
    errors: ErrorForm = OPENAI_ERRORS
    read_form: Callable[[bytes, bytes], Ask] | None = None
    """Reads a multipart body, given the content type; None where requests are JSON."""
    renamed: Callable[[bytes, Ask, str], bytes] = _renamed
    """Returns the body of a request with another model's name in it, wherever the format has one."""
    read_skipped: Callable[[bytes, Reading], None] | None = None
    """Takes the first bytes of an event that was too long to be read; its usage is found at its end. Without
    it such an event is generated text."""
    estimate: Callable[[Ask, int, str], Usage] | None = None
    """What a call will probably consume: from what is asked, the body's size and the unit of the price.
    None where the size of the text tells."""
    max_event_bytes: int = MAX_METERED_EVENT_BYTES
    answers_text: bool = True
    """Bytes of the answer are generated text, so that an untold output can be estimated from them."""
    streams_arrays: bool = False
    """A stream may also be one JSON array, an element an event."""
    usage_member: bytes = b'"usage"'
    """How the usage is called where it stands near the end of an answer too long to be kept."""


_LEAST_ABSURD = 1 << 31
"""More tokens than a call can have; what they cost still fits where money is kept."""


def token_count(value: object) -> int | None:
    """Return a count that a provider may also send as a numeric text; None when it tells nothing."""
    if type(value) is int:
        return value if 0 <= value < _LEAST_ABSURD else None
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:18])
    return value if isinstance(value, int) and 0 <= value < _LEAST_ABSURD else None


def detail_count(usage: dict[str, Any], name: str, part: str) -> int:
    """Return a count within a nested object of a usage; 0 when it is not told."""
    details = usage.get(name)
    return (token_count(details.get(part)) or 0) if isinstance(details, dict) else 0


def merged(old: dict[str, Any] | None, new: object) -> dict[str, Any] | None:
    """Return ``old`` with the fields of ``new`` that are not null laid over it, nested objects too."""
    if not isinstance(new, dict):
        return old
    if old is None:
        return dict(new)
    result = dict(old)
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        elif value is not None:
            result[name] = value
        else:
            result.setdefault(name, None)
    return result


def text_bytes(value: object) -> int:
    """Return the size of a text in UTF-8 bytes; anything but a text is 0."""
    if not isinstance(value, str):
        return 0
    return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))


def prompt_and_output(
    prompt: int | None, output: int | None, total: int | None, read: int, write: int
) -> Counts:
    """Return the classes of a usage whose prompt count includes what was cached, OpenAI's way."""
    is_consistent = True
    if prompt is not None and read + write > prompt:
        # More cached than sent cannot be; the dearer reading bills them all as fresh.
        read, write, is_consistent = 0, 0, False
    if prompt is not None and output is not None and total is not None and total > prompt + output:
        # Some servers leave reasoning out of the completion but not out of the total.
        output, is_consistent = total - prompt, False
    fresh = None if prompt is None else prompt - read - write
    return Counts(fresh, output, read, write, is_consistent=is_consistent)
