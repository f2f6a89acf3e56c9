"""A splice changes one value and no other byte, in any JSON text."""

import json

from hypothesis import given
from hypothesis import strategies as st

from proxy.splice import members, renamed_model, replaced, with_usage_asked, without_null_usage

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
BODIES = st.dictionaries(st.text(max_size=8) | st.just("model"), VALUES, max_size=5)
STYLES = st.sampled_from(
    [{"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": False}, {"indent": "\t"}]
)


def written(value: object, style: dict) -> bytes:
    return json.dumps(value, **style).encode("utf-8", "surrogatepass")


@given(BODIES, STYLES)
def test_every_member_is_found_where_it_stands(body, style) -> None:
    text = written(body, style)
    found = list(members(text))
    for member, (name, value) in zip(found, body.items(), strict=True):
        assert member.name in (name, "")
        assert json.loads(text[member.value_start : member.value_end].decode()) == value


@given(BODIES, VALUES, STYLES, st.text(min_size=1, max_size=20))
def test_only_the_model_changes(body, before, style, model) -> None:
    text = written({**body, "model": before, "z": 1}, style)
    new = renamed_model(text, model.encode("utf-8", "replace").decode())
    old_value = next(m for m in members(text) if m.name == "model")
    start, end = old_value.value_start, old_value.value_end
    assert new.startswith(text[:start])
    assert new.endswith(text[end:])
    parsed = json.loads(new.decode("utf-8", "surrogatepass"))
    assert parsed == {**body, "model": model.encode("utf-8", "replace").decode(), "z": 1}


@given(BODIES, STYLES)
def test_asking_for_usage_adds_that_and_nothing_else(body, style) -> None:
    body = {**body, "model": "m"}
    body.pop("stream_options", None)
    asked = with_usage_asked(written(body, style))
    assert json.loads(asked) == {**body, "stream_options": {"include_usage": True}}


def test_asking_for_usage_keeps_the_other_options() -> None:
    text = b'{"model":"m","stream_options": {"include_obfuscation" : false}, "x":1}'
    assert with_usage_asked(text) == (
        b'{"model":"m","stream_options": {"include_usage":true,"include_obfuscation" : false}, "x":1}'
    )
    assert with_usage_asked(b'{"stream_options":{ },"m":1}') == (
        b'{"stream_options":{"include_usage":true },"m":1}'
    )
    assert with_usage_asked(b'{"stream_options":null}') == (
        b'{"stream_options":{"include_usage":true}}'
    )
    assert with_usage_asked(b'{"m":1}  \n') == (
        b'{"m":1,"stream_options":{"include_usage":true}}  \n'
    )


def test_both_of_two_equal_names_are_replaced_however_they_are_spelled() -> None:
    text = b'{"model":"a","messages":[{"model":"inner"}],"mod\\u0065l":"b"}'
    assert replaced(text, "model", b'"c"') == (
        b'{"model":"c","messages":[{"model":"inner"}],"mod\\u0065l":"c"}'
    )


def test_a_name_within_a_text_is_not_a_member() -> None:
    text = b'{"messages":"\\"model\\":\\"x\\" } {","model":"a"}'
    assert replaced(text, "model", b'"c"') == (
        b'{"messages":"\\"model\\":\\"x\\" } {","model":"c"}'
    )


@given(BODIES, st.integers(0, 5), STYLES)
def test_a_null_usage_goes_and_all_else_stays(body, place, style) -> None:
    body.pop("usage", None)
    items = list(body.items())
    items.insert(place, ("usage", None))
    if "indent" in style:
        style = {}
    event = b"data: " + written(dict(items), style) + b"\n\n"
    new = without_null_usage(event)
    assert json.loads(new[6:]) == body
    assert len(new) < len(event)


def test_a_usage_that_says_something_stays() -> None:
    event = b'data: {"choices":[{"usage":null}],"usage":{"a":null}}\n\n'
    assert without_null_usage(event) == event
