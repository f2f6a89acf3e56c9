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
        ("/v1/responses", "responses"),
        ("/api/v1/embeddings", "embeddings"),
        ("/v1/audio/speech", "speech"),
        ("/v1/images/generations", "images"),
        ("/v1/images/edits", "image_edits"),
        ("/v1/images/variations", "image_variations"),
    ],
)
def test_exchanges_are_found(path, request_type) -> None:
    route = find(path)
    assert route is not None
    assert route.request_type == request_type


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/gpt-4o",
        "/v1/models/ft:gpt-4o:acme::a1",
        "/api/v1/models/a/b",
        "/v1/models",
        "/v1beta/models",
        "/v1beta/models/gemini-2.5-flash",
    ],
)
def test_models_are_found_with_any_id(path) -> None:
    route = find(path, "GET")
    assert route is not None
    assert route.serves is Serves.MODELS


@pytest.mark.parametrize("version", ["/v1beta", "/v1", "/api/v1beta", "/api/v1"])
@pytest.mark.parametrize(
    ("action", "request_type"),
    [
        ("generateContent", "generate_content"),
        ("streamGenerateContent", "stream_generate_content"),
        ("countTokens", "count_gemini_tokens"),
        ("embedContent", "embed_content"),
        ("batchEmbedContents", "batch_embed_contents"),
    ],
)
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini/gemini-2.5-flash", "a:b", ""])
def test_geminis_actions_are_found_with_the_model_in_the_path(
    version, action, request_type, model
) -> None:
    path = f"{version}/models/{model}:{action}"
    route = find(path)
    assert route is not None
    assert route.request_type == request_type
    assert route.model_in(path) == model
    assert route.is_streamed is (action == "streamGenerateContent")
    assert route.upstream_path.startswith(version.removeprefix("/api"))


def test_one_path_may_have_a_row_for_each_method() -> None:
    asked, upgraded = find("/v1/responses", "POST"), find("/v1/responses", "GET")
    assert asked is not None
    assert upgraded is not None
    assert (asked.serves, upgraded.serves) == (Serves.EXCHANGE, Serves.UPGRADE)
    assert find("/v1/responses", "PUT") is asked


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/v1/messages/batches",
        "/v1/files",
        "/v1/responses/resp_1",
        "/v1beta",
        "/v1beta/cachedContents",
        "/v1beta/files",
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
    rows = [(method, route.path) for route in TABLE for method in route.methods]
    assert len(set(rows)) == len(rows)
