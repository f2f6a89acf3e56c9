"""Ids, traces and the open list of headers."""

import re

import pytest

from proxy.pipeline.identity import Identities
from proxy.pipeline.incoming import read_headers
from proxy.pipeline.outgoing_headers import passed

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_ids_have_their_forms_and_do_not_repeat() -> None:
    identities = Identities()
    minted = [identities.mint() for _ in range(1000)]
    assert len({one.request_id for one in minted}) == 1000
    assert len({one.span_id for one in minted}) == 1000
    for one in minted[:20]:
        assert re.fullmatch(r"req_[0-9a-f]{30}", one.request_id)
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", one.traceparent)
        assert one.parent_span_id == ""


def test_two_processes_do_not_share_their_ids() -> None:
    assert Identities().mint() != Identities().mint()


@pytest.mark.parametrize("more", ["", "-later"])
def test_a_callers_trace_is_continued(more) -> None:
    version = "cc" if more else "00"
    parent = f"{version}-{TRACE}-{SPAN}-00{more}".encode()
    identity = Identities().mint((parent, b"", b""))
    assert (identity.trace_id, identity.parent_span_id) == (TRACE, SPAN)
    assert identity.span_id != SPAN


@pytest.mark.parametrize(
    "parent",
    [
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        "nonsense",
    ],
)
def test_an_invalid_trace_starts_a_fresh_one(parent) -> None:
    identity = Identities().mint((parent.encode(), b"", b""))
    assert identity.trace_id != TRACE
    assert identity.parent_span_id == ""


def test_our_own_trace_headers_win() -> None:
    parent = f"00-{'a' * 32}-{'b' * 16}-01".encode()
    identity = Identities().mint((parent, TRACE.encode(), SPAN.encode()))
    assert (identity.trace_id, identity.parent_span_id) == (TRACE, SPAN)


def test_headers_pass_in_order_and_with_their_bytes() -> None:
    given = [(b"x-b", b"1"), (b"x-a", b"\xff"), (b"x-b", b"2"), (b"session-id", b"s")]
    incoming = read_headers(given)
    assert incoming.forwarded == given
    assert incoming.session_id == "s"


def test_a_body_of_two_types_goes_on_as_one() -> None:
    json, form = (b"content-type", b"application/json"), (b"content-type", b"multipart/form-data")
    for told in ([json, form], [form, json], [json, json]):
        headers = read_headers([*told, (b"accept", b"*/*")])
        assert headers.as_json().forwarded == [(b"accept", b"*/*"), json]
        assert headers.content_type == b""
    once = read_headers([json])
    assert once.as_json() is once


def test_what_connection_names_goes_no_further() -> None:
    incoming = read_headers([(b"connection", b"X-Hop, close"), (b"x-hop", b"1"), (b"x-kept", b"2")])
    assert incoming.forwarded == [(b"x-kept", b"2")]


def test_names_met_for_the_first_time_do_not_fill_memory() -> None:
    from proxy.pipeline import incoming

    before = dict(incoming._ROLES)
    try:
        for number in range(10_000):
            read_headers([(b"x-%d" % number, b""), (b"x-langwatch-%d" % number, b"")])
        assert len(incoming._ROLES) <= incoming._MAX_ROLES
        last = read_headers([(b"x-99999", b""), (b"x-langwatch-99999", b"")])
        assert last.forwarded == [(b"x-99999", b"")]
    finally:
        incoming._ROLES.clear()
        incoming._ROLES.update(before)


def test_a_providers_headers_pass_without_those_of_its_connection_and_ours() -> None:
    given = [
        (b"content-type", b"application/json"),
        (b"content-length", b"7"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"x-hop"),
        (b"x-hop", b"1"),
        (b"x-langwatch-provider", b"fake"),
        (b"x-langwatch-handled-error", b"fake"),
        (b"x-request-id", b"req_provider"),
        (b"request-id", b"req_provider"),
        (b"set-cookie", b"a=b"),
        (b"retry-after", b"3"),
        (b"x-should-retry", b"true"),
    ]
    kept = [
        (b"content-type", b"application/json"),
        (b"content-length", b"7"),
        (b"x-langwatch-provider-request-id", b"req_provider"),
        (b"request-id", b"req_provider"),
        (b"retry-after", b"3"),
        (b"x-should-retry", b"true"),
    ]
    assert passed(given, keeps_length=True) == kept
    assert passed(given, keeps_length=False) == [kept[0], *kept[2:]]
