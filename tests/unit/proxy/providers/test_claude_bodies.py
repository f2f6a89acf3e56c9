"""Claude's requests for the clouds: only the members that must change do, betas pass, change or vanish whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.claude_bodies import (
    bedrock_body,
    betas_of,
    respelled,
    vertex_body,
    vertex_headers,
)
from proxy.providers.vertex import vertex_name

BODY = b'{"model": "claude-x",\n "max_tokens": 5 ,"stream":true, "messages": [{"role":"user","content":"a  b"}]}'


def beta(*names: str) -> list[tuple[bytes, bytes]]:
    return [(b"anthropic-version", b"2023-06-01"), (b"anthropic-beta", ",".join(names).encode())]


def test_model_and_stream_leave_the_body_and_every_other_byte_stays() -> None:
    assert bedrock_body(BODY, []) == (
        b'{"anthropic_version":"bedrock-2023-05-31","max_tokens": 5 ,'
        b'"messages": [{"role":"user","content":"a  b"}]}'
    )
    assert vertex_body(BODY, [], keeps_model=False) == (
        b'{"anthropic_version":"vertex-2023-10-16","max_tokens": 5 ,"stream":true, '
        b'"messages": [{"role":"user","content":"a  b"}]}'
    )


def test_a_version_in_the_body_is_replaced() -> None:
    body = b'{"anthropic_version":"2023-06-01","model":"m"}'
    assert bedrock_body(body, []) == b'{"anthropic_version":"bedrock-2023-05-31"}'
    assert json.loads(vertex_body(body, [], keeps_model=True))["model"] == "m"


def test_a_later_version_of_the_api_keeps_its_name() -> None:
    later = [(b"anthropic-version", b"2026-10-21")]
    assert json.loads(bedrock_body(BODY, later))["anthropic_version"] == "2026-10-21"
    assert json.loads(vertex_body(BODY, later, False))["anthropic_version"] == "2026-10-21"
    first = [(b"anthropic-version", b"2023-06-01")]
    assert json.loads(vertex_body(BODY, first, False))["anthropic_version"] == "vertex-2023-10-16"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    value=st.dictionaries(st.sampled_from(["model", "stream", "a", "messages", 'q"']), JSON),
    indent=st.sampled_from([None, 1]),
)
def test_what_is_not_dropped_is_kept_in_its_order(value: dict, indent: int | None) -> None:
    body = json.dumps(value, indent=indent).encode()
    made = respelled(body, {"model", "stream"}, b'"new":1')
    kept = {name: inner for name, inner in value.items() if name not in ("model", "stream")}
    assert list(json.loads(made).items()) == [("new", 1), *kept.items()]


@pytest.mark.parametrize(
    ("given_betas", "bedrock", "vertex"),
    [
        ((), (), ()),
        (("context-1m-2025-08-07",), ("context-1m-2025-08-07",), ("context-1m-2025-08-07",)),
        (
            ("not-yet-known-2027-01-01",),
            ("not-yet-known-2027-01-01",),
            ("not-yet-known-2027-01-01",),
        ),
        (("claude-code-20250219", "oauth-2025-04-20"), (), ()),
        (("web-search-2025-03-05",), (), ("web-search-2025-03-05",)),
        (
            ("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19"),
            ("tool-search-tool-2025-10-19",),
            ("tool-search-tool-2025-10-19",),
        ),
    ],
)
def test_betas_pass_change_or_vanish(
    given_betas: tuple[str, ...], bedrock: tuple[str, ...], vertex: tuple[str, ...]
) -> None:
    headers = beta(*given_betas) if given_betas else []
    assert betas_of(headers, is_bedrock=True).names == bedrock
    assert betas_of(headers, is_bedrock=False).names == vertex
    body = json.loads(bedrock_body(BODY, headers))
    assert tuple(body.get("anthropic_beta", ())) == bedrock
    shown = dict(vertex_headers(headers)).get(b"anthropic-beta", b"").decode()
    assert shown == ",".join(vertex)


def test_a_member_vanishes_with_its_beta() -> None:
    body = b'{"model":"m","mcp_servers":[{"url":"https://a"}],"max_tokens":1}'
    headers = beta("mcp-client-2025-11-20")
    assert set(json.loads(bedrock_body(body, headers))) == {"anthropic_version", "max_tokens"}
    assert set(json.loads(vertex_body(body, headers, keeps_model=False))) == {
        "anthropic_version",
        "max_tokens",
    }
    assert "mcp_servers" in json.loads(bedrock_body(body, []))


def test_several_beta_headers_are_one_list_and_the_version_is_not_sent_to_vertex() -> None:
    headers = [*beta("context-1m-2025-08-07"), (b"anthropic-beta", b" effort-2025-11-24 , ")]
    assert betas_of(headers, is_bedrock=True).names == (
        "context-1m-2025-08-07",
        "effort-2025-11-24",
    )
    assert b"anthropic-version" not in dict(vertex_headers(headers))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5@20250929"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5@20250929"),
        ("claude-opus-4-6", "claude-opus-4-6"),
    ],
)
def test_dated_names_get_the_mark_of_vertex(model: str, name: str) -> None:
    assert vertex_name(model) == name
