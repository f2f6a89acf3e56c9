"""Guardrails through sockets: requests, answers and streams are blocked or changed before anybody gets them."""

import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import trio

from core.secrets import Secret
from proxy.bundle import Bundle, GuardrailBinding
from tests.component.proxy.pipeline.site import Site, binding, chat, message, site
from tests.unit.proxy.guarding.streams import MARK, SECRET
from tests.unit.proxy.guarding.streams import chat as chat_stream
from tests.unit.proxy.guarding.streams import gemini as gemini_stream
from tests.unit.proxy.guarding.streams import messages as messages_stream
from tests.unit.proxy.guarding.streams import responses as responses_stream

pytestmark = pytest.mark.trio

SIGNING = Secret("what the questions are signed with")
Answer = Callable[[bytes, dict[bytes, bytes]], Sequence[bytes]]
"""From a request's body and headers to the pieces of the raw answer; an empty one closes the connection."""


def row(type_: str = "secrets", action: str = "block", *directions: str, **more: Any) -> dict:
    given = {
        "id": "guardrail_1",
        "name": "no secrets",
        "type": type_,
        "settings": {},
        "action": action,
        "directions": list(directions or ("request", "response", "stream_chunk")),
        "on_failure": "fail_closed",
        "is_automatic": True,
        "allow_private": True,
    }
    return given | more


class Upstream:
    """A server that answers each POST as a test says, and remembers what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[bytes, dict[bytes, bytes]]] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await self._serve(stream)

    async def _serve(self, stream: trio.SocketStream) -> None:
        buffer = b""
        async with stream:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = await stream.receive_some()
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                pairs = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:]]
                headers = {name.lower(): value for name, value in pairs}
                size = int(headers[b"content-length"])
                while len(buffer) < size:
                    buffer += await stream.receive_some()
                body, buffer = buffer[:size], buffer[size:]
                self.asked.append((body, headers))
                pieces = self.answer(body, headers)
                if not pieces:
                    return
                for piece in pieces:
                    if not piece:
                        return
                    await stream.send_all(piece)
                    await trio.lowlevel.checkpoint()


def sse(events: Sequence[bytes]) -> list[bytes]:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return [head, *(b"%x\r\n%b\r\n" % (len(e), e) for e in events), b"0\r\n\r\n"]


def json_answer(value: Any, more: bytes = b"") -> list[bytes]:
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
    return [head % (more, len(body)) + body]


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[tuple[Upstream, int]]:
    upstream = Upstream(answer)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, upstream.serve, listeners)
        yield upstream, listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def guarded(
    *rows: dict, answer: Answer | None = None, config: dict | None = None
) -> AsyncIterator[tuple[Site, Upstream | None]]:
    """A gateway whose key has these guardrails; with ``answer`` the provider is a scripted one."""
    if answer is None:
        async with site() as here:
            equip(here.keyring.bundle, rows, config)
            yield here, None
        return
    async with listening(answer) as (upstream, port):

        def both(_: int) -> list[Any]:
            bindings = [binding("openai", port, "/v1"), binding("anthropic", port)]
            return [*bindings, binding("gemini", port)]

        async with site(providers=both) as here:
            equip(here.keyring.bundle, rows, config)
            yield here, upstream


def equip(bundle: Bundle, rows: Sequence[dict], config: dict | None) -> None:
    bundle.guardrails = tuple(
        GuardrailBinding(r, SIGNING if r["type"] == "evaluator" else None) for r in rows
    )
    bundle.config = config or {}


DIALECTS = {"openai": ("/v1/chat/completions", chat), "anthropic": ("/v1/messages", message)}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_a_request_with_a_secret_is_blocked_before_anything_is_spent(dialect) -> None:
    path, ask = DIALECTS[dialect]
    body = ask(messages=[{"role": "user", "content": f"use {SECRET}"}])
    async with guarded(row()) as (here, _):
        got = await (await here.post(path, body)).read()
        error = got.json["error"]
        assert (got.status, error["code"]) == (403, "guardrail_blocked")
        assert error["meta"]["guardrail"] == "no secrets"
        assert error["meta"]["found"] == ["API_KEY"]
        assert SECRET not in got.body.decode()
        assert here.fake.record.total == 0
        told = await here.the_settlement()
        assert (told["outcome"], told["cost_nanousd"]) == ("refused", 0)
        assert told["facts"]["guardrails"] == [
            {"id": "guardrail_1", "direction": "request", "verdict": "block"}
        ]
        assert SECRET not in str(here.lines)


async def test_a_request_is_redacted_and_nothing_else_of_it_changes(dialect) -> None:
    path, ask = DIALECTS[dialect]
    body = orjson.dumps(ask(messages=[{"role": "user", "content": f"ü {SECRET}!"}], odd=[1.0]))
    body = b" " + body.replace(b'"odd"', b'\n "odd"')
    async with guarded(row(action="redact")) as (here, _):
        got = await (await here.post(path, body)).read()
        assert got.status == 200
        sent = body.replace(SECRET.encode(), MARK.encode())
        assert here.fake.record.calls[-1].body_sha256 == hashlib.sha256(sent).hexdigest()
        told = await here.the_settlement()
        assert [e["verdict"] for e in told["facts"]["guardrails"]] == ["modify", "pass"]


async def test_a_redacted_request_keeps_what_a_model_signed() -> None:
    signed = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2lnbmVk/+=="}
    turns = [
        {"role": "user", "parts": [{"text": f"use {SECRET}"}]},
        {"role": "model", "parts": [signed]},
    ]
    body = orjson.dumps({"contents": turns})
    async with guarded(row(action="redact"), answer=lambda *_: json_answer({"candidates": []})) as (
        here,
        upstream,
    ):
        path = "/v1beta/models/gemini-2.5-flash:generateContent"
        got = await (await here.post(path, body)).read()
        assert got.status == 200
        assert upstream is not None
        assert upstream.asked[0][0] == body.replace(SECRET.encode(), MARK.encode())


async def test_what_nothing_is_found_in_passes_byte_for_byte(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with guarded(row(), row("pii", "redact", id="guardrail_2")) as (here, _):
        for stream in (False, True):
            got = await (await here.post(path, ask(stream=stream))).read()
            call = here.fake.record.calls[-1]
            assert got.status == 200
            if dialect == "anthropic" or not stream:
                assert hashlib.sha256(got.body).hexdigest() == call.answer_sha256
            assert "x-langwatch-guardrails-not-applied" not in got.headers
        await here.at_rest()
        verdicts = [e["verdict"] for told in here.settled for e in told["facts"]["guardrails"]]
        assert verdicts == ["pass"] * 8


async def test_a_large_request_is_judged_beside_the_others(dialect) -> None:
    path, ask = DIALECTS[dialect]
    text = "word " * 300_000
    async with guarded(row(action="redact")) as (here, _):
        body = orjson.dumps(ask(messages=[{"role": "user", "content": f"{text}{SECRET}"}]))
        got = await (await here.post(path, body)).read()
        assert got.status == 200
        sent = body.replace(SECRET.encode(), MARK.encode())
        assert here.fake.record.calls[-1].body_sha256 == hashlib.sha256(sent).hexdigest()
        here.keyring.bundle.guardrails = (GuardrailBinding(row()),)
        here.gateway.plans.__init__()
        got = await (await here.post(path, body)).read()
        assert (got.status, got.json["error"]["code"]) == (403, "guardrail_blocked")


STREAMS = {
    "chat": ("/v1/chat/completions", chat(stream=True), chat_stream),
    "messages": ("/v1/messages", message(stream=True), messages_stream),
    "responses": (
        "/v1/responses",
        {"model": "gpt-5.1", "input": "hi", "stream": True},
        responses_stream,
    ),
    "gemini": (
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
        gemini_stream,
    ),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("action", ["block", "redact"])
async def test_a_secret_in_a_stream_never_reaches_the_client(name, action) -> None:
    path, body, make = STREAMS[name]
    cuts = iter(range(5, len(SECRET), 13))
    settings = {"window_characters": 96, "overlap_characters": 64}

    def answer(_: bytes, __: dict) -> list[bytes]:
        cut = next(cuts)
        return sse(make([*["word "] * 40, SECRET[:cut], SECRET[cut:], *[" word"] * 40]))

    async with guarded(row(action=action, settings=settings), answer=answer) as (here, _):
        for _ in range(5, len(SECRET), 13):
            sent = await here.post(path, body)
            if action == "redact":
                got = (await sent.read()).body
                assert MARK.encode() in got
            else:
                got = await sent.read_broken()
                assert b"200" in got
                assert got.count(b"word ") > 10
                assert b"stream_chunk_blocked" in got or name == "gemini"
                assert b"guardrail" in got
                assert b"[DONE]" not in got
            assert SECRET[:12].encode() not in got
            assert SECRET[-12:].encode() not in got
        await here.at_rest()
        assert {t["outcome"] for t in here.settled} == (
            {"completed"} if action == "redact" else {"refused"}
        )
        assert all(told["cost_nanousd"] > 0 for told in here.settled) or name == "gemini"


ANSWERS = {
    "openai": {
        "id": "c",
        "model": "gpt-4o-mini",
        "choices": [{"message": {"content": f"It is {SECRET}."}}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49},
    },
    "anthropic": {
        "id": "m",
        "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": f"It is {SECRET}."}],
        "usage": {"input_tokens": 40, "output_tokens": 9},
    },
}


async def test_a_whole_answer_is_blocked_and_still_paid_for(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with guarded(row(), answer=lambda *_: json_answer(ANSWERS[dialect])) as (here, _):
        got = await (await here.post(path, ask())).read()
        assert (got.status, got.json["error"]["code"]) == (403, "guardrail_blocked")
        assert SECRET not in got.body.decode()
        told = await here.the_settlement()
        assert (told["outcome"], told["code"]) == ("refused", "guardrail_blocked")
        assert (told["input_tokens"], told["output_tokens"]) == (40, 9)
        assert told["cost_nanousd"] > 0
        await here.at_rest()
        assert here.limit.current.unacked == told["cost_nanousd"]


async def test_a_whole_answer_is_redacted_and_nothing_else_of_it_changes(dialect) -> None:
    path, ask = DIALECTS[dialect]
    whole = orjson.dumps(ANSWERS[dialect])
    async with guarded(row(action="redact"), answer=lambda *_: json_answer(whole)) as (here, _):
        got = await (await here.post(path, ask())).read()
        assert got.status == 200
        assert got.body == whole.replace(SECRET.encode(), MARK.encode())


async def test_an_error_of_the_provider_is_not_an_answer_to_judge(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with guarded(row("keywords", settings={"keywords": ["error"]})) as (here, _):
        got = await (await here.post(path, ask(), x_fake_behaviour="status=404")).read()
        assert got.status == 404


@pytest.mark.parametrize("on_failure", ["fail_closed", "fail_open"])
async def test_an_answer_in_a_coding_that_cannot_be_read(dialect, on_failure) -> None:
    path, ask = DIALECTS[dialect]
    packed = json_answer(b"\x1b\x00packed", b"content-encoding: br\r\n")
    guard = row("secrets", "block", "response", on_failure=on_failure)
    async with guarded(guard, answer=lambda *_: packed) as (here, _):
        got = await (await here.post(path, ask())).read()
        told = await here.the_settlement()
        (entry,) = told["facts"]["guardrails"]
        assert entry["verdict"] == "not_evaluated"
        if on_failure == "fail_closed":
            assert (got.status, got.json["error"]["code"]) == (403, "guardrail_blocked")
            return
        assert got.status == 200
        note = got.headers["x-langwatch-guardrails-not-applied"]
        assert note == "guardrail_1:content_coding"


async def test_a_guardrail_that_a_key_does_not_name_does_not_look(dialect) -> None:
    path, ask = DIALECTS[dialect]
    body = ask(messages=[{"role": "user", "content": SECRET}])
    named = row("secrets", "block", "request", is_automatic=False)
    async with guarded(named) as (here, _):
        assert (await (await here.post(path, body)).read()).status == 200
    config = {"guardrails": {"request": ["guardrail_1", "guardrail_gone"]}}
    async with guarded(named, config=config) as (here, _):
        assert (await (await here.post(path, body)).read()).status == 403


async def test_whoever_streams_does_not_get_past_a_guardrail_on_answers() -> None:
    whole = sse(chat_stream([SECRET]))
    async with guarded(row("secrets", "block", "response"), answer=lambda *_: whole) as (here, _):
        got = await (await here.post("/v1/chat/completions", chat(stream=True))).read_broken()
        assert b"stream_chunk_blocked" in got
        assert SECRET[:12].encode() not in got


async def test_a_stream_that_breaks_off_ends_broken_and_without_what_was_not_judged() -> None:
    torn = [*sse(chat_stream([*["word "] * 300, SECRET]))[:-4], b""]
    async with guarded(row(), answer=lambda *_: torn) as (here, _):
        sent = await here.post("/v1/chat/completions", chat(stream=True))
        got = await sent.read_broken()
        assert got.count(b"word ") > 10
        assert SECRET[:12].encode() not in got
        told = await here.the_settlement()
        assert told["outcome"] == "truncated"


def evaluator(port: int, *directions: str, **more: Any) -> dict:
    settings = {"url": f"http://127.0.0.1:{port}/check?v=1", "timeout_ms": 500}
    return row("evaluator", "redact", *directions, settings=settings, **more)


def verdict(**told: Any) -> list[bytes]:
    return json_answer(told)


async def test_an_evaluator_is_asked_signed_and_its_word_counts(dialect) -> None:
    path, ask = DIALECTS[dialect]

    def judge(body: bytes, headers: dict[bytes, bytes]) -> list[bytes]:
        signed = headers[b"x-langwatch-timestamp"] + b"." + body
        made = hmac.digest(SIGNING.reveal().encode(), signed, "sha256").hex()
        assert headers[b"x-langwatch-signature"] == b"v1=" + made.encode()
        texts = [t["text"] for t in orjson.loads(body)["texts"]]
        if "forbidden" in str(texts):
            return verdict(decision="block", reason="not here")
        if "hello" in str(texts):
            return verdict(decision="modify", texts=[t.replace("hello", "good day") for t in texts])
        return verdict(decision="allow")

    async with listening(judge) as (asked, port), guarded(evaluator(port, "request")) as (here, _):
        got = await (await here.post(path, ask())).read()
        assert got.status == 200
        sent = orjson.dumps(ask()).replace(b"hello", b"good day")
        assert here.fake.record.calls[-1].body_sha256 == hashlib.sha256(sent).hexdigest()
        question = orjson.loads(asked.asked[0][0])
        assert question["texts"] == [{"at": "messages[0].content", "text": "hello"}]
        assert question["direction"] == "request"
        assert (question["virtual_key_id"], question["model"]) == ("vk_1", ask()["model"])
        body = ask(messages=[{"role": "user", "content": "forbidden"}])
        got = await (await here.post(path, body)).read()
        assert (got.status, got.json["error"]["code"]) == (403, "guardrail_blocked")
        assert "not here" in got.json["error"]["message"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda *_: [], "unreachable"),
        (lambda *_: [b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"], "status"),
        (lambda *_: json_answer(b"nonsense"), "bad_answer"),
        (lambda *_: verdict(decision="modify", texts=["a", "b", "c"]), "bad_answer"),
        (lambda *_: [b"HTTP/1.1 200 OK\r\n"], "timeout"),
    ],
)
async def test_an_evaluator_that_does_not_answer_fails_as_the_guardrail_says(
    answer, reason
) -> None:
    async with listening(answer) as (_, port):
        async with guarded(evaluator(port, "request")) as (here, _):
            got = await (await here.post("/v1/messages", message())).read()
            error = got.json["error"]
            assert (got.status, error["code"]) == (503, "guardrail_upstream_unavailable")
            assert reason in error["message"]
            assert here.fake.record.total == 0
        async with guarded(evaluator(port, "request", on_failure="fail_open")) as (here, _):
            got = await (await here.post("/v1/messages", message())).read()
            assert got.status == 200
            note = f"guardrail_1:{reason}"
            assert got.headers["x-langwatch-guardrails-not-applied"] == note
            told = await here.the_settlement()
            assert told["facts"]["guardrails"][0]["verdict"] == "error"


async def test_an_evaluator_judges_windows_of_a_stream_and_whole_answers() -> None:
    def judge(body: bytes, _: dict) -> list[bytes]:
        texts = [t["text"] for t in orjson.loads(body)["texts"]]
        if not any("badword" in t for t in texts):
            return verdict(decision="allow")
        return verdict(decision="modify", texts=[t.replace("badword", "****") for t in texts])

    made = chat_stream(["fine " * 250, "bad", "word", " and more " * 200])

    def answer(body: bytes, _: dict) -> list[bytes]:
        if orjson.loads(body).get("stream"):
            return sse(made)
        return json_answer({"choices": [{"message": {"content": "a badword"}}]})

    async with listening(judge) as (asked, port):
        guard = evaluator(port, "response", "stream_chunk")
        async with guarded(guard, answer=answer) as (here, _):
            got = await (await here.post("/v1/chat/completions", chat(stream=True))).read()
            parts = ["fine " * 250, "****", "", " and more " * 200]
            assert got.body == b"".join(chat_stream(parts))
            assert len(asked.asked) >= 2
            got = await (await here.post("/v1/chat/completions", chat())).read()
            assert got.json["choices"][0]["message"]["content"] == "a ****"


async def test_a_guardrail_with_settings_that_are_not_right_fails_closed() -> None:
    async with guarded(row("regex", settings={"patterns": ["("]})) as (here, _):
        got = await (await here.post("/v1/messages", message())).read()
        assert (got.status, got.json["error"]["code"]) == (503, "guardrail_upstream_unavailable")


@pytest.mark.parametrize("action", ["block", "redact"])
async def test_a_translated_stream_is_judged_in_the_dialect_of_the_client(action) -> None:
    made = sse(messages_stream([*["word "] * 80, SECRET[:9], SECRET[9:], *[" word"] * 80]))
    async with listening(lambda *_: made) as (_, port):
        only = lambda _: [binding("anthropic", port)]  # noqa: E731 - the providers of this key
        async with site(providers=only) as here:
            equip(here.keyring.bundle, [row(action=action)], None)
            sent = await here.post("/v1/chat/completions", chat("claude-haiku-4-5", stream=True))
            if action == "redact":
                got = (await sent.read()).body
                assert MARK.encode() in got
                assert got.endswith(b"data: [DONE]\n\n")
            else:
                got = await sent.read_broken()
                assert b"stream_chunk_blocked" in got
                assert got.count(b"word ") > 10
            assert b"chat.completion.chunk" in got
            assert SECRET[:12].encode() not in got
            assert SECRET[-12:].encode() not in got


async def test_a_translated_answer_is_judged_in_the_dialect_of_the_client() -> None:
    whole = ANSWERS["anthropic"] | {
        "type": "message",
        "role": "assistant",
        "stop_reason": "end_turn",
    }
    async with (
        listening(lambda *_: json_answer(whole)) as (_, port),
        site(providers=lambda _: [binding("anthropic", port)]) as here,
    ):
        equip(here.keyring.bundle, [row(action="redact")], None)
        got = await (await here.post("/v1/chat/completions", chat("claude-haiku-4-5"))).read()
        assert got.json["choices"][0]["message"]["content"] == f"It is {MARK}."
