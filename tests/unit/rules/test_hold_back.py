"""Holding a stream back: nothing that matches gets out, nothing that does not is changed, order is kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.guardrails.hold_back import MOST_HELD_CHARACTERS, HoldBack, Piece, TooMuchHeld
from rules.guardrails.matches import Match
from rules.guardrails.types import Guard, guard_of

SECRET = "sk-proj-" + "Ab3dEf6hIj9kLm2n" * 3


def guard(type_: str = "secrets", **given_settings) -> Guard:
    row = {
        "id": "gr_1",
        "name": "g",
        "type": type_,
        "action": "redact",
        "on_failure": "fail_closed",
    }
    return guard_of(row | {"settings": given_settings})


def run(held: HoldBack, search: Guard, last: bool = False) -> list[str]:
    """Judge what is due and return the texts that are let go, changed where they are changed."""
    if last:
        held.close_all()
    for window in held.due():
        held.judged(window, search.search(window.text, window.before))
    return [released.changes.get("text", released.event.decode()) for released in held.release()]


def streamed(parts: list[str], search: Guard, window: int = 64, overlap: int = 32) -> list[str]:
    held: HoldBack[str] = HoldBack(window, overlap)
    out: list[str] = []
    for part in parts:
        held.add(part.encode(), [Piece(part, "text", "c")])
        out += run(held, search)
    return out + run(held, search, last=True)


@given(st.lists(st.text(max_size=40), max_size=30), st.integers(1, 80), st.integers(1, 80))
def test_what_matches_nothing_comes_out_as_it_went_in(parts, window, overlap) -> None:
    assert (
        streamed(parts, guard("keywords", keywords=["\u0001never\u0001"]), window, overlap) == parts
    )


@pytest.mark.parametrize("overlap", [64, 256])
def test_a_secret_cut_at_every_two_offsets_is_redacted_whole(overlap) -> None:
    before, after = "words before it " * 12, " and words behind it" * 12
    text = before + SECRET + after
    at = len(before)
    for first in range(at - 1, at + len(SECRET) + 1, 3):
        for second in range(first, at + len(SECRET) + 2, 7):
            parts = [text[:first], text[first:second], text[second:]]
            out = "".join(streamed(parts, guard(), 128, overlap))
            assert out == before + "[REDACTED:API_KEY]" + after


@settings(max_examples=60)
@given(st.integers(1, 9), st.integers(0, 300), st.integers(0, 300))
def test_in_pieces_of_any_size_no_part_of_a_secret_is_let_go(size, before, after) -> None:
    text = "w " * before + SECRET + " x" * after
    parts = [text[i : i + size] for i in range(0, len(text), size)]
    assert "".join(streamed(parts, guard(), 100, 64)) == text.replace(SECRET, "[REDACTED:API_KEY]")


def test_a_match_longer_than_the_overlap_is_held_from_its_beginning() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEow\n" * 400 + "-----END RSA PRIVATE KEY-----"
    text = "here: " + key + " done"
    parts = [text[i : i + 11] for i in range(0, len(text), 11)]
    assert "".join(streamed(parts, guard(), 128, 64)) == "here: [REDACTED:PRIVATE_KEY] done"


def test_text_is_let_go_but_for_the_overlap() -> None:
    held: HoldBack[str] = HoldBack(100, 30)
    out = []
    for _ in range(20):
        held.add(b"0123456789", [Piece("0123456789", "text", "c")])
        out.append(len(run(held, guard())))
    # Ten pieces make a window; of it three wait for what follows. Then every seventh piece is a window.
    assert out == [0] * 9 + [7] + [0] * 6 + [7] + [0] * 3


def test_events_without_text_keep_their_place_and_channels_wait_for_themselves() -> None:
    held: HoldBack[str] = HoldBack(100, 30)
    held.add(b"start")
    held.add(b"a", [Piece("a", "text", "one")])
    held.add(b"ping")
    held.add(b"b", [Piece("b", "text", "two")])
    assert run(held, guard()) == ["start"]
    held.close("two")
    assert run(held, guard()) == []
    held.close("one")
    assert run(held, guard()) == ["a", "ping", "b"]
    assert held.is_empty


def test_arguments_of_a_tool_are_judged_once_and_whole() -> None:
    held: HoldBack[str] = HoldBack(10, 5)
    for part in ('{"a":', '"x" * 90', '"}'):
        held.add(part.encode(), [Piece(part, "text", "args", is_judged_whole=True)])
        assert held.due() == []
    held.close("args")
    (window,) = held.due()
    assert window.text == '{"a":"x" * 90"}'


def test_a_text_that_stands_alone_is_judged_at_once() -> None:
    held: HoldBack[str] = HoldBack(1000, 100)
    held.add(b"e", [Piece(SECRET, "text"), Piece("fine", "other")])
    first, second = held.due()
    held.judged(first, guard().search(first.text))
    held.judged(second, [])
    (released,) = held.release()
    assert released.changes == {"text": "[REDACTED:API_KEY]"}


def test_a_match_that_began_in_what_is_gone_is_replaced_from_here_on() -> None:
    search = guard("regex", patterns=["a.{16}z"])
    text = "--a" + "." * 16 + "z--"
    parts = [text[i : i + 4] for i in range(0, len(text), 4)]
    out = "".join(streamed(parts, search, 12, 6))
    assert out == "--a...[REDACTED:PATTERN]--"


def test_more_than_may_be_held_is_told() -> None:
    held: HoldBack[str] = HoldBack(10, 5)
    with pytest.raises(TooMuchHeld):
        held.add(b"", [Piece("x" * (MOST_HELD_CHARACTERS + 1), "text", "c", is_judged_whole=True)])


def test_a_replacement_of_an_evaluator_takes_the_place_of_what_it_replaces() -> None:
    held: HoldBack[str] = HoldBack(10, 5)
    held.add(b"say hello now", [Piece("say hello now", "text", "c")])
    held.close_all()
    (window,) = held.due()
    held.judged(window, [Match(4, 9, "MODIFIED", "goodbye")])
    assert held.release()[0].changes == {"text": "say goodbye now"}
