"""What a call costs, and where its price comes from."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.catalogue import known_models, price_of
from rules.pricing import (
    CHARACTERS,
    FLAT_PRICE,
    SECONDS,
    UNPRICED,
    Price,
    Rates,
    cost_nanousd,
)
from rules.usage import Usage

DAY = datetime(2026, 11, 21, tzinfo=UTC)
RATES = Rates(3_000_000_000, 15_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000)
COUNTS = st.integers(0, 2_000_000)


def test_each_class_of_token_has_its_own_rate():
    usage = Usage(1000, 100, 10_000, 2000, 500)
    expected = 1000 * 3000 + 100 * 15_000 + 10_000 * 300 + 2000 * 3750 + 500 * 6000
    assert cost_nanousd(usage, Price(RATES)) == expected


def test_a_fraction_is_rounded_up():
    assert cost_nanousd(Usage(input_tokens=1), Price(Rates(1, 0, 0, 0, 0))) == 1


def test_a_long_prompt_pays_the_tier_for_all_its_tokens_cached_ones_counted():
    price = Price(RATES, ((200_000, Rates(6_000_000_000, 0, 600_000_000, 0, 0)),))
    assert cost_nanousd(Usage(input_tokens=200_000), price) == 200_000 * 3000
    longer = Usage(input_tokens=1, cache_read_tokens=200_000)
    assert cost_nanousd(longer, price) == 6000 + 200_000 * 600


@pytest.mark.parametrize("field", Usage._fields)
def test_a_negative_count_is_refused(field):
    with pytest.raises(ValueError, match="negative"):
        cost_nanousd(Usage(**{field: -1}), Price(RATES))


def test_classes_of_tokens_and_their_rates_stand_in_the_same_order():
    assert [name.replace("_tokens", "") for name in Usage._fields] == [
        name.replace("_nanousd", "") for name in Rates._fields
    ]


@given(*[COUNTS] * 5)
def test_more_tokens_never_cost_less(a, b, c, d, e):
    base = cost_nanousd(Usage(a, b, c, d, e), Price(RATES))
    assert cost_nanousd(Usage(a + 1, b, c, d, e), Price(RATES)) >= base
    assert cost_nanousd(Usage(a, b + 1, c, d, e), Price(RATES)) >= base


def test_the_catalogue_knows_the_models_that_coding_tools_ask_for():
    wanted = {
        "anthropic": ["claude-opus-5-5", "claude-sonnet-4-5", "claude-haiku-4-5-20251001"],
        "openai": ["gpt-6.1-sol", "gpt-5.1-codex", "gpt-4o", "gpt-4o-mini", "gpt-5.4-nano"],
        "custom": ["gpt-4o-mini", "claude-haiku-4-5"],
    }
    for provider_type, models in wanted.items():
        for model in models:
            assert price_of(provider_type, model, DAY).is_known, model


def test_anthropic_cache_classes_have_their_own_prices():
    rates = price_of("anthropic", "claude-sonnet-4-5", DAY).base
    assert rates.cache_read_nanousd * 10 == rates.input_nanousd
    assert rates.cache_write_nanousd * 4 == rates.input_nanousd * 5
    assert rates.cache_write_1h_nanousd == rates.input_nanousd * 2


def test_long_prompts_of_tiered_models_are_dearer():
    price = price_of("openai", "gpt-5.4", DAY)
    assert price.tiers and price.tiers[0][1].input_nanousd > price.base.input_nanousd


def test_an_unknown_model_gets_the_flat_price_and_says_so():
    assert price_of("openai", "no-such-model", DAY) is FLAT_PRICE
    assert not price_of("anthropic", "", DAY).is_known


def test_known_models_are_full_names():
    assert "gpt-4o-mini" in known_models("openai")
    assert not [name for name in known_models("openai") if name.endswith("-")]


def test_what_is_billed_by_the_piece_says_its_unit():
    speech = price_of("openai", "tts-1", DAY, "audio")
    assert (speech.unit, speech.is_known) == (CHARACTERS, True)
    assert cost_nanousd(Usage(input_tokens=1_000_000), speech) == 15 * 10**9
    heard = price_of("openai", "whisper-1", DAY, "audio")
    assert heard.unit == SECONDS
    assert cost_nanousd(Usage(input_tokens=3600), heard) == 36 * 10**7


def test_pictures_and_sound_have_prices_of_their_own():
    written, drawn = (price_of("openai", "gpt-image-1.5", DAY, m).base for m in ("", "image"))
    assert drawn.output_nanousd > written.output_nanousd
    spoken, said = (price_of("openai", "gpt-4o-transcribe", DAY, m).base for m in ("", "audio"))
    assert said.input_nanousd > spoken.input_nanousd


def test_what_has_no_price_is_not_known():
    assert not UNPRICED.is_known
    assert not FLAT_PRICE.is_known
    assert cost_nanousd(Usage(1000, 1000), UNPRICED) == 0
