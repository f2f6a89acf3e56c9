"""The cascade of privacy rules, and what they leave of texts, spans, logs and webhook bodies."""

from typing import Any

import orjson
import pytest

from core import otlp
from core.otlp_encoding import JSON_TYPE, encoded
from rules.captured_parts import without_hidden
from rules.cleaning import IDLE, Cleaner
from rules.patterns import BadPattern
from rules.privacy import (
    CATEGORIES,
    FULL,
    PLACEHOLDER,
    STRIP_ALL,
    STRIP_IO,
    Place,
    Privacy,
    Reader,
    Rule,
    from_json,
    resolve,
)
from rules.telemetry_events import TelemetryRecord
from rules.telemetry_privacy import (
    category_of,
    cleaned_body,
    cleaned_record,
    is_metadata,
    readable_payload,
)

CANARY = "canary 31415 of a prompt"
HERE = Place("org", "eng", "web", "research")
ORG, DEPARTMENT, TEAM, PROJECT = (
    ("organization", "org"),
    ("department", "research"),
    ("team", "eng"),
    ("project", "web"),
)


def rule(at: tuple[str, str], is_personal_only: bool = False, **choices: str) -> Rule:
    return Rule(*at, choices, is_personal_only)


@pytest.mark.parametrize(
    ("rules", "drops"),
    [
        ([], ""),
        ([rule(ORG, input="drop")], "input"),
        ([rule(ORG, input="drop"), rule(PROJECT, input="capture")], ""),
        ([rule(ORG, input="capture"), rule(TEAM, input="drop")], "input"),
        ([rule(TEAM, input="drop"), rule(DEPARTMENT, input="capture")], ""),
        ([rule(DEPARTMENT, input="drop"), rule(PROJECT, output="drop")], "input output"),
        ([rule(TEAM, input="", output="drop"), rule(ORG, input="drop")], "input output"),
        ([rule(("team", "other"), input="drop"), rule(("project", "other"), output="drop")], ""),
        ([rule(ORG, is_personal_only=True, input="drop")], ""),
        ([rule(ORG, input="sideways")], "input"),
    ],
)
def test_the_narrowest_rule_that_says_anything_decides_each_category(
    rules: list[Rule], drops: str
) -> None:
    for order in (rules, rules[::-1]):
        assert resolve(FULL, order, HERE).drops == set(drops.split())


def test_a_rule_for_personal_projects_goes_before_its_scopes_other_rule_and_only_there() -> None:
    rules = [rule(ORG, input="drop"), rule(ORG, is_personal_only=True, input="capture")]
    personal = Place("org", "mine", "workspace", "research", is_personal=True)
    assert resolve(FULL, rules, HERE).drops == {"input"}
    assert resolve(FULL, rules, personal).drops == set()
    assert resolve(FULL, [*rules, rule(DEPARTMENT, input="drop")], personal).drops == {"input"}


def test_what_the_organizations_mode_drops_no_rule_brings_back() -> None:
    everything = rule(PROJECT, **dict.fromkeys(CATEGORIES, "capture"))
    assert resolve(STRIP_IO, [everything], HERE).drops == {"input", "output"}
    assert resolve(STRIP_ALL, [everything], HERE).drops == set(CATEGORIES)
    assert resolve("a mode of next year", [], HERE).drops == set(CATEGORIES)


def test_fields_and_patterns_of_all_rules_that_apply_add_up_and_travel() -> None:
    rules = [
        Rule(*ORG, drop_keys=("ssn",), secret_patterns=("A+",)),
        Rule(*PROJECT, drop_keys=("iban", "ssn")),
        Rule("project", "other", drop_keys=("elsewhere",)),
    ]
    found = resolve(FULL, rules, HERE)
    assert (found.drop_keys, found.secret_patterns) == (("iban", "ssn"), ("A+",))
    assert from_json(found.as_json()) == found
    assert Privacy().as_json() == {}
    assert from_json({"drops": ["a category of next year"]}).drops == set(CATEGORIES)


PERSONAL = (
    "mail jo@acme.test, call +49 170 1234567, card 4111 1111 1111 1111, from 203.0.114.9 "
    "and 2a00:1450:4001:81b::200e, IBAN DE89 3704 0044 0532 0130 00"
)
MARKS = ("EMAIL", "PHONE", "CARD", "IP", "IBAN")
TOKEN = "ghp_" + "aB3dE5" * 6


@pytest.mark.parametrize(
    ("said", "by_itself", "finds_personal", "finds_secrets"),
    [
        ({}, False, False, False),
        ({}, True, False, True),
        ({"personal_data": "redact"}, False, True, False),
        ({"secrets": "redact"}, False, False, True),
        ({"secrets": "keep", "personal_data": "keep"}, True, False, False),
    ],
)
def test_personal_data_and_credentials_go_as_rules_say_and_credentials_by_themselves(
    said: dict[str, str], by_itself: bool, finds_personal: bool, finds_secrets: bool
) -> None:
    privacy = resolve(FULL, [Rule(*ORG, {}, **said)], HERE)
    cleaner = Cleaner(privacy, redacts_secrets=by_itself)
    assert cleaner.is_idle is not (finds_personal or finds_secrets)
    told = cleaner.value({"note": f"{PERSONAL} {TOKEN}", "X-Api-Key": "plain words", "n": 1})
    assert [f"[REDACTED:{mark}]" in told["note"] for mark in MARKS] == [finds_personal] * 5
    assert (TOKEN in told["note"], told["X-Api-Key"] == PLACEHOLDER) == (
        not finds_secrets,
        finds_secrets,
    )
    assert cleaner.text("127.0.0.1 v1.2.3.4 10.0.0.1") == "127.0.0.1 v1.2.3.4 10.0.0.1"
    assert cleaner.keeps_personal_data is (said.get("personal_data") == "keep")


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        ("apiKey", True),
        ("http.request.header.authorization", True),
        ("X-Session-Token", True),
        ("id_token", True),
        ("gen_ai.valid_token", False),
        ("max_tokens", False),
        ("password_changed_at", False),
    ],
)
def test_names_say_that_a_credential_stands_there(name: str, goes: bool) -> None:
    cleaner = Cleaner(Privacy(), redacts_secrets=True)
    assert (cleaner.value({name: "plain words"})[name] == PLACEHOLDER) is goes
    assert cleaner.value({name: 7}) == {name: 7}


def test_json_in_a_text_that_loses_nothing_stays_as_it_was_written() -> None:
    cleaner = Cleaner(Privacy(), redacts_secrets=True)
    text = '{"n": 123456789012345678901234567890,  "note": "plain"}'
    assert cleaner.json_text(text) == text
    assert TOKEN not in cleaner.json_text(f'{{"note": "{TOKEN}"}}')


def test_the_narrowest_rule_decides_treatments_too_and_what_is_unknown_is_redacted() -> None:
    rules = [
        Rule(*ORG, {}, personal_data="redact", secrets="keep"),
        Rule(*TEAM, {}, personal_data="keep"),
    ]
    told = resolve(FULL, rules, HERE)
    assert (told.personal_data, told.secrets) == ("keep", "keep")
    assert from_json(told.as_json()) == told
    assert from_json({"personal_data": "strictest"}).personal_data == "redact"


def test_a_source_keeps_who_and_what_it_was_and_loses_what_people_wrote_of_others() -> None:
    cleaner = Cleaner(Privacy(personal_data="redact"), redacts_secrets=True)
    body = orjson.dumps(
        {
            "actor": {"email": "jo@acme.test"},
            "text": "ask al@else.test",
            "tool_input": orjson.dumps({"to": "al@else.test", "password": "hunter2"}).decode(),
            "headers": {"Authorization": "Basic Zm9v"},
        }
    )
    told = orjson.loads(cleaned_body(body, cleaner))
    assert told["actor"] == {"email": "jo@acme.test"}
    assert told["text"] == "ask [REDACTED:EMAIL]"
    assert orjson.loads(told["tool_input"]) == {"to": "[REDACTED:EMAIL]", "password": PLACEHOLDER}
    assert told["headers"] == {"Authorization": PLACEHOLDER}
    plain = b'{ "actor": {"email": "jo@acme.test"},  "n": 1.0 }'
    assert cleaned_body(plain, cleaner) == plain, "what has nothing in it stays byte for byte"


READERS = {
    "admin": Reader(is_admin=True),
    "of the group": Reader(group_ids=frozenset({"g1"})),
    "of the department": Reader(department_id="d1"),
    "member": Reader(),
    "nobody": None,
}


@pytest.mark.parametrize(
    ("audience", "readers"),
    [
        ((), ""),
        (("admins",), "admin"),
        (("members",), "admin, of the group, of the department, member"),
        (("group:g1", "department:d1"), "of the group, of the department"),
        (("group:gone",), ""),
    ],
)
def test_what_is_restricted_is_kept_and_read_by_its_audience_alone(
    audience: tuple[str, ...], readers: str
) -> None:
    rules = [
        Rule(*ORG, {"input": "restrict", "output": "drop"}, audience=audience),
        Rule(*TEAM, {"output": "capture", "system": "restrict"}),
        Rule(*PROJECT, {"system": "capture"}),
    ]
    told = resolve(FULL, rules, HERE)
    assert (told.drops, set(told.restricted)) == (frozenset(), {"input"})
    may = [name for name, reader in READERS.items() if not told.hidden_from(reader)]
    assert ", ".join(may) == readers
    assert told.as_json() == {}, "a gateway keeps it as any other"
    assert resolve(STRIP_IO, rules, HERE).drops == {"input", "output"}


def test_a_reader_sees_of_a_payload_what_is_not_hidden_and_of_a_cut_one_nothing() -> None:
    attributes = {"gen_ai.input.messages": CANARY, "gen_ai.output.messages": "fine", "model": "m"}
    record = {"traceId": "t", "spanId": "s", "name": "chat", "attributes": attributes}
    payload = orjson.dumps(record | {"resource": {}, "body": CANARY}).decode()
    hidden = frozenset({"input"})
    told = orjson.loads(readable_payload(payload, hidden))
    assert CANARY not in str(told)
    assert (told["attributes"]["gen_ai.output.messages"], told["attributes"]["model"]) == (
        "fine",
        "m",
    )
    assert readable_payload(payload, frozenset()) == payload
    assert readable_payload(payload[:-3], hidden) == PLACEHOLDER
    webhook = orjson.dumps({"text": CANARY, "n": 3, "attributes": CANARY}).decode()
    assert orjson.loads(readable_payload(webhook, hidden))["n"] == 3
    assert CANARY not in readable_payload(webhook, hidden)


def test_captured_messages_are_read_without_what_is_hidden() -> None:
    call = {"type": "tool_call", "name": "sh", "arguments": {"cmd": CANARY}}
    said = [{"role": "user", "parts": [{"type": "text", "content": "hi"}, call]}]
    texts = {"input": orjson.dumps(said).decode(), "output": "", "system": "[]"}
    assert without_hidden(texts, frozenset()) == texts
    told = without_hidden(texts, frozenset({"tool_calls"}))
    assert CANARY not in told["input"] and '"hi"' in told["input"] and '"sh"' in told["input"]
    told = without_hidden(texts, frozenset({"input", "output", "system"}))
    assert (PLACEHOLDER in told["input"], told["output"]) == (True, "")
    broken = without_hidden({"input": "[" + CANARY}, frozenset({"tool_calls"}))
    assert CANARY not in broken["input"]


def test_values_lose_named_fields_and_what_patterns_find() -> None:
    cleaner = Cleaner(Privacy(drop_keys=("*_ssn",), secret_patterns=(r"EMP-\d{4}", r"(a)(b)c")))
    value = {"user_ssn": "1", "deep": [{"text": "I am EMP-1234, abc", "n": 7, "x_ssn": {"a": 1}}]}
    assert cleaner.value(value) == {
        "user_ssn": PLACEHOLDER,
        "deep": [{"text": "I am [REDACTED], [REDACTED]", "n": 7, "x_ssn": PLACEHOLDER}],
    }
    assert orjson.loads(cleaner.json_text('{"a_ssn": 5}')) == {"a_ssn": PLACEHOLDER}
    assert cleaner.json_text("{not json EMP-0000") == "{not json [REDACTED]"
    assert cleaner.text("half of a character \ud800 EMP-1111").endswith(PLACEHOLDER)
    with pytest.raises(BadPattern):
        Cleaner(Privacy(secret_patterns=("(?=x)",)))


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("gen_ai.input.messages", "input"),
        ("gen_ai.prompt.0.content", "input"),
        ("llm.input_messages.3.message.content", "input"),
        ("input.value", "input"),
        ("prompt", "input"),
        ("traceloop.entity.input", "input"),
        ("gen_ai.output.messages", "output"),
        ("gen_ai.completion.0.content", "output"),
        ("ai.response.text", "output"),
        ("gen_ai.system_instructions", "system"),
        ("gen_ai.tool.call.arguments", "tool_calls"),
        ("tool_parameters", "tool_calls"),
        ("gen_ai.tool.call.id", ""),
        ("gen_ai.usage.input_tokens", ""),
        ("input_tokens", ""),
        ("prompt_length", ""),
        ("gen_ai.system", ""),
        ("gen_ai.request.model", ""),
        ("user.email", ""),
        ("cost_usd", ""),
    ],
)
def test_names_belong_to_the_category_of_whose_words_they_hold(name: str, category: str) -> None:
    assert category_of(name) == category
    if not category:
        assert is_metadata(name, "12.5")


def record(**more: Any) -> TelemetryRecord:
    attributes = {
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.cost_usd": 0.25,
        "user.email": "ada@acme.test",
        "gen_ai.input.messages": f'[{{"content": "{CANARY}"}}]',
        "gen_ai.output.messages": CANARY,
        "gen_ai.system_instructions": CANARY,
        "gen_ai.tool.call.arguments": {"path": CANARY},
        "acme.notes": CANARY,
        "acme.list": ["fine", CANARY],
    }
    return TelemetryRecord("chat", attributes, {"service.name": "cli"}, "a" * 32, "b" * 16, **more)


def test_strip_all_leaves_nothing_but_metadata_and_that_whole() -> None:
    for is_log, body in ((False, None), (True, CANARY), (True, {"text": CANARY})):
        kept = cleaned_record(
            record(is_log=is_log, body=body), Cleaner(resolve(STRIP_ALL, [], HERE))
        )
        assert CANARY not in repr(kept)
        assert kept.attributes["gen_ai.request.model"] == "gpt-5"
        assert kept.attributes["gen_ai.usage.input_tokens"] == 12
        assert kept.attributes["gen_ai.usage.cost_usd"] == 0.25
        assert kept.attributes["user.email"] == "ada@acme.test"
        assert kept.attributes["acme.notes"] == kept.attributes["acme.list"] == PLACEHOLDER
        assert (kept.trace_id, kept.span_id, kept.resource) == (
            "a" * 32,
            "b" * 16,
            record().resource,
        )


def test_strip_io_leaves_what_is_neither_question_nor_answer() -> None:
    kept = cleaned_record(record(), Cleaner(resolve(STRIP_IO, [], HERE)))
    dropped = {name for name, value in kept.attributes.items() if value == PLACEHOLDER}
    assert dropped == {"gen_ai.input.messages", "gen_ai.output.messages"}
    assert cleaned_record(record(), IDLE) == record()


def test_a_log_that_goes_by_what_it_says_loses_its_name_too() -> None:
    cleaner = Cleaner(resolve(STRIP_IO, [], HERE))
    said = TelemetryRecord(CANARY, {}, {}, is_log=True, body=CANARY)
    assert CANARY not in repr(cleaned_record(said, cleaner))
    named = TelemetryRecord(
        "claude_code.api_request", {"event.name": "e"}, {}, is_log=True, body="e"
    )
    assert cleaned_record(named, cleaner) == named


def test_of_a_webhook_numbers_and_known_metadata_stay_and_of_other_bodies_nothing() -> None:
    body = orjson.dumps(
        {"id": "evt_1", "user": "ada", "tokens": 5, "prompt": CANARY, "x": {"note": [CANARY, True]}}
    )
    kept = orjson.loads(cleaned_body(body, Cleaner(resolve(STRIP_IO, [], HERE))))
    assert kept == {
        "id": "evt_1",
        "user": "ada",
        "tokens": 5,
        "prompt": PLACEHOLDER,
        "x": {"note": [PLACEHOLDER, True]},
    }
    strip = Cleaner(resolve(STRIP_ALL, [], HERE))
    assert cleaned_body(CANARY.encode(), strip) == PLACEHOLDER.encode()
    assert cleaned_body(body, IDLE) is body
    only_keys = Cleaner(Privacy(drop_keys=("prompt",)))
    assert orjson.loads(cleaned_body(body, only_keys)) == orjson.loads(body) | {
        "prompt": PLACEHOLDER
    }


@pytest.mark.parametrize("signal", [otlp.TRACES, otlp.LOGS])
def test_records_are_read_again_as_they_were_written(signal: str) -> None:
    is_log = signal == otlp.LOGS
    told = record(
        is_log=is_log,
        body={"a": [1, 2.5, True, None, "x"]} if is_log else None,
        start_ns=1_700_000_000_000_000_000,
        end_ns=0 if is_log else 1_700_000_001_000_000_000,
        is_error=True,
        parent_span_id="" if is_log else "c" * 16,
    )
    assert otlp.records(signal, encoded(signal, [told, told]), JSON_TYPE) == [told, told]
