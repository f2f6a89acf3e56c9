"""Scores how much a text looks like an attempt to override instructions. A heuristic: it can be talked around."""

from collections.abc import Iterator
from typing import NamedTuple

import re2

from rules.guardrails.matches import Match, spans

DEFAULT_THRESHOLD = 0.7


class _Sign(NamedTuple):
    pattern: object
    weight: float
    """How sure this sign alone makes: signs add up as independent evidence does."""


_OPTIONS = re2.Options()
_OPTIONS.never_capture = True
_OPTIONS.case_sensitive = False


def _sign(pattern: str, weight: float) -> _Sign:
    return _Sign(re2.compile(pattern, _OPTIONS), weight)


_OLD = r"(?:previous|prior|above|earlier|preceding|foregoing|existing|original|system)"
_ORDERS = (
    r"(?:instructions?|prompts?|rules?|directives?|guidelines?|constraints?|messages?|context)"
)
_SIGNS = (
    _sign(
        rf"\b(?:ignore|disregard|forget|override|bypass|neglect)\b.{{0,40}}\b{_OLD}\b.{{0,30}}\b{_ORDERS}\b",
        0.8,
    ),
    _sign(
        rf"\b(?:ignore|disregard|forget)\b.{{0,20}}\b(?:all|any|everything)\b.{{0,20}}\b(?:{_ORDERS}|you)\b",
        0.6,
    ),
    _sign(
        r"\b(?:reveal|print|show|repeat|output|leak|tell me)\b.{0,40}\b(?:system|hidden|initial|secret) "
        r"(?:prompt|instructions?|message)\b",
        0.7,
    ),
    _sign(
        r"\byou are (?:now|no longer)\b.{0,60}\b(?:unrestricted|jailbroken|dan|bound|filtered)\b",
        0.7,
    ),
    _sign(
        r"\b(?:developer|god|dan|jailbreak|admin|sudo) mode\b.{0,30}\b(?:on|enabled|activated?)\b",
        0.7,
    ),
    _sign(r"\bdo anything now\b", 0.7),
    _sign(
        r"\b(?:pretend|act|behave|respond) (?:as if|as though|like)\b.{0,40}\b(?:no|without)\b.{0,20}"
        r"\b(?:rules|restrictions|filters|limits|guidelines|ethics)\b",
        0.6,
    ),
    _sign(r"<\|(?:im_start|im_end|system|endoftext)\|>|\[/?INST\]|<</?SYS>>", 0.6),
    _sign(r"(?:^|\n)\s{0,4}(?:#{1,4} ?)?(?:system|new instructions?)\s{0,2}:", 0.4),
    _sign(
        r"\bnew (?:instructions?|task|objective)s?\b.{0,20}\b(?:follow|instead|now|below)\b", 0.4
    ),
    _sign(
        r"\bdo not (?:tell|inform|alert|mention (?:this )?to)\b.{0,20}\b(?:the )?(?:user|anyone|human)\b",
        0.5,
    ),
    _sign(
        r"\b(?:send|post|upload|exfiltrate|forward)\b.{0,60}\b(?:api keys?|credentials?|secrets?|passwords?|"
        r"environment variables)\b.{0,40}\b(?:to|at)\b.{0,10}https?://",
        0.7,
    ),
    _sign(r"[\x{E0020}-\x{E007F}]{4,}", 0.8),  # text in tag characters, which nobody sees
)


def score(text: str) -> float:
    """Return from 0 (no sign) towards 1 how much a text looks like an injection."""
    doubt = 1.0
    for sign in _SIGNS:
        if sign.pattern.search(text) is not None:  # type: ignore[attr-defined]
            doubt *= 1 - sign.weight
    return 1 - doubt


def find_injection(text: str, threshold: float = DEFAULT_THRESHOLD) -> Iterator[Match]:
    """Yield the signs of an injection when together they reach the threshold."""
    if score(text) < threshold:
        return
    for sign in _SIGNS:
        for start, end in spans(sign.pattern, text):
            yield Match(start, end, "INJECTION")
