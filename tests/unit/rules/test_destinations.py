"""The spellings of alert destinations that are accepted, and what is said of the others."""

from typing import Any

import pytest

from rules.destinations import normalised

SLACK = {"type": "slack", "webhookUrl": "https://hooks.test/x"}


@pytest.mark.parametrize(
    "value",
    [
        [SLACK],
        {"destinations": [SLACK]},
        {"slack": {"webhookUrl": "https://hooks.test/x"}},
        {"destinations": {"slack": {"webhookUrl": "https://hooks.test/x"}}},
    ],
)
def test_every_accepted_shape_becomes_the_same_list(value: Any) -> None:
    assert normalised(value) == ([SLACK], [])


@pytest.mark.parametrize("value", [None, [], {}, {"destinations": []}, {"destinations": {}}])
def test_no_destination_is_no_mistake(value: Any) -> None:
    assert normalised(value) == ([], [])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("https://hooks.test/x", "list of objects"),
        (7, "list of objects"),
        (["x"], "is an object"),
        ({"slack": "https://hooks.test/x"}, "is an object"),
        ([{"webhookUrl": "https://hooks.test/x"}], "`type` is one of"),
        ([{"type": "pigeon"}], "`type` is one of"),
        ([{"type": "slack"}], "needs `webhookUrl`"),
        ([SLACK | {"channel": "#a"}], "`channel` is not a field"),
        ([SLACK | {"webhookUrl": 7}], "is a text"),
        ([SLACK] * 11, "at most 10"),
        ({"destinations": [SLACK], "other": 1}, "does not belong beside"),
    ],
)
def test_says_what_is_wrong(value: Any, said: str) -> None:
    _, errors = normalised(value)
    assert any(said in error for error in errors)
