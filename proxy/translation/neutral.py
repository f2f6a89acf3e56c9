"""The one form that every dialect is read into and written from: a conversation, and the events of an answer.

Plain values. What a field means is what at least two dialects can say; what only one can say is either
carried along untouched (``Seal``) or is not here, and the rules then say whether it is dropped or refused.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Seal:
    """An opaque proof that belongs to a piece of thinking or to a tool call, and who can read it."""

    origin: str
    """The family of models that made it: ``anthropic``, ``gemini``, ``openai``."""
    value: str
    is_whole: bool = False
    """The value is the thinking itself, encrypted, and not a signature of readable thinking."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text; ``cache`` is the lifetime of a prompt cache that ends behind it: empty, ``5m`` or ``1h``."""

    text: str
    cache: str = ""


@dataclass(frozen=True, slots=True)
class Media:
    """An image, a document, a sound: by value (base64 or, for a plain document, text) or by address."""

    kind: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    text: str = ""
    name: str = ""
    detail: str = ""
    cache: str = ""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call that the model made. ``arguments`` is the JSON text of an object."""

    id: str
    name: str
    arguments: str
    seal: Seal | None = None
    cache: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call came to."""

    id: str
    parts: "tuple[Text | Media, ...]"
    is_error: bool = False
    cache: str = ""


@dataclass(frozen=True, slots=True)
class Thinking:
    """What the model thought, as far as it may be read, with the proof that goes back to the model."""

    text: str
    seal: Seal | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model's own words for why it does not answer."""

    text: str


Part = Text | Media | ToolUse | ToolResult | Thinking | Refusal


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``role`` is ``user``, ``assistant``, or ``system`` for instructions amid the conversation."""

    role: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str = ""
    schema: dict[str, Any] | None = None
    is_strict: bool | None = None
    cache: str = ""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """``mode`` is ``auto``, ``none``, ``any`` or ``tool``; ``names`` are the tools it is limited to."""

    mode: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How much to think: a word, a number of tokens, or neither, which leaves it to the model."""

    effort: str = ""
    """``none``, ``minimal``, ``low``, ``medium``, ``high``, ``xhigh``, ``max``, or empty."""
    budget: int | None = None
    is_shown: bool | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """The form the answer must have. ``schema`` is None when any JSON object will do."""

    schema: dict[str, Any] | None = None
    name: str = ""
    description: str = ""
    is_strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole request. None means that the caller did not say."""

    system: tuple[Text, ...] = ()
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    top_logprobs: int | None = None
    """How many alternatives to tell for each token; 0 is only the token's own."""
    reasoning: Reasoning | None = None
    format: Format | None = None
    is_streamed: bool = False
    asks_usage: bool = True
    extensions: dict[str, Any] = field(default_factory=dict)
    """Parameters of Gemini that an OpenAI request may bring along, by Gemini's name."""
    custom_tools: frozenset[str] = frozenset()
    """Tools that take free text; here they are functions of one text named ``input``."""
    namespaces: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Tools of a namespace, by the flat name they have here: the namespace and their own name."""


class StopReason(StrEnum):
    """Why an answer ended."""

    END = "end"
    LENGTH = "length"
    SEQUENCE = "sequence"
    TOOLS = "tools"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True)
class Start:
    """The answer begins."""

    id: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text; opens a block of text unless one is open."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """More of a refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """The proof of the thinking just told, or, when it is whole, thinking that can't be read."""

    seal: Seal


@dataclass(frozen=True, slots=True)
class ToolStart:
    """A tool call begins; whatever was open is closed."""

    id: str
    name: str
    seal: Seal | None = None


@dataclass(frozen=True, slots=True)
class ArgumentsDelta:
    """More of the JSON text of the call's arguments."""

    text: str


@dataclass(frozen=True, slots=True)
class BlockEnd:
    """What was open is closed."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts so far. The input classes do not overlap; the output includes the thinking."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        """All input tokens, cached or not."""
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class Logprob:
    """How likely a token was, with the likeliest in its place."""

    token: str
    logprob: float
    top: "tuple[Logprob, ...]" = ()


@dataclass(frozen=True, slots=True)
class Logprobs:
    """The likelihoods of some tokens of the text."""

    items: tuple[Logprob, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the answer ends; usage may still follow."""

    reason: StopReason
    sequence: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """The provider's own error, in its own words."""

    type: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is whole."""


Event = (
    Start
    | TextDelta
    | RefusalDelta
    | ThinkingDelta
    | Sealed
    | ToolStart
    | ArgumentsDelta
    | BlockEnd
    | Tokens
    | Logprobs
    | Stop
    | Failure
    | Done
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, folded from its events."""

    id: str = ""
    model: str = ""
    parts: tuple[Part, ...] = ()
    stop: Stop = Stop(StopReason.END)
    tokens: Tokens | None = None
    logprobs: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What of a request the answer's writer needs."""

    model: str
    """The model's name as the caller shall read it."""
    answer_id: str = "0"
    """Unique text that synthetic ids are made of; letters, digits, ``_`` and ``-``."""
    created: int = 0
    """Seconds since the epoch."""
    is_streamed: bool = False
    asks_usage: bool = True
    shows_thinking: bool = True
    is_array: bool = False
    """A stream of Gemini's without ``alt=sse``: one JSON array."""
    names: dict[str, str] = field(default_factory=dict)
    """The caller's names of tools whose names had to be changed for the provider."""
    custom_tools: frozenset[str] = frozenset()
    """Tools, by the caller's name, that take free text instead of JSON."""
    namespaces: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Tools of a namespace, by the flat name they were given: the namespace and their own name."""
    has_tools: bool = False
    dropped: tuple[str, ...] = ()
    """The caller's parameters that were left out."""
