"""How many tokens a model can answer with: the vendors' published maxima, and the catalogue's context windows. Pure.

The maxima are those of the vendors' model pages of August 2026. A model that is newer than its row is not here: an
explicit limit then passes as it is, and the provider judges it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from rules.catalogue import context_window


class _Row(NamedTuple):
    name: str
    pattern: str
    """Found anywhere in a model's name, so that prefixes of clouds and dates do not matter."""
    tokens: int


MAXIMA: Sequence[_Row] = (
    _Row("Claude before 3.5", r"claude-(?:[12]|instant|3-(?:opus|sonnet|haiku))", 4_096),
    _Row("Claude 3.5", r"claude-3-5-", 8_192),
    _Row("Claude 3.7", r"claude-3-7-", 64_000),
    _Row(
        "Claude Opus 4 and 4.1",
        r"claude-(?:opus-4(?:-[01](?!\d))?(?=$|[@:-])(?!-[5-9])|4-opus)",
        32_000,
    ),
    _Row(
        "Claude Sonnet 4 and 4.5",
        r"claude-(?:sonnet-4(?:-[05](?!\d))?(?=$|[@:-])(?!-[6-9](?!\d))|4-sonnet)",
        64_000,
    ),
    _Row("Claude Haiku 4.5, Opus 4.5", r"claude-(?:haiku|opus)-4-5(?!\d)", 64_000),
    _Row("Claude Opus 4.6 to 4.8", r"claude-opus-4-[6-8](?!\d)", 128_000),
    _Row("GPT-3.5 Turbo", r"gpt-3\.5-turbo", 4_096),
    _Row("GPT-4 Turbo", r"gpt-4-(?:turbo|\d{4}-preview|vision)", 4_096),
    _Row("GPT-4", r"gpt-4(?:-\d{4})?$", 8_192),
    _Row("GPT-4o of May 2024", r"gpt-4o-2024-05-13", 4_096),
    _Row("GPT-4o", r"gpt-4o", 16_384),
    _Row("GPT-4.1", r"gpt-4\.1", 32_768),
    _Row(
        "o1, o3, o4-mini", r"(?:^|[/.])o(?:1|3|4-mini)(?!\d)(?!-(?:mini-2024-09|preview))", 100_000
    ),
    _Row("GPT-5 to 5.2", r"gpt-5(?:\.[0-2])?(?=$|-)(?!-chat)", 128_000),
    _Row("Gemini 1.5, 2.0", r"gemini-(?:1\.5|2\.0)", 8_192),
    _Row("Gemini 2.5, 3", r"gemini-(?:2\.5|3)", 65_536),
    _Row("Nova Micro, Lite, Pro", r"nova-(?:micro|lite|pro)-v1", 10_000),
)
"""The first row that fits counts."""
USUAL = 32_000
"""The limit that is given where one must be and neither the caller nor a row says one."""
_FOUND = tuple((re.compile(row.pattern), row.tokens) for row in MAXIMA)


def most_output(provider_type: str, model: str) -> int | None:
    """Return the most tokens that a model can answer with; None where that is not known."""
    window = context_window(provider_type, model)
    for pattern, tokens in _FOUND:
        if pattern.search(model):
            return tokens if window is None else min(tokens, window)
    # What is left of a large window is no maximum; a small one is.
    return window if window is not None and window <= USUAL else None
