"""Kept answers are bounded in age, size and number."""

from proxy.answer_store import MAX_ANSWER_BYTES, AnswerStore, Kept


def kept(size_bytes: int, until_s: float = 100.0) -> Kept:
    return Kept(200, [], (b"x",), until_s, size_bytes)


def test_an_answer_is_found_until_it_is_too_old() -> None:
    store = AnswerStore()
    store.keep("a", kept(10))
    assert store.find("a", 99.9) is not None
    assert store.find("a", 100.0) is None
    assert store.size_bytes == 0
    assert store.find("b", 0.0) is None


def test_the_least_recently_used_go_first() -> None:
    store = AnswerStore(max_bytes=30)
    for name in "abc":
        store.keep(name, kept(10))
    store.find("a", 0.0)
    store.keep("d", kept(10))
    assert [name for name in "abcd" if store.find(name, 0.0)] == ["a", "c", "d"]
    assert store.size_bytes == 30


def test_what_is_kept_again_takes_the_place_of_the_older_and_the_too_large_is_not_kept() -> None:
    store = AnswerStore()
    store.keep("a", kept(10))
    store.keep("a", kept(20))
    assert store.size_bytes == 20
    store.keep("b", kept(MAX_ANSWER_BYTES + 1))
    assert store.find("b", 0.0) is None
