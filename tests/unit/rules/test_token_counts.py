"""An estimate of a request's tokens: rather too many, and pictures are no text."""

import base64
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.token_counts import counted

PICTURE = base64.b64encode(random.Random(5).randbytes(300_000)).decode()


def of(value: object) -> int:
    return counted(msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        # About what the vendors' own tokenizers make of them.
        ("The quick brown fox jumps over the lazy dog. " * 100, 1000),
        ("def add(left: int, right: int) -> int:\n    return left + right\n" * 100, 2000),
        ("素早い茶色の狐はのろまな犬を飛び越える。" * 100, 2400),
        ("Der schnelle braune Fuchs springt über den trägen Hund. " * 100, 1500),
    ],
)
def test_a_text_counts_for_more_than_it_is_and_for_less_than_twice(text: str, tokens: int) -> None:
    assert tokens <= of({"messages": [{"role": "user", "content": text}]}) < 2 * tokens


def test_a_picture_counts_as_one_whatever_its_size() -> None:
    block = {"type": "image", "source": {"type": "base64", "data": PICTURE}}
    address = {"image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    assert 1600 < of({"content": [block]}) < 1700
    assert 1600 < of({"content": [address]}) < 1700
    assert of({"text": "word " * 1000}) > 1600


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_more_is_never_less(value: object) -> None:
    assert of([value, "a"]) >= of([value]) > 0
