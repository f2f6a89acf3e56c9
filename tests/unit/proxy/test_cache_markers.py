"""Cache markers go out and come in without touching a byte around them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cache_markers import with_markers, without_markers, without_members
from tests.unit.proxy.test_splice import SCALARS, STYLES, written

MARK = {"type": "ephemeral", "ttl": "1h"}
TREES = st.recursive(
    SCALARS | st.text(max_size=5) | st.just("cache_control") | st.just('say "cache_control": {}'),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.just("cache_control"), inner, max_size=3)
    ),
    max_leaves=12,
)


def stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {n: stripped(v) for n, v in value.items() if n != "cache_control" or not is_mark(v)}
    return [stripped(item) for item in value] if isinstance(value, list) else value


def is_mark(value: Any) -> bool:
    return value is None or value == MARK


def marked(value: Any, places: list[bool]) -> Any:
    """The tree with a marker in some of its objects."""
    if isinstance(value, dict):
        items = [(n, marked(v, places)) for n, v in value.items() if n != "cache_control"]
        if places and places.pop():
            items.insert(len(items) // 2, ("cache_control", MARK))
        return dict(items)
    return [marked(item, places) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(max_size=3), TREES, max_size=3), st.lists(st.booleans()), STYLES)
def test_every_marker_goes_and_nothing_else(tree, places, style) -> None:
    body = marked(tree, places)
    text = written(body, style)
    new = without_markers(text)
    assert json.loads(new.decode("utf-8", "surrogatepass")) == stripped(body)
    if body == stripped(body):
        assert new is text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b'{"cache_control":{"type":"ephemeral"}}', b"{}"),
        (b'{"cache_control" : {"type":"ephemeral"} , "a": 1}', b'{"a": 1}'),
        (b'{"a":1,\n "cache_control":null}', b'{"a":1}'),
        (b'{"a":1,"cache_control":null,"b":2}', b'{"a":1,"b":2}'),
        (b'{"cache_control":null,"cache_control":{"type":"ephemeral"},"b":2}', b'{"b":2}'),
        (b'{"a":1,"cache_control":null, "cache_control":null}', b'{"a":1}'),
        (b'{"cache\\u005fcontrol":null,"a":"\\u0041"}', b'{"a":"\\u0041"}'),
        (b'{"a":"\\\\","cache_control":null}', b'{"a":"\\\\"}'),
    ],
)
def test_markers_go_with_their_comma(text, left) -> None:
    assert without_markers(text) == left


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":"\\"cache_control\\": {}"}',
        b'{"a":"x \\"cache_control"}',
        b'{"a":"cache_control"}',
        b'{"properties":{"cache_control":{"type":"string"}}}',
        b'{"properties":{"cache_control":{"description":"how long"}}}',
        b'{"input":{"cache_control":"no-store"}}',
    ],
)
def test_what_only_has_the_name_stays(text) -> None:
    assert without_markers(text) is text


def test_the_cached_content_of_gemini_goes() -> None:
    body = b'{"contents":[{"cachedContent":1}], "cachedContent" : "c/1" }'
    assert without_members(body, "cachedContent") == b'{"contents":[{"cachedContent":1}] }'


E = b'"cache_control":{"type":"ephemeral"}'


@pytest.mark.parametrize(
    ("text", "new"),
    [
        (
            b'{"system":"be \\u00fc", "messages":[{"role":"user","content":"hi"}] }',
            b'{"system":[{"type":"text","text":"be \\u00fc",%b}], "messages":'
            b'[{"role":"user","content":[{"type":"text","text":"hi",%b}]}] }' % (E, E),
        ),
        (
            b'{"messages":[{"content":[{"type":"text","text":"a"}]},{"content":[{"type":"text","text":"b"},'
            b'{"type":"thinking","thinking":"t"}]}]}',
            b'{"messages":[{"content":[{"type":"text","text":"a"}]},{"content":[{"type":"text","text":"b",%b},'
            b'{"type":"thinking","thinking":"t"}]}]}' % E,
        ),
        (
            b'{"system":[{"type":"text","text":"s"}],"messages":[{"content":[{"type":"tool_result","content":[]}]}]}',
            b'{"system":[{"type":"text","text":"s",%b}],"messages":[{"content":[{"type":"tool_result",'
            b'"content":[],%b}]}]}' % (E, E),
        ),
    ],
)
def test_the_ends_of_a_prompt_are_marked(text, new) -> None:
    assert with_markers(text) == new


@pytest.mark.parametrize(
    "text",
    [
        b'{"system":"x","messages":[{"content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}]}',
        b'{"tools":[{"name":"t","cache_control":{"type":"ephemeral"}}],"messages":[{"content":"hi"}]}',
        b'{"system":"","messages":[]}',
        b'{"messages":[{"content":[{"type":"text","text":" "}]}]}',
        b'{"messages":{}}',
    ],
)
def test_what_the_caller_marked_or_what_cannot_be_marked_stays(text) -> None:
    assert with_markers(text) == text


@given(
    st.one_of(st.none(), st.text()),
    st.lists(st.text(min_size=1), min_size=1, max_size=3),
    STYLES,
)
def test_marking_and_unmarking_says_the_same_as_before(system, contents, style) -> None:
    body = {"messages": [{"role": "user", "content": text} for text in contents]}
    if system is not None:
        body["system"] = system
    text = written(body, style)
    new = json.loads(with_markers(text).decode("utf-8", "surrogatepass"))
    last = new["messages"][-1]["content"]
    if contents[-1].strip():
        assert last == [
            {"type": "text", "text": contents[-1], "cache_control": {"type": "ephemeral"}}
        ]
    assert new["messages"][:-1] == body["messages"][:-1]
    unmarked = json.loads(without_markers(with_markers(text)).decode("utf-8", "surrogatepass"))
    assert "cache_control" not in str(unmarked) or "cache_control" in str(body)
