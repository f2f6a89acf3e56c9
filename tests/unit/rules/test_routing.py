"""Names of models find their providers: aliases, words before a slash, declared models, the look of a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.globs import Globs, glob_error
from rules.routing import Account, Directory, Reason, Source, Unplaced, families_of

OPENAI = Account("main", "openai")
SPARE = Account("spare", "openai")
CLAUDE = Account("claude", "anthropic")
CUSTOM = Account("lab", "custom")
SANDBOX = Account("play", "sandbox", frozenset({"sandbox-small"}))


def served(directory: Directory, model: str) -> list[tuple[str, str]]:
    accounts = directory.accounts
    return [(accounts[place].name, name) for place, name in directory.resolve(model).picks]


def refusal(directory: Directory, model: str) -> Reason:
    with pytest.raises(Unplaced) as caught:
        directory.resolve(model)
    return caught.value.reason


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("gpt-4o-mini", [("main", "gpt-4o-mini"), ("spare", "gpt-4o-mini")]),
        ("o3-mini", [("main", "o3-mini"), ("spare", "o3-mini")]),
        ("claude-haiku-4-5", [("claude", "claude-haiku-4-5")]),
        ("sandbox-small", [("play", "sandbox-small")]),
        ("openai/gpt-9", [("main", "gpt-9"), ("spare", "gpt-9")]),
        ("spare/gpt-9", [("spare", "gpt-9")]),
        ("anthropic/claude-x/2", [("claude", "claude-x/2")]),
        ("gemini-2.5-pro", [("lab", "gemini-2.5-pro")]),
        ("gpt-oss-120b", [(n, "gpt-oss-120b") for n in ("main", "claude", "lab", "spare")]),
        (
            "meta-llama/Llama-4",
            [(n, "meta-llama/Llama-4") for n in ("main", "claude", "lab", "spare")],
        ),
    ],
)
def test_a_name_finds_its_providers_in_the_keys_order(model, wanted):
    directory = Directory([OPENAI, CLAUDE, CUSTOM, SPARE, SANDBOX])
    assert served(directory, model) == wanted


def test_an_alias_may_name_a_provider_a_model_or_one_model_for_each_provider():
    aliases = {
        "fast": "openai/gpt-4o-mini",
        "plain": "claude-haiku-4-5",
        "smart": {"anthropic": "claude-opus-4-5", "spare": "gpt-5", "google_gemini": "gemini-3"},
        "gpt-4o": "openai/gpt-5",
    }
    directory = Directory([CLAUDE, OPENAI, SPARE], aliases=aliases)
    assert served(directory, "fast") == [("main", "gpt-4o-mini"), ("spare", "gpt-4o-mini")]
    assert served(directory, "plain") == [("claude", "claude-haiku-4-5")]
    assert served(directory, "smart") == [("claude", "claude-opus-4-5"), ("spare", "gpt-5")]
    assert served(directory, "gpt-4o") == [("main", "gpt-5"), ("spare", "gpt-5")]
    resolution = directory.resolve("smart")
    assert (resolution.source, resolution.alias) == (Source.ALIAS, "smart")


def test_how_a_name_was_understood_is_told():
    directory = Directory([OPENAI])
    assert directory.resolve("openai/gpt-5").source is Source.EXPLICIT
    assert directory.resolve("gpt-5").source is Source.IMPLICIT
    assert directory.resolve("meta/llama").source is Source.IMPLICIT


def test_what_a_provider_declares_is_all_that_it_serves():
    declaring = Account("pinned", "openai", frozenset({"gpt-4o"}))
    directory = Directory([declaring, OPENAI])
    assert served(directory, "gpt-4o") == [("pinned", "gpt-4o"), ("main", "gpt-4o")]
    assert served(directory, "gpt-5") == [("main", "gpt-5")]
    assert refusal(Directory([declaring, CLAUDE]), "gpt-5") is Reason.NOT_RECOGNIZED


def test_a_model_with_another_name_at_a_provider_is_served_there():
    bedrock = Account("aws", "bedrock", mapped=frozenset({"claude-haiku-4-5"}))
    directory = Directory([CLAUDE, bedrock])
    assert [name for name, _ in served(directory, "claude-haiku-4-5")] == ["claude", "aws"]


def test_what_a_catalogue_lists_is_served_by_its_type():
    directory = Directory(
        [CLAUDE, OPENAI], knows=lambda kind, model: (kind, model) == ("openai", "babbage")
    )
    assert served(directory, "babbage") == [("main", "babbage")]


def test_the_only_provider_gets_whatever_is_asked():
    assert served(Directory([OPENAI]), "claude-x") == [("main", "claude-x")]
    assert served(Directory([SANDBOX]), "gpt-4o") == [("play", "gpt-4o")]


@pytest.mark.parametrize(
    ("accounts", "mute", "model", "reason"),
    [
        ([], [], "gpt-4o", Reason.NO_PROVIDER),
        ([OPENAI], [CLAUDE], "anthropic/claude-x", Reason.NOT_BOUND),
        ([OPENAI], [CLAUDE], "claude/claude-x", Reason.NOT_BOUND),
        ([OPENAI], [CLAUDE], "claude-x", Reason.NOT_BOUND),
        ([OPENAI, SPARE], [], "bedrock/x", Reason.NOT_BOUND),
        ([OPENAI, SPARE], [], "aws_bedrock/x", Reason.NOT_BOUND),
        ([], [CLAUDE], "claude-x", Reason.NOT_BOUND),
        ([OPENAI, SANDBOX], [], "claude-x", Reason.NOT_RECOGNIZED),
    ],
)
def test_what_cannot_be_placed_says_why(accounts, mute, model, reason):
    assert refusal(Directory(accounts, mute), model) is reason


def test_an_alias_for_providers_that_are_not_there_is_not_bound():
    directory = Directory([OPENAI, SPARE], aliases={"smart": {"anthropic": "claude-x"}})
    assert refusal(directory, "smart") is Reason.NOT_BOUND


def test_what_is_reachable_is_told_up_to_a_number():
    directory = Directory([OPENAI, CLAUDE], aliases={"fast": "openai/gpt-4o"})
    assert directory.reachable(10) == ["fast", "openai/", "anthropic/", "main/", "claude/"]
    assert directory.reachable(2) == ["fast", "openai/"]


names = st.sampled_from(["main", "spare", "claude", "lab", "play"])
accounts = st.lists(
    st.sampled_from([OPENAI, SPARE, CLAUDE, CUSTOM, SANDBOX]), unique=True, max_size=5
)
models = st.text(max_size=12) | st.sampled_from(
    [
        "gpt-4o",
        "claude-x",
        "openai/x",
        "main/x",
        "azure_openai/x",
        "alias",
        "sandbox-small",
        "a/b/c",
    ]
)
values = st.text(min_size=1, max_size=8) | st.dictionaries(names, st.text(min_size=1, max_size=8))


@given(accounts, accounts, models, st.dictionaries(st.just("alias") | st.text(max_size=3), values))
def test_a_resolution_keeps_the_order_and_names_each_provider_once(there, mute, model, aliases):
    directory = Directory(there, [a for a in mute if a not in there], aliases)
    try:
        picks = directory.resolve(model).picks
    except Unplaced:
        return
    places = [pick.place for pick in picks]
    assert places == sorted(set(places))
    assert places
    assert all(0 <= place < len(there) for place in places)


def test_the_look_of_a_name_points_at_its_vendor():
    assert families_of("claude-sonnet-4-5")[0] == "anthropic"
    assert families_of("us.anthropic.claude-sonnet-4") == ("bedrock",)
    assert families_of("llama-3") == ()


@pytest.mark.parametrize(
    ("glob", "name", "is_match"),
    [
        ("gpt-4o*", "gpt-4o-mini", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("openai/*", "openai/gpt-4o", True),
        ("gpt-?o", "gpt-4o", True),
        ("gpt.4o", "gpt-4o", False),
        ("*", "a\nb", True),
        ("[ab]", "a", False),
        (" gpt-4o ", "gpt-4o", True),
    ],
)
def test_globs_match_whole_names(glob, name, is_match):
    assert Globs([glob]).match(name) is is_match


@given(st.text(alphabet="ab*?", min_size=1, max_size=8), st.text(alphabet="ab", max_size=10))
def test_globs_agree_with_the_definition(glob, name):
    def matches(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(matches(pattern[1:], text[i:]) for i in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])

    assert Globs([glob]).match(name) is matches(glob, name)


def test_no_glob_matches_nothing_and_a_bad_one_is_named():
    assert not Globs([]).match("gpt-4o")
    assert glob_error("") and glob_error(7) and glob_error("a\nb") and glob_error("a" * 201)
    assert glob_error("gpt-*") == ""


def test_a_name_that_nobody_claims_is_not_translated_while_somebody_takes_it_as_it_is() -> None:
    foreign = Account("claude", "anthropic", is_native=False)
    assert served(Directory([CUSTOM, foreign]), "my-model") == [("lab", "my-model")]
    assert served(Directory([foreign]), "my-model") == [("claude", "my-model")]
    assert served(Directory([CUSTOM, foreign]), "claude-haiku-4-5") == [
        ("claude", "claude-haiku-4-5")
    ]


def test_a_vendors_own_api_does_not_serve_what_its_cloud_is_listed_with() -> None:
    google = Account("google", "gemini")
    directory = Directory([google, CLAUDE], knows=lambda _type, _model: True)
    assert served(directory, "claude-haiku-4-5") == [("claude", "claude-haiku-4-5")]
