"""Every API that is not chat or messages: bytes pass, usage and units are booked, ends are told apart."""

import gzip
import hashlib
import json
from typing import Any

import pytest
import zstandard

from proxy.bundle import ProviderBinding
from tests.component.proxy.pipeline.site import (
    GEMINI_KEY,
    KEY,
    OPENAI_KEY,
    Exchange,
    ask,
    binding,
    chat,
    request,
    settings_for,
    site,
)
from tests.component.proxy.transport.peers import until

pytestmark = pytest.mark.trio

SSE = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
ARRAY = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
CONTENTS: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
RESPONSE: dict[str, Any] = {"model": "gpt-5.1", "input": "hello"}
FORM = {"content-type": "multipart/form-data; boundary=XX"}


def three(port: int) -> list[ProviderBinding]:
    return [
        binding("openai", port, "/v1"),
        binding("anthropic", port),
        binding("gemini", port, "/v1beta"),
    ]


def form(model: str, stream: bool = False) -> bytes:
    parts = [
        b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\nRIFF\x00\xff\r\n--X",
        b'Content-Disposition: form-data; name="model"\r\n\r\n' + model.encode(),
    ]
    if stream:
        parts.append(b'Content-Disposition: form-data; name="stream"\r\n\r\ntrue')
    return b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + b"--XX--\r\n"


CALLS: dict[str, tuple[str, Any, dict[str, str]]] = {
    "responses": ("/v1/responses", RESPONSE, {}),
    "completions": ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "x"}, {}),
    "embeddings": ("/v1/embeddings", {"model": "text-embedding-3-small", "input": ["x"]}, {}),
    "images": ("/v1/images/generations", {"model": "gpt-image-1", "prompt": "x"}, {}),
    "transcriptions": ("/v1/audio/transcriptions", form("gpt-4o-transcribe"), FORM),
    "generate_content": ("/v1beta/models/gemini-2.5-flash:generateContent", CONTENTS, {}),
    "generate_content v1": ("/v1/models/gemini-2.5-flash:generateContent", CONTENTS, {}),
    "embed_content": (
        "/v1beta/models/gemini-embedding-001:embedContent",
        {"content": {"parts": [{"text": "x"}]}},
        {},
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_plain_call_passes_unaltered_and_is_booked(name) -> None:
    path, body, headers = CALLS[name]
    async with site(providers=three) as here:
        script = "prompt=40,completion=9,cached=25,reasoning=4"
        got = await (await here.post(path, body, x_fake_behaviour=script, **headers)).read()
        assert got.status == 200
        call = here.fake.record.calls[-1]
        data = body if isinstance(body, bytes) else request(path, body).partition(b"\r\n\r\n")[2]
        assert call.body_sha256 == hashlib.sha256(data).hexdigest()
        assert hashlib.sha256(got.body).hexdigest() == call.answer_sha256
        assert call.target == path
        seen = {header.lower(): value for header, value in call.headers}
        own = GEMINI_KEY if ":" in path else f"Bearer {OPENAI_KEY}"
        assert seen["x-goog-api-key" if ":" in path else "authorization"] == own
        assert KEY not in str(call.headers)
        told = await here.the_settlement()
        knows_cache = name in ("responses", "completions") or name.startswith("generate")
        generates = "embed" not in name
        assert told["input_tokens"] == (15 if knows_cache else 40)
        assert told["cache_read_tokens"] == (25 if knows_cache else 0)
        assert told["output_tokens"] == (9 if generates else 0)
        assert told["is_estimated"] is False
        assert told["cost_nanousd"] > 0
        assert told["price_source"].startswith("genai-prices")
        admitted = next(n for n in here.lines if n["command"] == "admitSpend")["payload"]
        assert admitted["request_type"] == name.partition(" ")[0]
        await here.at_rest()


@pytest.mark.parametrize("shape", ["chunks=12,split=15+80", "split_every=7", "merge=3,thinking"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {**RESPONSE, "stream": True}),
        (SSE, CONTENTS),
        (ARRAY, CONTENTS),
        (ARRAY.replace("/v1beta/", "/v1/"), CONTENTS),
    ],
    ids=["responses", "gemini events", "gemini array", "gemini array v1"],
)
async def test_a_stream_passes_byte_for_byte_and_is_booked(path, body, shape) -> None:
    async with site(providers=three) as here:
        script = f"{shape},prompt=40,completion=9,cached=25,gap_ms=0"
        got = await (await here.post(path, body, x_fake_behaviour=script)).read()
        assert hashlib.sha256(got.body).hexdigest() == here.fake.record.calls[-1].answer_sha256
        told = await here.the_settlement()
        assert (told["outcome"], told["is_estimated"]) == ("completed", False)
        assert (told["input_tokens"], told["output_tokens"]) == (15, 9)
        assert told["cache_read_tokens"] == 25
        await here.at_rest()


@pytest.mark.parametrize("script", ["reset_after=4", "cut_after=4", "end_after=4", "hang_after=4"])
@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/responses", {**RESPONSE, "stream": True}), (SSE, CONTENTS), (ARRAY, CONTENTS)],
    ids=["responses", "gemini events", "gemini array"],
)
async def test_a_torn_stream_ends_with_the_apis_own_error_and_broken(path, body, script) -> None:
    impatient = settings_for(LANGWATCH_UPSTREAM_IDLE_SECONDS=0.2)
    async with site(impatient, three) as here:
        sent = await here.post(path, body, x_fake_behaviour=f"{script},delay_ms=5")
        data = await sent.read_broken()
        assert b"upstream_" in data
        if path == ARRAY:
            body_text = unchunked(data)
            told = json.loads(body_text)[-1]
        elif path == SSE:
            told = json.loads(data.rpartition(b"data: ")[2].partition(b"\n\n")[0])
        if path != "/v1/responses":
            assert told["error"]["status"] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
            assert isinstance(told["error"]["code"], int)
        else:
            assert b"event: error\ndata: " in data
            assert b"event: response.failed\ndata: " in data
        end = await here.the_settlement()
        assert (end["outcome"], end["is_estimated"]) == ("truncated", True)
        assert end["cost_nanousd"] > 0
        await here.at_rest()


def unchunked(data: bytes) -> bytes:
    """The body of what came, without the framing of its chunks."""
    rest, body = data.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


async def test_a_response_that_failed_is_told_whole_and_booked_as_failed() -> None:
    async with site(providers=three) as here:
        body = {**RESPONSE, "stream": True}
        got = await (
            await here.post("/v1/responses", body, x_fake_behaviour="error_after=4")
        ).read()
        assert b"response.failed" in got.body
        told = await here.the_settlement()
        assert (told["outcome"], told["code"]) == ("failed", "server_error")


async def test_a_client_that_leaves_behind_the_terminal_event_has_completed() -> None:
    async with site(providers=three) as here:
        client = await here.front.connect()
        body = {**RESPONSE, "stream": True}
        script = "chunks=3,prompt=40,completion=9"
        await client.send(request("/v1/responses", body, x_fake_behaviour=script))
        await client.until(b"event: response.completed")
        await client.until(b"\n\n")
        await client.stream.aclose()
        told = await here.the_settlement()
        assert (told["outcome"], told["output_tokens"]) == ("completed", 9)


@pytest.mark.parametrize(
    ("path", "body", "headers", "units", "cost"),
    [
        (
            "/v1/audio/speech",
            {"model": "tts-1", "input": "grüezi 🦉", "voice": "alloy"},
            {},
            {"characters": 8},
            8 * 15_000,
        ),
        (
            "/v1/audio/transcriptions",
            form("whisper-1"),
            FORM,
            {"seconds": 40},
            40 * 100_000,
        ),
    ],
)
async def test_what_is_billed_by_the_piece_is_booked_by_the_piece(
    path, body, headers, units, cost
) -> None:
    async with site(providers=three) as here:
        got = await (await here.post(path, body, x_fake_behaviour="prompt=40", **headers)).read()
        assert got.status == 200
        told = await here.the_settlement()
        assert told["facts"]["units"] == units
        assert told["cost_nanousd"] == cost
        assert (told["input_tokens"], told["output_tokens"]) == (0, 0)
        assert told["is_estimated"] is False
        await here.at_rest()


@pytest.mark.parametrize("streamed", [False, True])
async def test_speech_by_tokens_is_estimated_unless_its_stream_tells(streamed) -> None:
    body = {"model": "gpt-4o-mini-tts", "input": "x" * 300, "voice": "alloy"}
    if streamed:
        body["stream_format"] = "sse"
    async with site(providers=three) as here:
        script = "prompt=70,completion=400"
        got = await (await here.post("/v1/audio/speech", body, x_fake_behaviour=script)).read()
        assert hashlib.sha256(got.body).hexdigest() == here.fake.record.calls[-1].answer_sha256
        told = await here.the_settlement()
        assert told["is_estimated"] is not streamed
        assert told["output_tokens"] == (400 if streamed else 401)


async def test_a_picture_without_a_price_is_marked_unpriced() -> None:
    body = {"model": "dall-e-3", "prompt": "a quiet pond"}
    async with site(providers=three) as here:
        got = await (await here.post("/v1/images/generations", body)).read()
        assert got.status == 200
        told = await here.the_settlement()
        assert (told["price_source"], told["cost_nanousd"]) == ("unpriced", 0)


def pictures(model: str, count: int, *more: tuple[str, str]) -> bytes:
    """A form with pictures, as the vendor's SDK makes one: each bears the same name."""
    head = b'Content-Disposition: form-data; name="%b"'
    parts = [
        b'%b; filename="%d.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n'
        % (head % b"image[]", number)
        for number in range(count)
    ]
    named = ("model", model), *more
    parts += [head % n.encode() + b"\r\n\r\n" + v.encode() for n, v in named if v]
    return b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + b"--XX--\r\n"


async def test_pictures_are_edited_and_varied_by_forms_and_priced_or_marked_unpriced() -> None:
    edits, variations = "/v1/images/edits", "/v1/images/variations"
    async with site(providers=three) as here:
        here.keyring.bundle.config = {"model_aliases": {"painter": "openai/gpt-image-1"}}
        sent = pictures("painter", 3, ("prompt", "more sky"), ("n", "2"))
        script = "prompt=40,completion=9"
        got = await (await here.post(edits, sent, x_fake_behaviour=script, **FORM)).read()
        assert (got.status, got.headers["x-langwatch-model"]) == (200, "gpt-image-1")
        passed = sent.replace(b"painter", b"gpt-image-1")
        call = here.fake.record.calls[-1]
        assert call.body_sha256 == hashlib.sha256(passed).hexdigest()
        assert call.target == edits
        got = await (await here.post(variations, pictures("dall-e-2", 1), **FORM)).read()
        assert got.status == 200
        streamed = pictures("gpt-image-1", 1, ("prompt", "x"), ("stream", "true"))
        got = await (await here.post(edits, streamed, x_fake_behaviour=script, **FORM)).read()
        assert got.headers["content-type"].startswith("text/event-stream")
        await until(lambda: len(here.settled) == 3)
        edited, varied, flowing = here.settled
        assert (edited["input_tokens"], edited["output_tokens"]) == (40, 9)
        assert edited["price_source"].startswith("genai-prices")
        assert (varied["price_source"], varied["cost_nanousd"]) == ("unpriced", 0)
        assert (flowing["outcome"], flowing["output_tokens"]) == ("completed", 9)
        for body, code in ((pictures("", 1), "missing_model"), (b"{}", "bad_request")):
            got = await (await here.post(edits, body, **FORM)).read()
            assert (got.status, got.json["error"]["code"]) == (400, code)
        doubled = pictures("gpt-image-1", 1, ("model", "dall-e-2"))
        got = await (await here.post(edits, doubled, **FORM)).read()
        assert got.status == 400, "two models in one form"
        assert here.fake.record.total == 3


async def test_a_budget_that_takes_no_unpriced_model_takes_no_unpriced_picture() -> None:
    body = {"model": "dall-e-3", "prompt": "a quiet pond"}
    async with site(providers=three, on_unpriced="refuse") as here:
        got = await (await here.post("/v1/images/generations", body)).read()
        assert (got.status, got.json["error"]["code"]) == (402, "model_unpriced")
        assert len(here.fake.record.calls) == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/moderations", {"input": "x"}),
        ("/v1/responses/input_tokens", RESPONSE),
        ("/v1beta/models/gemini-2.5-flash:countTokens", CONTENTS),
    ],
)
async def test_free_calls_cost_nothing_and_pass_a_spent_budget(path, body) -> None:
    async with site(providers=three, leased_nanousd=0, limit_nanousd=1) as here:
        got = await (await here.post(path, body)).read()
        assert got.status == 200
        told = await here.the_settlement()
        assert (told["cost_nanousd"], told["price_source"]) == (0, "free")


@pytest.mark.parametrize(
    ("path", "body", "headers", "target"),
    [
        (
            "/v1/audio/transcriptions",
            form("openai/whisper-1"),
            FORM,
            b'name="model"\r\n\r\nwhisper-1\r\n',
        ),
        (
            "/v1beta/models/gemini/gemini-embedding-001:embedContent",
            {"model": "models/gemini/gemini-embedding-001", "content": {"parts": [{"text": "x"}]}},
            {},
            b'"model":"models/gemini-embedding-001"',
        ),
    ],
)
async def test_a_named_provider_is_taken_out_of_the_model_wherever_it_stands(
    path, body, headers, target
) -> None:
    async with site(providers=three) as here:
        got = await (await here.post(path, body, **headers)).read()
        assert got.status == 200
        call = here.fake.record.calls[-1]
        assert "gemini/gemini" not in call.target
        assert target.decode() in (call.body or "")


async def test_a_models_name_cannot_lead_to_another_address() -> None:
    async with site(providers=three) as here:
        path = "/v1beta/models/gemini%2F..%2F..%2Fx%3Fy%23:generateContent"
        await (await here.post(path, CONTENTS)).read()
        assert (
            here.fake.record.calls[-1].target == "/v1beta/models/..%2F..%2Fx%3Fy%23:generateContent"
        )


@pytest.mark.parametrize("name", ["key", "%6bey"])
async def test_a_key_in_the_query_is_taken_and_goes_no_further(name) -> None:
    async with site(providers=three) as here:
        path = f"{ARRAY}?{name}={KEY}&alt=sse&%24prettyPrint=1"
        got = await (await here.post(path, CONTENTS, authorization="")).read()
        assert got.status == 200
        call = here.fake.record.calls[-1]
        assert call.target == f"{ARRAY}?alt=sse&%24prettyPrint=1"
        assert KEY not in str(call.headers)
        wrong = await (
            await here.post(f"{ARRAY}?{name}=nonsense", CONTENTS, authorization="")
        ).read()
        assert (wrong.status, wrong.json["error"]["status"]) == (401, "UNAUTHENTICATED")


async def test_gemini_is_refused_in_googles_form() -> None:
    async with site(providers=three) as here:
        got = await (await here.post(SSE, CONTENTS, authorization="")).read()
        error = got.json["error"]
        assert (error["code"], error["status"], error["type"]) == (
            401,
            "UNAUTHENTICATED",
            "missing_api_key",
        )
        assert error["details"][0]["reason"] == "MISSING_API_KEY"
        assert got.headers["x-should-retry"] == "false"
        lost = await ask(here, "GET", "/v1beta/nowhere", authorization=f"Bearer {KEY}")
        assert (lost.status, lost.json["error"]["status"]) == (404, "NOT_FOUND")


async def test_models_are_listed_in_googles_form_with_pages() -> None:
    async with site(providers=three) as here:
        got = await ask(here, "GET", "/v1beta/models?pageSize=2", x_goog_api_key=KEY)
        first = got.json
        assert len(first["models"]) == 2
        token = first["nextPageToken"].replace("/", "%2F").replace("*", "%2A")
        rest = await ask(here, "GET", f"/v1beta/models?pageToken={token}&key={KEY}")
        names = [row["name"] for row in first["models"] + rest.json["models"]]
        assert names == sorted(set(names))
        assert "models/gemini-2.5-flash" in names
        one = await ask(here, "GET", "/v1beta/models/gemini-embedding-001", x_goog_api_key=KEY)
        assert one.json["supportedGenerationMethods"] == ["embedContent", "batchEmbedContents"]
        by_header = await ask(here, "GET", "/v1/models", x_goog_api_key=KEY)
        assert by_header.json["models"]


@pytest.mark.parametrize("model", ["gpt-5.1", "sandbox-small"])
async def test_background_responses_are_refused(model) -> None:
    async with site(providers=three) as here:
        body = {"model": model, "input": "x", "background": True}
        got = await (await here.post("/v1/responses", body)).read()
        assert (got.status, got.json["error"]["code"]) == (400, "bad_request")
        assert "background" in got.json["error"]["message"]


def zstd(data: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


async def test_a_body_in_zstd_is_taken() -> None:
    body = json.dumps(chat()).encode()
    async with site() as here:
        frames = zstd(body[:20]) + zstd(body[20:])
        for coded in (zstd(body), zstd(body, write_content_size=False), frames):
            got = await (
                await here.post("/v1/chat/completions", coded, content_encoding="zstd")
            ).read()
            assert got.status == 200
            call = here.fake.record.calls[-1]
            assert call.body_sha256 == hashlib.sha256(body).hexdigest()
            assert "content-encoding" not in {name.lower() for name, _ in call.headers}


async def test_a_zstd_bomb_is_refused_and_a_broken_frame_too() -> None:
    small = settings_for(SERVER_MAX_REQUEST_BODY_BYTES=100_000)
    async with site(small) as here:

        async def post(coded: bytes) -> Exchange:
            sent = await here.post("/v1/chat/completions", coded, content_encoding="zstd")
            return await sent.read()

        assert (await post(zstd(b" " * 50_000_000))).status == 413
        liar = zstandard.ZstdCompressor().compressobj(size=50).compress(b"x" * 50)
        assert (await post(liar)).status == 400
        for broken in (zstd(b"{}")[:-1], b"nonsense", gzip.compress(b"{}"), zstd(b"{}") + b"rest"):
            got = await post(broken)
            assert (got.status, got.json["error"]["code"]) == (400, "bad_request")


SANDBOXED = {
    "responses": ("/v1/responses", {"model": "sandbox-small", "input": "hello"}),
    "completions": ("/v1/completions", {"model": "sandbox-small", "prompt": "hello"}),
    "embeddings": ("/v1/embeddings", {"model": "sandbox-small", "input": ["a", "b"]}),
    "gemini": ("/v1beta/models/sandbox-small:generateContent", CONTENTS),
    "gemini array": ("/v1beta/models/sandbox-small:streamGenerateContent", CONTENTS),
    "gemini events": ("/v1beta/models/sandbox-small:streamGenerateContent?alt=sse", CONTENTS),
    "gemini count": ("/v1beta/models/sandbox-small:countTokens", CONTENTS),
    "gemini embedding": (
        "/v1beta/models/sandbox-small:embedContent",
        {"content": {"parts": [{"text": "x"}]}},
    ),
    "responses count": (
        "/v1/responses/input_tokens",
        {"model": "sandbox-small", "input": "hello"},
    ),
}


@pytest.mark.parametrize("name", SANDBOXED)
async def test_the_sandbox_answers_in_every_api(name) -> None:
    path, body = SANDBOXED[name]
    async with site(providers=lambda _: [binding("sandbox", 0)]) as here:
        got = await (await here.post(path, body)).read()
        assert got.status == 200
        if name in ("responses", "completions") or ("embed" not in name and "count" not in name):
            assert b"[sandbox]" in got.body
        told = await here.the_settlement()
        assert (told["outcome"], told["is_estimated"]) == ("completed", False)
        if "count" not in name:
            assert told["cost_nanousd"] > 0
        await here.at_rest()


@pytest.mark.parametrize("name", ["responses", "completions"])
async def test_the_sandbox_streams_in_every_api(name) -> None:
    path, body = SANDBOXED[name]
    async with site(providers=lambda _: [binding("sandbox", 0)]) as here:
        got = await (await here.post(path, {**body, "stream": True})).read()
        assert got.headers["content-type"].startswith("text/event-stream")
        assert (await here.the_settlement())["outcome"] == "completed"
