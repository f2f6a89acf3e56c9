"""Answers of the lake that viewers share for a second."""

import threading

import pytest

from webapp.queries.recent import FRESH_SECONDS, MOST_ANSWERS, RecentAnswers


class _Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_asks_again_only_after_a_second_and_keeps_keys_apart() -> None:
    clock, asked = _Clock(), []
    recent = RecentAnswers(clock)

    def ask(key: str) -> int:
        return recent.ask(key, lambda: asked.append(key) or len(asked))

    assert [ask("a"), ask("a"), ask("b")] == [1, 1, 2]
    clock.seconds += FRESH_SECONDS
    assert [ask("a"), ask("b")] == [3, 4]


def test_an_error_is_nobody_elses_answer() -> None:
    recent = RecentAnswers(_Clock())
    with pytest.raises(ZeroDivisionError):
        recent.ask("a", lambda: 1 // 0)
    assert recent.ask("a", lambda: 7) == 7


def test_of_many_who_ask_at_once_one_computes() -> None:
    recent, begun, asked = RecentAnswers(_Clock()), threading.Barrier(8), []

    def one() -> None:
        begun.wait(5)
        recent.ask("a", lambda: asked.append(1))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert asked == [1]


def test_lets_old_answers_go() -> None:
    clock = _Clock()
    recent = RecentAnswers(clock)
    for number in range(MOST_ANSWERS):
        recent.ask(number, lambda: None)
    clock.seconds += FRESH_SECONDS + 1
    recent.ask("new", lambda: None)
    assert len(recent._slots) == 1
