"""Conversations and answers made up at random, limited to what the dialects named can say."""

import json
import string

from hypothesis import strategies as st

from proxy.translation.neutral import (
    ArgumentsDelta,
    BlockEnd,
    Conversation,
    Done,
    Event,
    Format,
    Media,
    Message,
    Seal,
    Sealed,
    Start,
    Stop,
    StopReason,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tokens,
    Tool,
    ToolChoice,
    ToolResult,
    ToolStart,
    ToolUse,
)
from proxy.translation.thinking import ANTHROPIC_FAMILY, GEMINI_FAMILY

CHAT, MESSAGES, GEMINI = "openai_chat", "anthropic_messages", "gemini"
DIALECTS = (CHAT, MESSAGES, GEMINI)
MODELS = {CHAT: "gpt-4o", MESSAGES: "claude-sonnet-4-5", GEMINI: "gemini-2.5-flash"}

WORDS = st.text(min_size=1, max_size=8).filter(lambda text: text.strip() and "\0" not in text)
NAMES = st.text(string.ascii_letters, min_size=1, max_size=6)
SCHEMAS = st.sampled_from(
    [
        {"type": "object", "properties": {"city": {"type": "string"}}},
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    ]
)
VALUES = st.dictionaries(NAMES, st.one_of(WORDS, st.integers(-9, 9), st.booleans()), max_size=2)
ARGUMENTS = VALUES.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False))
IMAGES = st.sampled_from(
    [Media("image", "image/png", "iVBORw0KGgo="), Media("image", "image/jpeg", "/9j/4AAQ")]
)
SEALS = {
    MESSAGES: st.builds(Seal, st.just(ANTHROPIC_FAMILY), NAMES),
    GEMINI: st.builds(Seal, st.just(GEMINI_FAMILY), NAMES),
}


@st.composite
def conversations(draw, dialects: tuple[str, ...]) -> Conversation:
    """A conversation that every one of the dialects can say in full."""
    messages: list[Message] = []
    number = 0
    for _ in range(draw(st.integers(1, 3))):
        parts = draw(st.lists(st.one_of(st.builds(Text, WORDS), IMAGES), min_size=1, max_size=3))
        messages.append(Message("user", tuple(parts)))
        said = draw(st.lists(st.builds(Text, WORDS), max_size=1))
        calls = []
        for _ in range(draw(st.integers(0 if said else 1, 2))):
            number += 1
            calls.append(ToolUse(f"call_{number}", draw(NAMES), draw(ARGUMENTS)))
        thoughts = []
        if len(dialects) == 1 and dialects[0] in SEALS:
            thoughts = draw(st.lists(st.builds(Thinking, WORDS, SEALS[dialects[0]]), max_size=1))
        messages.append(Message("assistant", (*thoughts, *said, *calls)))
        if calls:
            fails = st.booleans() if CHAT not in dialects else st.just(False)
            results = tuple(ToolResult(c.id, (Text(draw(WORDS)),), draw(fails)) for c in calls)
            messages.append(Message("user", results))
    tools = tuple(
        draw(
            st.lists(st.builds(Tool, NAMES, WORDS, SCHEMAS), max_size=2, unique_by=lambda t: t.name)
        )
    )
    choices = [None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("any")]
    choices += [ToolChoice("tool", (tool.name,)) for tool in tools]
    has_temperature = draw(st.booleans())
    return Conversation(
        system=tuple(draw(st.lists(st.builds(Text, WORDS), max_size=2))),
        messages=tuple(messages),
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)) if tools else None,
        max_tokens=draw(st.integers(1, 9000)),
        temperature=draw(st.sampled_from([0, 0.5, 1])) if has_temperature else None,
        top_p=None if has_temperature else draw(st.sampled_from([None, 0.25])),
        top_k=draw(st.sampled_from([None, 40])) if CHAT not in dialects else None,
        stop=tuple(draw(st.lists(WORDS, max_size=2))),
        format=draw(st.one_of(st.none(), st.builds(Format, SCHEMAS))),
    )


@st.composite
def answers(draw) -> list[Event]:
    """The events of an answer that chat, Messages and Gemini can all tell."""
    events: list[Event] = [Start("answer_1", "some-model")]
    text = draw(st.lists(WORDS, max_size=3))
    calls = draw(st.lists(st.tuples(NAMES, ARGUMENTS), min_size=0 if text else 1, max_size=2))
    events += [TextDelta(word) for word in text]
    if text:
        events.append(BlockEnd())
    for number, (name, arguments) in enumerate(calls):
        half = len(arguments) // 2
        events += [
            ToolStart(f"call_{number}", name),
            ArgumentsDelta(arguments[:half]),
            ArgumentsDelta(arguments[half:]),
            BlockEnd(),
        ]
    reason = (
        StopReason.TOOLS if calls else draw(st.sampled_from([StopReason.END, StopReason.LENGTH]))
    )
    tokens = Tokens(draw(st.integers(0, 99)), draw(st.integers(0, 99)), draw(st.integers(0, 99)))
    return [*events, Stop(reason), tokens, Done()]


THOUGHTFUL: list[Event] = [
    Start("answer_2", "some-model"),
    ThinkingDelta("Let me"),
    ThinkingDelta(" see."),
    Sealed(Seal(ANTHROPIC_FAMILY, "c2lnbmF0dXJl")),
    BlockEnd(),
    Sealed(Seal(ANTHROPIC_FAMILY, "cmVkYWN0ZWQ=", True)),
    BlockEnd(),
    TextDelta("Yes."),
    BlockEnd(),
    ToolStart("call_1", "look", Seal(GEMINI_FAMILY, "dGhvdWdodA==")),
    ArgumentsDelta('{"city":"Zürich"}'),
    BlockEnd(),
    Stop(StopReason.TOOLS),
    Tokens(10, 20, 5, 0, 0, 7),
    Done(),
]
"""An answer with all kinds of thinking."""
