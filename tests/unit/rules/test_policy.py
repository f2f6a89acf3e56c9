"""Policy rules: deny wins, an allow-list excludes, shadow blocks nothing, and nothing hides."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.patterns import AnyOf, BadPattern, pattern_error
from rules.policy import PASSED, RuleSource, canonical_rules, compile_policy, explain, rules_errors
from rules.policy_presets import PRESETS
from rules.policy_subjects import Unjudgeable, other_models, tools_and_servers, urls


def policy(**rules):
    return compile_policy([RuleSource("prs_1", "house rules", rules)])


def body(**members) -> bytes:
    return json.dumps(members).encode()


HIDING_PLACES = {
    "chat": {"tools": [{"type": "function", "function": {"name": "bash"}}]},
    "chat custom": {"tools": [{"type": "custom", "custom": {"name": "bash"}}]},
    "legacy functions": {"functions": [{"name": "ok"}, {"name": "bash"}]},
    "messages": {"tools": [{"name": "bash", "input_schema": {}}]},
    "messages, dated type": {"tools": [{"type": "bash_20250124", "name": "harmless"}]},
    "responses": {"tools": [{"type": "function", "name": "bash"}]},
    "responses, type alone": {"tools": [{"type": "bash"}]},
    "codex items": {
        "input": [
            {"type": "message", "content": "hi"},
            {"type": "additional_tools", "tools": [{"type": "function", "name": "bash"}]},
        ]
    },
    "codex namespaces": {
        "input": [
            {
                "type": "additional_tools",
                "tools": [{"type": "namespace", "name": "os", "tools": [{"name": "bash"}]}],
            }
        ]
    },
    "a namespace itself": {"tools": [{"type": "namespace", "name": "bash", "tools": []}]},
    "gemini": {"tools": [{"functionDeclarations": [{"name": "bash"}]}]},
    "gemini snake case": {"tools": [{"function_declarations": [{"name": "bash"}]}]},
    "gemini, to be counted": {
        "generateContentRequest": {"tools": [{"functionDeclarations": [{"name": "bash"}]}]}
    },
    "gemini, one object": {"tools": {"functionDeclarations": {"name": "bash"}}},
    "gemini built in": {"tools": [{"bash": {}}]},
    "tools of an MCP server": {
        "tools": [{"type": "mcp", "server_label": "x", "allowed_tools": ["bash"]}]
    },
    "tools of a listed server": {
        "mcp_servers": [{"name": "x", "tool_configuration": {"allowed_tools": ["bash"]}}]
    },
    "configs of a toolset": {
        "tools": [{"type": "mcp_toolset", "mcp_server_name": "x", "configs": {"bash": {}}}]
    },
}


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_a_denied_tool_is_found_in_each_place(place) -> None:
    verdict = policy(tools={"deny": ["^bash$"]}).judge_body(body(**HIDING_PLACES[place]))
    assert verdict.blocked is not None
    assert (verdict.blocked.dimension, verdict.blocked.pattern) == ("tools", "^bash$")
    assert verdict.blocked.param


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
        ({"tools": [{"type": "web_search_preview_2025_03_11"}]}, "web_search_preview"),
        ({"tools": [{"type": "computer_20251124", "name": "computer"}]}, "computer"),
        ({"tools": [{"type": "code_interpreter", "container": {}}]}, "code_interpreter"),
        ({"tools": [{"googleSearch": {}}]}, "google_search"),
        ({"tools": [{"google_search": {}}]}, "google_search"),
        ({"tools": [{"codeExecution": {}}]}, "code_execution"),
        ({"web_search_options": {}}, "web_search"),
    ],
)
def test_tools_of_the_providers_go_by_their_type(members, name) -> None:
    assert policy(tools={"deny": [f"^{name}$"]}).judge_body(body(**members)).blocked is not None
    assert policy(tools={"allow": [f"^{name}$"]}).judge_body(body(**members)).blocked is None


@pytest.mark.parametrize(
    "members",
    [
        {"tools": [{"type": "mcp", "server_label": "evil", "server_url": "https://e.test"}]},
        {"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://evil.test/sse"}]},
        {"tools": [{"type": "mcp", "server_label": "x", "connector_id": "connector_evil"}]},
        {"tools": [{"type": "mcp_toolset", "mcp_server_name": "evil"}]},
        {"mcp_servers": [{"name": "evil", "url": "https://x.test"}]},
        {"mcp_servers": [{"name": "x", "url": "https://evil.test"}]},
        {"mcp_servers": {"evil": {"url": "https://x.test"}}},
        {"mcp": ["evil"]},
        {"mcps": [{"id": "evil"}]},
    ],
)
def test_an_mcp_server_is_found_by_label_and_address(members) -> None:
    verdict = policy(mcp={"deny": ["evil"]}).judge_body(body(**members))
    assert verdict.blocked is not None
    assert verdict.blocked.dimension == "mcp"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'{"prompt": {"id": "pmpt_1", "version": "2"}}', "stored_prompt"),
        (b'{"prompt" :\n {"id": "pmpt_1"}, "input": "Hi"}', "stored_prompt"),
        (b'{"cachedContent": "cachedContents/1"}', "cached_content"),
        (b'{"c\\u0061ched_content": "cachedContents/1"}', "cached_content"),
        (b'{"generateContentRequest": {"cachedContent": "cachedContents/1"}}', "cached_content"),
        (b'{"extra_body": {"google": {"cached_content": "cachedContents/1"}}}', "cached_content"),
        (b'{"extra_body": {"google": {"c\\u0061ched_content": "1"}}}', "cached_content"),
    ],
)
def test_what_is_kept_elsewhere_passes_no_allow_list_and_can_be_denied(text, name) -> None:
    for rules in ({"allow": ["^read$"]}, {"deny": [f"^{name}$"]}):
        blocked = policy(tools=rules).judge_body(text).blocked
        assert blocked is not None and blocked.value == name
    assert policy(tools={"allow": [f"^{name}$"]}).judge_body(text) == PASSED
    assert policy(tools={"deny": ["^bash$"]}).judge_body(text) == PASSED
    servers = policy(mcp={"allow": ["^github$"]}).judge_body(text).blocked
    assert (servers is not None) is (name == "stored_prompt")


@pytest.mark.parametrize(
    "text",
    [
        b'{"prompt": "Say {hello}"}',
        b'{"prompt": ["{", "}"]}',
        b'{"cachedContent": null, "extra_body": {"google": {"thinking_config": {}}}}',
    ],
)
def test_a_prompt_of_the_request_is_none_of_those(text) -> None:
    assert tools_and_servers(text) == ([], [])


def test_results_and_earlier_calls_are_not_tools() -> None:
    history = body(
        messages=[
            {"role": "assistant", "tool_calls": [{"function": {"name": "bash"}, "id": "1"}]},
            {"role": "tool", "name": "bash", "content": "done"},
            {"role": "user", "content": [{"type": "tool_result", "content": "bash"}]},
        ],
        input=[
            {"type": "function_call", "name": "bash", "arguments": "{}"},
            {"type": "function_call_output", "output": '{"tools": [{"name": "bash"}]}'},
        ],
        contents=[{"parts": [{"functionCall": {"name": "bash"}}]}],
    )
    assert policy(tools={"deny": ["bash"]}).judge_body(history) == PASSED


@pytest.mark.parametrize(
    "text",
    [
        b'{"tools":[{"name":"ok"}],"tools":[{"name":"bash"}]}',
        b'{"tools":[{"name":"bash"}],"to\\u006fls":[]}',
        b'{"tools":[{"name":"ok","name":"bash"}]}',
        b'{"tools":[{"name":"ok","n\\u0061me":"bash"}]}',
        b'{"tools":[{"type":"function","function":{"name":"ok"},"function":{"name":"bash"}}]}',
        b'{"tools":[{"type":"custom","custom":{"name":"bash"},"custom":{"name":"ok"}}]}',
        b'{"Tools":[{"name":"bash"}]}',
        '{"toolſ":[{"name":"bash"}]}'.encode(),
        b'{"tool\\u017f":[{"name":"bash"}]}',
        b'{"tools":[{"name":"ok","Name":"bash"}]}',
        b'{"tools":[{"type":"function","Function":{"name":"bash"}}]}',
        b'{"tools":[{"type":"function","function":{"name":"ok","NAME":"bash"}}]}',
        b'{"tools":' + b'[{"tools":' * 20 + b"[]" + b"}]" * 20 + b"}",
        b"[]",
    ],
)
def test_what_readers_would_read_differently_is_not_judged(text) -> None:
    with pytest.raises(Unjudgeable):
        tools_and_servers(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"model":"a","Model":"b"}',
        b'{"model":"a","Models":["b"]}',
        '{"model":"a","modelſ":["b"]}'.encode(),
        b'{"model":"a","models":["a"],"models":["b"]}',
        b'{"model":"a","tools":[],"tools":[{"type":"image_generation","model":"b"}]}',
    ],
)
def test_a_body_that_readers_would_read_different_models_from_is_not_judged(text) -> None:
    with pytest.raises(Unjudgeable):
        other_models(text)


def test_models_that_tools_run_on_are_named_and_other_words_are_none() -> None:
    draws = {"type": "image_generation", "model": "openai/gpt-image-1"}
    assert other_models(body(model="a", tools=[{"type": "web_search"}, draws])) == [
        (("openai/gpt-image-1", "gpt-image-1"), "tools[1].model")
    ]
    schema = {"type": "object", "properties": {"model": {}, "Model": {}, "Name": {}, "name": {}}}
    asked = body(model="a", tools=[{"name": "f", "input_schema": schema}], x={"Model": 1})
    assert other_models(asked) == []
    assert [s.spellings for s in tools_and_servers(asked)[0]] == [("f",)]
    assert other_models(b'{"contents":[{"role":"model"},{"role":"model"}]}') == []


def test_an_escaped_name_is_the_name() -> None:
    text = b'{"to\\u006fls":[{"n\\u0061me":"b\\u0061sh"}]}'
    assert policy(tools={"deny": ["^bash$"]}).judge_body(text).blocked is not None


@pytest.mark.parametrize(
    "text",
    [
        rb'{"messages":[{"content":"see https://evil.test/x."}]}',
        rb'{"a":"https:\/\/evil.test\/x"}',
        rb'{"a":"HTTPS://evil.test/x"}',
        rb'{"a":"\u0068ttps://evil.test/x"}',
        rb'{"a":"https:\u002f\u002fevil.test/x"}',
        rb'{"arguments":"{\"url\":\"https:\\/\\/evil.test/x\"}"}',
        rb'{"https://evil.test/x":1}',
    ],
)
def test_an_address_is_found_however_it_is_written(text) -> None:
    verdict = policy(urls={"deny": [r"^(?i)https://evil\.test/x$"]}).judge_body(text)
    assert verdict.blocked is not None


@pytest.mark.parametrize(
    "text",
    [
        rb'{"a":"https://EVIL.Test/x"}',
        rb'{"a":"https://\uff45vil.test/x"}',
        '{"a":"https://ｅvil。test/x"}'.encode(),
        '{"a":"https://ev\u00adil.test/x"}'.encode(),
        rb'{"a":"https://%65vil.test/x"}',
        rb'{"a":"https://docs.test@evil.test/x"}',
        rb'{"a":"https://docs.test%2f@evil.test/x"}',
        rb'{"a":"https://docs.test\uff0f@evil.test/x"}',
        rb'{"a":"https://evil.test.:443/x"}',
        rb'{"a":"{\"b\":\"https://\\uff45vil.test/x\"}"}',
    ],
)
def test_an_address_is_judged_as_it_is_fetched_too(text) -> None:
    verdict = policy(urls={"deny": [r"^https://evil\.test/x$"]}).judge_body(text)
    assert verdict.blocked is not None
    verdict = policy(urls={"allow": [r"^https://docs\.test"]}).judge_body(text)
    assert verdict.blocked is not None


def test_an_address_of_escaped_letters_alone_is_one() -> None:
    only = policy(urls={"allow": [r"^https://docs\.test/"]})
    assert only.judge_body(rb'"https://\u00fcber.test/"').blocked is not None
    assert only.judge_body(rb'"https://\ud83d\ude00.test/"').blocked is not None
    assert only.judge_body(rb'"https://docs.test/\u00fc\u3000and more"').blocked is None
    assert urls(rb'"https://docs.test/\u00fc\u3000and \u4e2d\u6587 https://\n"') == [
        (("https://docs.test/ü",), "")
    ]


def test_addresses_are_trimmed_told_once_and_not_too_short() -> None:
    text = b'"(https://a.test/b), https://a.test/b; http://x ftp://b.test xhttps://c.test"'
    assert [s.spellings[0] for s in urls(text)] == ["https://a.test/b", "https://c.test"]


def test_deny_wins_over_allow_and_an_empty_allow_list_lets_nothing_pass() -> None:
    one = body(tools=[{"name": "bash"}])
    assert policy(tools={"deny": ["bash"], "allow": ["bash"]}).judge_body(one).blocked is not None
    assert policy(tools={"allow": ["bash"]}).judge_body(one) == PASSED
    assert policy(tools={"allow": []}).judge_body(one).blocked is not None
    assert policy(tools={"allow": None}).judge_body(one) == PASSED
    assert policy(tools={"allow": []}).judge_body(body(messages=[])) == PASSED


def test_a_model_is_judged_in_both_spellings() -> None:
    for pattern in ("^gpt-4$", "^openai/gpt-4$"):
        assert policy(models={"deny": [pattern]}).judge_model("gpt-4", "openai").blocked is not None
        assert policy(models={"allow": [pattern]}).judge_model("gpt-4", "openai").blocked is None
    for name in ("GPT-4", "Gpt-4", " gpt-4"):
        denied = policy(models={"deny": ["^(azure/)?gpt-4$"]})
        assert denied.judge_model(name, "azure").blocked is not None
    assert policy(models={"allow": ["^Llama-3$"]}).judge_model("Llama-3", "custom").blocked is None
    found = policy(models={"allow": ["^claude"]}).judge_model("gpt-4", "openai").blocked
    assert found is not None
    assert found.reason == 'The model "gpt-4" is not on the allow-list of house rules.'


def test_all_rule_sets_that_apply_must_agree() -> None:
    sets = [
        RuleSource("a", "organization", {"tools": {"allow": ["^read", "^bash$"]}}),
        RuleSource("b", "project", {"tools": {"allow": ["^read"], "shadow": False}}),
    ]
    found = compile_policy(sets).judge_body(body(tools=[{"name": "bash"}])).blocked
    assert found is not None
    assert found.rule == "b"


def test_shadow_reports_and_lets_pass() -> None:
    rules = policy(
        tools={"deny": ["bash"], "shadow": True}, urls={"deny": ["evil"], "shadow": False}
    )
    verdict = rules.judge_body(body(tools=[{"name": "bash"}]))
    assert verdict.blocked is None
    assert [(f.dimension, f.value, f.is_shadow) for f in verdict.shadowed] == [
        ("tools", "bash", True)
    ]
    verdict = rules.judge_body(body(tools=[{"name": "bash"}], x="https://evil.test"))
    assert verdict.blocked is not None
    assert verdict.shadowed


def test_a_value_is_cut_in_what_is_told_of_it() -> None:
    found = policy(tools={"allow": []}).judge_body(body(tools=[{"name": "x" * 500}])).blocked
    assert found is not None
    assert found.value == "x" * 64


@pytest.mark.parametrize(
    "pattern", ["(", "(?=x)", r"(?<!a)b", r"(a)\1", "", 7, "x" * 600, "a{9999}"]
)
def test_a_pattern_that_is_none_is_explained_and_spoils_the_policy(pattern) -> None:
    assert pattern_error(pattern)
    errors = rules_errors({"tools": {"deny": ["fine", pattern]}})
    assert list(errors) == ["tools.deny[1]"]
    broken = policy(tools={"deny": [pattern]})
    assert broken
    assert broken.problem
    assert explain(body(model="m"), broken).verdict == "broken"


def test_what_is_not_supported_is_named() -> None:
    assert "look-ahead is not supported" in pattern_error("a(?!b)")
    assert rules_errors({"tool": {}, "mcp": [], "urls": {"denied": [], "shadow": 1}}).keys() == {
        "tool",
        "mcp",
        "urls.denied",
        "urls.shadow",
    }
    assert rules_errors([]) != {}


def test_nothing_configured_is_nothing() -> None:
    assert not compile_policy([])
    assert not policy(tools={"deny": [], "allow": None}, urls=None)


@given(
    st.lists(st.sampled_from([r"\Qa(", "(?i)B", "^c$", "x|y", "(?P<n>q)", "(?P<n>r)"]), max_size=4)
)
def test_patterns_together_answer_as_each_alone(patterns) -> None:
    together = AnyOf(patterns)
    for value in ("a(", "b", "c", "cc", "y", "q", "r", "Z", ""):
        alone = [p for p in patterns if AnyOf([p]).first([value]) is not None]
        assert together.first([value]) == (alone[0] if alone else None)


def test_half_of_a_character_is_refused_and_not_passed() -> None:
    with pytest.raises(Unjudgeable):
        policy(tools={"allow": ["x"]}).judge_body(b'{"tools":[{"name":"\\ud800"}]}')
    assert policy(models={"allow": ["x"]}).judge_model("\ud800", "openai").blocked is not None
    with pytest.raises(BadPattern):
        AnyOf(["\ud800"])


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.name)
def test_presets_are_valid(preset) -> None:
    assert rules_errors(preset.rules) == {}
    assert policy(**preset.rules)


def test_a_policy_is_explained_by_the_code_that_decides() -> None:
    told = explain(
        body(tools=[{"name": "bash"}], x="https://a.test/b"),
        policy(tools={"deny": ["bash"], "shadow": True}, models={"deny": ["gpt"]}),
        "gpt-4",
        "openai",
    )
    assert told.verdict == "block"
    assert told.reasons == ('The model "gpt-4" is denied by `gpt` of house rules.',)
    assert told.shadow_reasons == ('The tool "bash" is denied by `bash` of house rules.',)
    assert told.subjects == {
        "tools": ("bash",),
        "mcp": (),
        "urls": ("https://a.test/b",),
        "models": ("gpt-4",),
    }


def test_two_ways_of_saying_the_same_are_one() -> None:
    said = {"tools": {"deny": ["a"], "allow": None, "shadow": False}, "mcp": {"deny": []}}
    assert canonical_rules(said | {"urls": None}) == {"tools": {"deny": ["a"]}}
    strict = {"models": {"allow": []}, "urls": {"shadow": True}}
    assert canonical_rules(strict) == strict
    assert canonical_rules([]) == [] and canonical_rules({"tools": 3}) == {"tools": 3}
