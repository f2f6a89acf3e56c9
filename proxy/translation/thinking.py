"""How much to think, in the words of each model, and the proofs of thinking carried through other dialects.

Every number here is a rule of ours; the reference page repeats them from the tables below.
"""

import base64
import binascii
import re
from typing import Any, NamedTuple

from proxy.translation.neutral import Conversation, Reasoning, Seal, Thinking, ToolUse

ANTHROPIC_FAMILY, GEMINI_FAMILY, OPENAI_FAMILY = "anthropic", "gemini", "openai"
LEAST_BUDGET = 1024
RATIOS = {
    "minimal": 0.025,
    "low": 0.15,
    "medium": 0.425,
    "high": 0.80,
    "xhigh": 0.92,
    "max": 1.0,
}
"""Which part of the answer's tokens above the least budget Claude may think with."""
GEMINI_BUDGETS = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
"""Budgets of Gemini 2.5, within the bounds of all its models but the one that always thinks."""
GEMINI_LEVELS = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
"""Levels of Gemini 3 and later; its Pro models know none below low."""
_LEAST_PRO_BUDGET = 128
_EFFORT_WORDS = frozenset({"none", *RATIOS})
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2})(?!\d))?")
_OPENAI_THINKS = re.compile(r"(?:^|[/.])(?:o[1-9]|gpt-(?:[5-9]|\d\d|oss)|codex)")
_OPENAI_KNOWS_XHIGH = re.compile(r"codex-max|gpt-5\.[2-9]|gpt-(?:[6-9]|\d\d)")
_OPENAI_KNOWS_NONE = re.compile(r"gpt-5\.\d|gpt-(?:[6-9]|\d\d)")
_OPENAI_KNOWS_MINIMAL = re.compile(r"gpt-5(?:$|-)")
_GEMINI_VERSION = re.compile(r"gemini-(\d+)")


class ClaudeModel(NamedTuple):
    """What of a Claude model's name decides how it is spoken to."""

    version: tuple[int, int]

    @property
    def thinks_adaptively(self) -> bool:
        """It takes an effort and decides itself how many tokens to think with."""
        return self.version >= (4, 6)

    @property
    def takes_sampling(self) -> bool:
        """It takes temperature, top_p and top_k."""
        return self.version < (4, 7)

    @property
    def thinks(self) -> bool:
        """It can think at all."""
        return self.version >= (3, 7)


def claude_model(model: str) -> ClaudeModel | None:
    """Return what a model's name says if it is Claude's, also with a provider's prefix and suffix."""
    found = _CLAUDE.search(model)
    if found is None:
        return None
    return ClaudeModel((int(found[1]), int(found[2] or 0)))


def is_openai_thinker(model: str) -> bool:
    """Say whether a model's name is one of OpenAI's that take an effort and ``max_completion_tokens``."""
    return _OPENAI_THINKS.search(model) is not None


def effort_of_budget(budget: int, max_tokens: int | None) -> str:
    """Return the effort whose share of the tokens is nearest to a budget."""
    if budget <= 0:
        return "none"
    room = (max_tokens or 32_000) - LEAST_BUDGET
    share = max(0, budget - LEAST_BUDGET) / room if room > 0 else 1.0
    words = ("low", "medium", "high")
    return min(words, key=lambda word: abs(RATIOS[word] - share))


def effort_of(reasoning: Reasoning, max_tokens: int | None) -> str:
    """Return an effort in words; empty when the model is to decide."""
    if reasoning.effort in _EFFORT_WORDS:
        return reasoning.effort
    if reasoning.budget is not None:
        return effort_of_budget(reasoning.budget, max_tokens)
    return ""


def openai_effort(reasoning: Reasoning, model: str, max_tokens: int | None) -> str | None:
    """Return ``reasoning_effort`` for a model of OpenAI's; None for those that don't take one."""
    effort = effort_of(reasoning, max_tokens)
    if not effort or not is_openai_thinker(model):
        return None
    if effort in ("xhigh", "max"):
        return "xhigh" if _OPENAI_KNOWS_XHIGH.search(model) else "high"
    if effort == "none":
        return "none" if _OPENAI_KNOWS_NONE.search(model) else None
    if effort == "minimal" and not _OPENAI_KNOWS_MINIMAL.search(model):
        return "low"
    return effort


def claude_thinking(talk: Conversation, model: str, max_tokens: int) -> dict[str, Any]:
    """Return ``thinking``, and ``output_config`` with an effort, for Claude; empty when it shall not think.

    It does not think when a tool is forced, and a model that does not decide for itself not when the
    turn under way began without sealed thinking either: the provider refuses both.
    """
    reasoning, claude = talk.reasoning, claude_model(model)
    if reasoning is None or (claude is not None and not claude.thinks):
        return {}
    effort = effort_of(reasoning, max_tokens)
    if effort == "none" or _is_forced(talk):
        return {}
    if claude is not None and claude.thinks_adaptively:
        thinking: dict[str, Any] = {"type": "adaptive"}
        if reasoning.is_shown is not None:
            thinking["display"] = "summarized" if reasoning.is_shown else "omitted"
        word = _claude_effort(effort, claude)
        return {"thinking": thinking, **({"output_config": {"effort": word}} if word else {})}
    if not _may_think_on(talk):
        return {}
    budget = reasoning.budget if reasoning.budget is not None and reasoning.budget > 0 else None
    if budget is None:
        share = RATIOS[effort or "medium"]
        budget = int(LEAST_BUDGET + share * (max_tokens - LEAST_BUDGET))
    budget = min(max(budget, LEAST_BUDGET), max_tokens - 1)
    if budget < LEAST_BUDGET:
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _claude_effort(effort: str, claude: ClaudeModel) -> str:
    if effort == "minimal":
        return "low"
    if effort == "xhigh" and claude.version < (4, 7):
        return "high"
    return effort


def _is_forced(talk: Conversation) -> bool:
    return talk.tool_choice is not None and talk.tool_choice.mode in ("any", "tool")


def _may_think_on(talk: Conversation) -> bool:
    """Say whether no call of the turn under way lacks the thinking that Claude demands before it."""
    for message in reversed(talk.messages):
        if message.role == "assistant":
            if not any(isinstance(part, ToolUse) for part in message.parts):
                return True
            return any(
                isinstance(part, Thinking)
                and part.seal is not None
                and part.seal.origin == ANTHROPIC_FAMILY
                for part in message.parts
            )
    return True


def gemini_thinking(reasoning: Reasoning, model: str, max_tokens: int | None) -> dict[str, Any]:
    """Return ``thinkingConfig`` for a Gemini model; empty for one that does not think."""
    found = _GEMINI_VERSION.search(model)
    version = int(found[1]) if found else 0
    if found is not None and (version < 2 or model.find("gemini-2.0") >= 0):
        return {}
    effort = effort_of(reasoning, max_tokens)
    config: dict[str, Any] = {}
    if effort and version >= 3:
        level = GEMINI_LEVELS[effort]
        config["thinkingLevel"] = "LOW" if level == "MINIMAL" and "-pro" in model else level
    elif effort:
        budget = GEMINI_BUDGETS[effort]
        config["thinkingBudget"] = _LEAST_PRO_BUDGET if not budget and "-pro" in model else budget
    if effort != "none" and reasoning.is_shown is not False:
        config["includeThoughts"] = True
    return config


_MARK = "lw1."
_ORIGINS = {"a": ANTHROPIC_FAMILY, "g": GEMINI_FAMILY, "o": OPENAI_FAMILY}
_LETTERS = {family: letter for letter, family in _ORIGINS.items()}


def packed(seal: Seal, home: str) -> str:
    """Return a seal as one text for a dialect of the family ``home``: its own as they are, others marked.

    Whether one of its own is whole, the dialect says by the kind of block it is in.
    """
    if seal.origin == home:
        return seal.value
    return f"{_MARK}{_LETTERS[seal.origin]}{'w' if seal.is_whole else 's'}.{seal.value}"


def unpacked(text: str, home: str) -> Seal:
    """Return the seal that ``packed`` made a text of; an unmarked one is of the family ``home``."""
    if text.startswith(_MARK) and text[6:7] == "." and text[4:5] in _ORIGINS:
        return Seal(_ORIGINS[text[4]], text[7:], text[5] == "w")
    return Seal(home, text)


def packed_base64(seal: Seal) -> str:
    """Return a seal for ``thoughtSignature``, which is base64."""
    if seal.origin == GEMINI_FAMILY:
        return seal.value
    return base64.b64encode(packed(seal, GEMINI_FAMILY).encode()).decode()


def unpacked_base64(text: str) -> Seal:
    """Return the seal that ``packed_base64`` made a text of."""
    if text.startswith("bHcxL"):
        try:
            inner = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return Seal(GEMINI_FAMILY, text)
        return unpacked(inner, GEMINI_FAMILY)
    return Seal(GEMINI_FAMILY, text)
