"""What becomes of each parameter on its way to another dialect: one table, and the notes taken by it.

The table decides; the reference page is generated from it, and a test drives every row of it. Where a
row says *special* the writer of the dialect decides, by the sentence that the row gives.
"""

from enum import StrEnum
from typing import Any, NamedTuple

from core.fault import Fault, Refused

CHAT, MESSAGES, GEMINI = "openai_chat", "anthropic_messages", "gemini"
RESPONSES, CONVERSE = "openai_responses", "bedrock_converse"
CLIENTS = (CHAT, MESSAGES, GEMINI, RESPONSES)
WIRES = (CHAT, MESSAGES, GEMINI, CONVERSE)
TITLES = {
    CHAT: "OpenAI chat",
    MESSAGES: "Anthropic Messages",
    GEMINI: "Gemini",
    RESPONSES: "OpenAI Responses",
    CONVERSE: "Bedrock Converse",
}
OWN_SWITCH = "drop_tuning_params"
"""The one member of a request that is ours: false refuses what would be dropped."""
MAX_NAMED = 24
_MAX_NAME_CHARACTERS = 64


class Fate(StrEnum):
    """What becomes of a parameter."""

    MAPPED = "mapped"
    DROPPED = "dropped"
    REFUSED = "refused"
    SPECIAL = "special"
    SILENT = "silent"
    """Left out without a word, because nothing of the answer depends on it."""
    SAME = ""
    """The dialect of the client is that of the provider: nothing is translated."""


_LETTERS = {
    "m": Fate.MAPPED,
    "d": Fate.DROPPED,
    "r": Fate.REFUSED,
    "s": Fate.SPECIAL,
    "i": Fate.SILENT,
    "-": Fate.SAME,
}


class Rule(NamedTuple):
    """A row of the table: a client's parameter, its fate towards each wire, and why."""

    client: str
    parameter: str
    fates: dict[str, Fate]
    note: str


def _rules(client: str, *rows: tuple[str, str, str]) -> list[Rule]:
    return [
        Rule(client, name, dict(zip(WIRES, map(_LETTERS.__getitem__, fates), strict=True)), note)
        for names, fates, note in rows
        for name in names.split()
    ]


_STATE = "What it names is kept by the provider that made it."
_EFFORT = "By the table of thinking below; left out for models that do not think."
_HEAT = "At most 1; Claude takes none while it thinks, and from 4.7 on never."
_TOP_P = "Claude does not take it beside `temperature`; else as that."
_STORED = "Dropped: no answer is stored."

# The fates stand in the order of WIRES: chat, messages, gemini, converse.
TABLE: tuple[Rule, ...] = (
    *_rules(
        CHAT,
        ("model messages stream stream_options", "-mmm", ""),
        ("tools", "-mmm", "Functions. Tools that OpenAI runs, and free-text tools, are dropped."),
        ("max_completion_tokens max_tokens", "-mmm", "The first of them that is set."),
        ("temperature", "-sms", _HEAT),
        ("top_p", "-sms", _TOP_P),
        ("stop", "-mmm", ""),
        (
            "tool_choice",
            "-sms",
            "A list of allowed tools is refused; Bedrock says `none` by no tools.",
        ),
        ("parallel_tool_calls", "-mdd", ""),
        ("response_format", "-sms", "A schema is enforced; `json_object` is refused."),
        ("reasoning_effort", "-sms", _EFFORT),
        ("frequency_penalty presence_penalty seed", "-dmd", ""),
        ("logprobs top_logprobs", "-rmr", "The answer would lack what was asked for."),
        ("safety_settings labels", "-dmd", "Gemini's own, passed on."),
        ("cached_content", "-rmr", _STATE),
        ("n", "-sss", "1 is as good as nothing; more is dropped: one answer is made."),
        ("service_tier", "-sdd", "`auto` is mapped, all others are dropped."),
        ("functions function_call", "-rrr", "Superseded by `tools` and `tool_choice`."),
        (
            "audio logit_bias metadata modalities moderation prediction prompt_cache_key "
            "prompt_cache_options prompt_cache_retention safety_identifier store user verbosity "
            "web_search_options",
            "-ddd",
            "",
        ),
    ),
    *_rules(
        MESSAGES,
        ("model messages system stream max_tokens stop_sequences", "m-mm", ""),
        ("tools", "m-mm", "Functions. Tools that Anthropic runs or defines are dropped."),
        ("temperature", "m-ms", _HEAT),
        ("top_p", "m-ms", _TOP_P),
        ("top_k", "d-ms", "Bedrock: to Claude only."),
        ("tool_choice", "m-ms", "Bedrock says `none` by no tools."),
        ("thinking output_config.effort", "s-ss", _EFFORT),
        ("output_config.format output_format", "m-mm", ""),
        ("cache_control", "i-ii", "On a block of its own see the table of contents below."),
        ("fallbacks", "i-ii", "The gateway has its own."),
        ("mcp_servers", "r-rr", "The provider does not call other servers."),
        ("container", "r-rr", _STATE),
        ("inference_geo", "r-rr", "The provider can't promise where it computes."),
        ("context_management diagnostics metadata safeguards service_tier speed", "d-dd", ""),
    ),
    *_rules(
        GEMINI,
        ("contents systemInstruction", "mm-m", ""),
        ("tools", "mm-m", "Function declarations. Tools that Google runs are dropped."),
        ("toolConfig", "mm-s", "Bedrock says `NONE` by no tools."),
        ("generationConfig.maxOutputTokens generationConfig.stopSequences", "mm-m", ""),
        ("generationConfig.temperature", "ms-s", _HEAT),
        ("generationConfig.topP", "ms-s", _TOP_P),
        ("generationConfig.topK", "dm-s", "Bedrock: to Claude only."),
        ("generationConfig.presencePenalty generationConfig.frequencyPenalty", "md-d", ""),
        ("generationConfig.seed", "md-d", ""),
        ("generationConfig.responseLogprobs generationConfig.logprobs", "mr-r", ""),
        (
            "generationConfig.responseMimeType",
            "ms-s",
            "JSON without a schema is refused by Anthropic and Bedrock.",
        ),
        ("generationConfig.responseSchema generationConfig.responseJsonSchema", "mm-m", ""),
        ("generationConfig.thinkingConfig", "ss-s", _EFFORT),
        ("generationConfig.candidateCount", "ss-s", "1 is as good as nothing; more is dropped."),
        ("generationConfig.responseModalities", "ss-s", "Text only; all others are refused."),
        ("generationConfig.mediaResolution generationConfig.speechConfig", "dd-d", ""),
        ("cachedContent", "rr-r", _STATE),
        ("safetySettings labels serviceTier store", "dd-d", ""),
    ),
    *_rules(
        RESPONSES,
        ("model input instructions stream stream_options max_output_tokens", "mmmm", ""),
        ("temperature", "msms", _HEAT),
        ("top_p", "msms", _TOP_P),
        ("tools", "mmmm", "Functions, free-text tools, namespaces of both. Others are dropped."),
        (
            "tool_choice",
            "msms",
            "A list of allowed tools is refused; Bedrock says `none` by no tools.",
        ),
        ("parallel_tool_calls", "mmdd", ""),
        ("reasoning", "ssss", _EFFORT),
        ("text.format", "msms", "A schema is enforced; `json_object` is refused."),
        (
            "include",
            "iiii",
            "Sealed thinking always comes along; all else is not there to include.",
        ),
        ("store", "ssss", "False is as good as nothing. " + _STORED),
        ("truncation", "ssss", "`disabled` is as good as nothing; `auto` is dropped."),
        ("background", "ssss", "False is as good as nothing; true is refused."),
        ("previous_response_id conversation prompt", "rrrr", _STATE),
        (
            "client_metadata context_management max_tool_calls metadata moderation prompt_cache_key "
            "prompt_cache_options prompt_cache_retention safety_identifier service_tier "
            "text.verbosity top_logprobs user",
            "dddd",
            "",
        ),
    ),
)
FATES: dict[tuple[str, str], Rule] = {(rule.client, rule.parameter): rule for rule in TABLE}
_CONTAINERS = {
    MESSAGES: ("output_config",),
    GEMINI: ("generationConfig",),
    RESPONSES: ("text",),
}
_NAMES: dict[str, dict[str, str]] = {
    "temperature": {GEMINI: "generationConfig.temperature"},
    "top_p": {GEMINI: "generationConfig.topP"},
    "top_k": {GEMINI: "generationConfig.topK"},
    "stop": {MESSAGES: "stop_sequences", GEMINI: "generationConfig.stopSequences"},
    "tool_choice": {GEMINI: "toolConfig"},
    "parallel_tools": {
        CHAT: "parallel_tool_calls",
        MESSAGES: "tool_choice.disable_parallel_tool_use",
        RESPONSES: "parallel_tool_calls",
    },
    "reasoning": {
        CHAT: "reasoning_effort",
        MESSAGES: "thinking",
        GEMINI: "generationConfig.thinkingConfig",
    },
    "format": {
        CHAT: "response_format",
        MESSAGES: "output_config.format",
        GEMINI: "generationConfig.responseMimeType",
        RESPONSES: "text.format",
    },
    "content": {
        CHAT: "messages[].content",
        MESSAGES: "messages[].content",
        GEMINI: "contents[].parts",
        RESPONSES: "input",
    },
}
"""How the clients call what the neutral form calls otherwise."""


class Notes:
    """What one translation leaves out. Refuses instead where the caller allows no dropping."""

    def __init__(self, client: str, wire: str, may_drop: bool = True) -> None:
        self.client = client
        self.wire = wire
        self.may_drop = may_drop
        self.dropped: list[str] = []
        """In the caller's words, fit for a header."""

    def drop(self, name: str, reason: str = "") -> None:
        """Note that a parameter is left out. Raises Refused: UNSUPPORTED_PARAMETER when that is not allowed."""
        spoken = _printable(self.spoken(name))
        if not self.may_drop:
            raise self.refusal(name, reason or f"{TITLES[self.wire]} has no counterpart")
        if spoken not in self.dropped and len(self.dropped) < MAX_NAMED:
            self.dropped.append(spoken)

    def refusal(self, name: str, reason: str) -> Refused:
        """Return the refusal of a parameter that can be neither said nor left out."""
        spoken = _printable(self.spoken(name))
        return Refused(
            Fault.UNSUPPORTED_PARAMETER,
            f"`{spoken}` can't be translated to {TITLES[self.wire]}: {reason}.",
            param=spoken,
            parameter=spoken,
            target=self.wire,
            reason=reason,
        )

    def spoken(self, name: str) -> str:
        """Return the caller's name for a parameter of the neutral form."""
        return _NAMES.get(name, {}).get(self.client, name)


def judge(body: dict[str, Any], notes: Notes) -> None:
    """Note what the table drops of a request's parameters. Raises Refused: UNSUPPORTED_PARAMETER."""
    containers = _CONTAINERS.get(notes.client, ())
    for name, value in body.items():
        if value is None or name == OWN_SWITCH:
            continue
        if name in containers and isinstance(value, dict):
            for inner, inner_value in value.items():
                if inner_value is not None:
                    _judge_one(f"{name}.{inner}", inner_value, notes)
        else:
            _judge_one(name, value, notes)


def _judge_one(name: str, value: object, notes: Notes) -> None:
    rule = FATES.get((notes.client, name))
    fate = Fate.DROPPED if rule is None else rule.fates[notes.wire]
    note = "" if rule is None else rule.note.rstrip(".")
    if fate is Fate.SPECIAL:
        fate = _special(name, value, notes)
    if fate is Fate.REFUSED:
        reason = note[:1].lower() + note[1:] if note else f"{TITLES[notes.wire]} has no counterpart"
        raise notes.refusal(name, reason)
    if fate is Fate.DROPPED:
        notes.drop(name)


def _special(name: str, value: object, notes: Notes) -> Fate:
    """Decide what depends on the value alone; all else is the writer's."""
    if name in ("n", "generationConfig.candidateCount"):
        return Fate.SILENT if value == 1 else Fate.DROPPED
    if name == "service_tier":
        return Fate.MAPPED if value == "auto" else Fate.DROPPED
    if name == "store":
        return Fate.SILENT if value is False else Fate.DROPPED
    if name == "truncation":
        return Fate.SILENT if value == "disabled" else Fate.DROPPED
    if name == "background":
        return Fate.SILENT if value is False else Fate.REFUSED
    if name == "generationConfig.responseModalities":
        return Fate.SILENT if value in (["TEXT"], []) else Fate.REFUSED
    return Fate.MAPPED


def _printable(name: str) -> str:
    """Return a name that a header can carry: what a caller invents is cut to plain characters."""
    plain = "".join(
        c if c.isascii() and (c.isalnum() or c in "_.-[]") else "_"
        for c in name[:_MAX_NAME_CHARACTERS]
    )
    return plain or "_"
