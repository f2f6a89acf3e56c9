"""The most that a model answers with: by the vendors' tables, by a small window, or not known."""

import pytest

from rules.output_limits import USUAL, most_output

CASES = {
    ("anthropic", "claude-3-haiku-20240307"): 4_096,
    ("anthropic", "claude-3-opus-latest"): 4_096,
    ("anthropic", "claude-3-5-sonnet-20241022"): 8_192,
    ("anthropic", "claude-3-7-sonnet-latest"): 64_000,
    ("anthropic", "claude-opus-4-0"): 32_000,
    ("anthropic", "claude-opus-4-20250514"): 32_000,
    ("anthropic", "claude-opus-4-1-20250805"): 32_000,
    ("bedrock", "us.anthropic.claude-opus-4-1-20250805-v1:0"): 32_000,
    ("vertex", "claude-opus-4@20250514"): 32_000,
    ("anthropic", "claude-opus-4-5-20251101"): 64_000,
    ("anthropic", "claude-opus-4-6"): 128_000,
    ("bedrock", "global.anthropic.claude-sonnet-4-20250514-v1:0"): 64_000,
    ("anthropic", "claude-sonnet-4-5-20250929"): 64_000,
    ("anthropic", "claude-haiku-4-5-20251001"): 64_000,
    # Later ones take at least what is usual; how much more their rows will say.
    ("anthropic", "claude-sonnet-4-6"): None,
    ("anthropic", "claude-opus-5-5"): None,
    ("openai", "gpt-4o-mini"): 16_384,
    ("azure", "gpt-4o-2024-05-13"): 4_096,
    ("openai", "gpt-4-turbo"): 4_096,
    ("openai", "gpt-4"): 8_192,
    ("openai", "gpt-4.1-nano"): 32_768,
    ("openai", "o3-mini"): 100_000,
    ("openai", "gpt-5-mini"): 128_000,
    ("openai", "gpt-5.1"): 128_000,
    ("openai", "gpt-5.5"): None,
    ("gemini", "gemini-2.5-flash"): 65_536,
    ("bedrock", "amazon.nova-lite-v1:0"): 10_000,
    # No row, and a window that is a limit by itself.
    ("bedrock", "meta.llama3-8b-instruct-v1:0"): 8_192,
    ("custom", "somebodys-model"): None,
}


@pytest.mark.parametrize(("where", "most"), CASES.items(), ids=[m for _, m in CASES])
def test_the_most_that_a_model_answers_with(where: tuple[str, str], most: int | None) -> None:
    assert most_output(*where) == most
    assert most is None or most <= 128_000
    assert USUAL < 64_000
