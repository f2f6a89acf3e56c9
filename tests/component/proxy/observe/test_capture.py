"""Prompts and answers beside the relay: kept as the key says and in no other case; attribution of calls."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
import trio

from proxy import capture
from rules.captured_parts import without_hidden
from rules.cleaning import Cleaner
from rules.privacy import INPUT, MODES, NOTHING_DROPPED, PLACEHOLDER, SYSTEM, TOOL_CALLS, Privacy
from tests.component.proxy.pipeline.site import Site, chat, message, site

pytestmark = pytest.mark.trio
CANARY = "canary-in-the-prompt-2718281828"
SECRET = "sk-ant-api03-" + "Ab3" * 20
CALLS = [
    ("/v1/chat/completions", chat, {}),
    ("/v1/chat/completions", chat, {"stream": True}),
    ("/v1/messages", message, {}),
    ("/v1/messages", message, {"stream": True}),
]


def keep(
    here: Site, mode: str, is_traced: bool = False, privacy: Privacy = NOTHING_DROPPED
) -> None:
    """Let the one key keep what the mode says and privacy leaves."""
    old = here.keyring.bundle
    changed = {"capture": mode, "is_traced": is_traced, "privacy": Cleaner(privacy)}
    here.keyring.bundle = replace(old, **changed)


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def contents(here: Site) -> list[dict[str, Any]]:
    await here.at_rest()
    await here.gateway.captures.flush(here.gateway.spool)
    return [line["payload"] for line in here.lines if line["command"] == "captureContent"]


@pytest.mark.parametrize("mode", ["none", "metadata"])
@pytest.mark.parametrize(("path", "body", "more"), CALLS)
async def test_without_a_mode_that_keeps_content_nothing_of_it_is_anywhere(
    mode, path, body, more
) -> None:
    async with site() as here:
        keep(here, mode, is_traced=True)
        await (await here.post(path, body(messages=said(CANARY), **more))).read()
        assert await contents(here) == []
        settled = await here.the_settlement()
        assert settled["facts"].get("capture") == (None if mode == "none" else mode)
        spool = b"".join(p.read_bytes() for p in here.spool_dir.iterdir())
        assert CANARY.encode() not in spool
        assert here.gateway.captures._used_bytes == 0


@pytest.mark.parametrize("mode", ["redacted", "raw"])
@pytest.mark.parametrize(("path", "body", "more"), CALLS)
async def test_question_and_answer_are_kept_and_secrets_are_not_unless_asked_for(
    mode, path, body, more
) -> None:
    async with site() as here:
        keep(here, mode)
        text = f"{CANARY} {SECRET}"
        got = await (await here.post(path, body(messages=said(text), **more))).read()
        assert got.status == 200
        [kept] = await contents(here)
        settled = await here.the_settlement()
        assert kept["call_id"] == settled["call_id"]
        assert (kept["mode"], settled["facts"]["capture"]) == (mode, mode)
        assert CANARY in kept["input_messages"]
        assert (SECRET in kept["input_messages"]) is (mode == "raw")
        [answered] = orjson.loads(kept["output_messages"])
        assert answered["role"] == "assistant"
        assert answered["parts"][0]["content"]
        assert here.gateway.captures._used_bytes == 0
        ledger = [line for line in here.lines if line["command"] != "captureContent"]
        assert CANARY.encode() not in orjson.dumps(ledger), "the ledger itself holds none"


@pytest.mark.parametrize(
    ("mode", "said_of", "is_there"),
    [
        ("redacted", "", False),
        ("redacted", "keep", True),
        ("redacted", "redact", False),
        ("raw", "", True),
        ("raw", "redact", False),
    ],
)
async def test_personal_data_is_kept_as_the_mode_and_the_rules_say(mode, said_of, is_there) -> None:
    async with site() as here:
        keep(here, mode, privacy=Privacy(personal_data=said_of))
        body = chat(messages=said(f"{CANARY} jo@acme.test {SECRET}"))
        await (await here.post("/v1/chat/completions", body)).read()
        [kept] = await contents(here)
        assert ("jo@acme.test" in kept["input_messages"]) is is_there
        assert (SECRET in kept["input_messages"]) is (mode == "raw")


async def test_a_refused_call_keeps_its_question() -> None:
    async with site() as here:
        keep(here, "redacted")
        body = chat(model="gemini/pro", messages=said(CANARY))
        assert (await (await here.post("/v1/chat/completions", body)).read()).status == 400
        [kept] = await contents(here)
        assert CANARY in kept["input_messages"]
        assert kept["output_messages"] == ""


async def test_a_client_that_leaves_keeps_what_it_was_sent() -> None:
    async with site() as here:
        keep(here, "redacted")
        sent = await here.post(
            "/v1/chat/completions", chat(stream=True), x_fake_behaviour="chunks=50,delay_ms=5"
        )
        await sent.client.until(b"data: ")
        await sent.client.stream.aclose()
        await here.the_settlement()
        [kept] = await contents(here)
        assert kept["mode"] == "redacted"
        assert "assistant" in kept["output_messages"]


async def test_what_is_too_large_is_counted_and_only_its_metadata_kept(monkeypatch) -> None:
    monkeypatch.setattr(capture, "MAX_MESSAGE_BYTES", 4096)
    async with site() as here:
        keep(here, "raw")
        sent = await here.post(
            "/v1/chat/completions", chat(messages=said(CANARY)), x_fake_behaviour="body_bytes=9000"
        )
        got = await sent.read()
        assert (got.status, len(got.body) > 9000) == (200, True), "the client is not concerned"
        [kept] = await contents(here)
        assert (kept["mode"], kept["input_messages"]) == ("metadata", "")
        assert here.gateway.metrics.counters["gateway_capture_dropped_total"] == {("size",): 1}
        assert here.gateway.captures._used_bytes == 0


async def test_a_worker_keeps_no_more_than_its_room(monkeypatch) -> None:
    monkeypatch.setattr(capture, "MAX_WAITING_BYTES", 1500)
    async with site() as here:
        keep(here, "raw")
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                sent = await here.post("/v1/chat/completions", chat(messages=said("x" * 400)))
                nursery.start_soon(sent.read)
        kept = await contents(here)
        assert len(kept) == 6
        assert {k["mode"] for k in kept} == {"metadata", "raw"}
        assert here.gateway.captures._used_bytes == 0


async def test_redaction_that_fails_keeps_metadata_only(caplog) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("no detector")

    async with site() as here:
        keep(here, "redacted")
        here.gateway.captures._redact = broken
        await (await here.post("/v1/chat/completions", chat(messages=said(CANARY)))).read()
        [kept] = await contents(here)
        assert (kept["mode"], kept["input_messages"], kept["output_messages"]) == (
            "metadata",
            "",
            "",
        )
        assert "capture_not_redacted" in caplog.text
        assert CANARY not in caplog.text


async def test_a_traced_call_notes_what_its_span_says_and_another_notes_nothing() -> None:
    body = chat(temperature=0.5, max_tokens=7, stop=["END"], seed=None, messages=said(CANARY))
    async with site() as here:
        await (await here.post("/v1/chat/completions", body)).read()
        assert "facts" not in (await here.the_settlement())
    async with site() as here:
        keep(here, "none", is_traced=True)
        await (await here.post("/v1/chat/completions", body)).read()
        facts = (await here.the_settlement())["facts"]
        assert facts["request"] == {"temperature": 0.5, "max_tokens": 7, "stop_sequences": ["END"]}
        assert facts["answer_id"]
        assert CANARY not in str(facts)


async def test_on_whose_behalf_a_call_is_made_is_noted_and_never_forwarded() -> None:
    async with site() as here:
        sent = await here.post(
            "/v1/chat/completions",
            chat(),
            x_langwatch_end_user_id="user-7" + "x" * 400,
            x_langwatch_thread_id="thread-1",
            x_langwatch_metadata='{"team":"blue"}',
        )
        assert (await sent.read()).status == 200
        facts = (await here.the_settlement())["facts"]
        assert facts["end_user"].startswith("user-7x")
        assert len(facts["end_user"]) == 256
        assert (facts["thread_id"], facts["metadata"]) == ("thread-1", '{"team":"blue"}')
        [seen] = here.fake.record.calls
        assert not [name for name, _ in seen.headers if name.lower().startswith("x-langwatch")]


@pytest.mark.parametrize("metadata", ["[1]", "{", '"x"', '{"a":"' + "b" * 5000 + '"}'])
async def test_malformed_metadata_is_left_out_and_refuses_nothing(metadata) -> None:
    async with site() as here:
        sent = await here.post("/v1/chat/completions", chat(), x_langwatch_metadata=metadata)
        assert (await sent.read()).status == 200
        assert "metadata" not in (await here.the_settlement()).get("facts", {})


@pytest.mark.parametrize("mode", ["strip_all", "strip_io"])
@pytest.mark.parametrize(("path", "body", "more"), CALLS[::3])
async def test_what_privacy_drops_never_reaches_the_spool(mode, path, body, more) -> None:
    async with site() as here:
        keep(here, "raw", is_traced=True, privacy=Privacy(MODES[mode]))
        text = body(messages=said(CANARY), stop_sequences=[CANARY], **more)
        got = await (
            await here.post(path, text, x_langwatch_metadata=f'{{"note": "{CANARY}"}}')
        ).read()
        assert got.status == 200
        kept = await contents(here)
        settled = await here.the_settlement()
        assert settled["input_tokens"] > 0, "what was used is counted all the same"
        if mode == "strip_all":
            assert kept == []
            assert settled["facts"]["capture"] == "metadata"
            assert CANARY not in orjson.dumps(here.lines).decode()
            spool = b"".join(p.read_bytes() for p in here.spool_dir.iterdir())
            assert CANARY.encode() not in spool
        else:
            placeholder = [{"type": "text", "content": PLACEHOLDER}]
            assert orjson.loads(kept[0]["input_messages"])[0]["parts"] == placeholder
            assert orjson.loads(kept[0]["output_messages"])[0]["parts"] == placeholder
            assert CANARY not in orjson.dumps(kept).decode()
        assert here.gateway.captures._used_bytes == 0


async def test_a_body_that_was_not_taken_apart_holds_what_is_dropped_of_it() -> None:
    call = {"id": "x", "type": "function", "function": {"name": "f", "arguments": CANARY}}
    of_tools = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "x", "content": CANARY},
    ]
    dropped = {SYSTEM: [{"role": "system", "content": CANARY}], TOOL_CALLS: of_tools}
    async with site() as here:
        for category, messages in dropped.items():
            odd = {"role": "user", "content": [{"type": "of-tomorrow"}]}
            for drops in ({category}, set()):
                keep(here, "raw", privacy=Privacy(frozenset(drops)))
                body = chat(messages=[*messages, odd])
                assert (await (await here.post("/v1/chat/completions", body)).read()).status == 200
                kept = (await contents(here))[-1]
                text = kept["input_messages"]
                assert (CANARY in text) is (not drops)
                hidden = without_hidden({INPUT: text}, frozenset({category}))[INPUT]
                assert CANARY not in hidden


async def test_fields_and_patterns_of_privacy_are_dropped_in_raw_mode_too() -> None:
    async with site() as here:
        privacy = Privacy(drop_keys=("ssn",), secret_patterns=(r"EMP-\d+",))
        keep(here, "raw", privacy=privacy)
        text = f'{{"ssn": "{CANARY}", "other": "EMP-42 stays a person"}}'
        await (await here.post("/v1/chat/completions", chat(messages=said(text)))).read()
        [kept] = await contents(here)
        assert CANARY not in kept["input_messages"]
        assert "EMP-42" not in kept["input_messages"]
        assert "stays a person" in kept["input_messages"]
