"""The forms of secrets, and the one check behind every budget refusal."""

import pytest

from core.clock import utcnow
from core.ids import new_ingestion_secret, new_ulid, new_virtual_key
from rules.keys import display_prefix, is_ingestion_secret, is_virtual_key
from rules.limits import Verdict, check

ULID = "01HZX9K3M00000000000000000"


@pytest.mark.parametrize(
    "prefix", ["lw_vk_live_", "lw_vk_test_", "vk-lw-", "vk-lw-live_", "vk-lw-test_"]
)
def test_every_prefix_in_use_is_accepted_and_shows_six_characters(prefix):
    assert is_virtual_key(prefix + ULID)
    assert display_prefix(prefix + ULID) == prefix + "01HZX9"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk-ant-123",
        "lw_vk_live_" + ULID[:-1],
        "lw_vk_live_" + ULID + "\n",
        "lw_vk_live_" + "U" * 26,
    ],
)
def test_anything_else_is_no_virtual_key_and_is_never_cut_for_display(text):
    assert not is_virtual_key(text)
    with pytest.raises(ValueError, match="not a virtual key"):
        display_prefix(text)


def test_what_we_mint_is_what_we_accept():
    assert is_virtual_key(new_virtual_key(utcnow()))
    assert is_ingestion_secret(new_ingestion_secret())


def test_ulids_sort_by_time():
    first, second = (new_ulid(utcnow()) for _ in range(2))
    assert len(first) == 26 and first[:8] <= second[:8]


@pytest.mark.parametrize(
    ("spent", "on_breach", "verdict", "percent"),
    [
        (79, "block", Verdict.ALLOW, 79),
        (80, "block", Verdict.WARN, 80),
        (99, "block", Verdict.WARN, 99),
        (100, "block", Verdict.BLOCK, 100),
        (250, "block", Verdict.BLOCK, 250),
        (100, "warn", Verdict.WARN, 100),
    ],
)
def test_a_limit_warns_from_eighty_percent_and_blocks_when_it_is_spent(
    spent, on_breach, verdict, percent
):
    result = check(spent, 100, on_breach)
    assert (result.verdict, result.percent) == (verdict, percent)


def test_a_limit_of_zero_is_not_judged():
    assert check(5, 0, "block").verdict is Verdict.ALLOW
