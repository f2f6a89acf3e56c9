"""The table of routes: what is served, what is an alias, what is not there."""

import pytest

from proxy.routes import TABLE, Guard, Pricing, Serves, find


@pytest.mark.parametrize(
    ("path", "request_type"),
    [
        ("/v1/chat/completions", "chat"),
        ("/api/v1/chat/completions", "chat"),
        ("/v1/messages", "messages"),
        ("/api/v1/messages", "messages"),
        ("/v1/messages/count_tokens", "count_tokens"),
    ],
)
def test_exchanges_are_found(path, request_type) -> None:
    route = find(path)
    assert route is not None
    assert route.request_type == request_type


@pytest.mark.parametrize("path", ["/v1/models/gpt-4o", "/api/v1/models/a/b", "/v1/models"])
def test_models_are_found_with_any_id(path) -> None:
    route = find(path)
    assert route is not None
    assert route.serves is Serves.MODELS


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/v1",
        "/v1/",
        "/v1/models/",
        "/v1/messages/",
        "/api/healthz",
        "/V1/messages",
        "//v1/messages",
    ],
)
def test_anything_else_is_not_there(path) -> None:
    assert find(path) is None


def test_every_exchange_says_what_it_is() -> None:
    for route in TABLE:
        if route.serves is Serves.EXCHANGE:
            assert route.dialect is not None
            assert route.request_type
            assert route.upstream_path.startswith("/")
            assert route.guard is not Guard.NOTHING
            assert route.methods == {"POST"}
        else:
            assert route.pricing is Pricing.FREE
    assert len({route.path for route in TABLE}) == len(TABLE)
