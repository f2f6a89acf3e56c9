"""The documents say what the code does: commands, settings and links that they name exist."""

import re
import shlex
from pathlib import Path

import click
import pytest

from cli.main import COMMANDS, langwatch
from cli.reference import PAGES
from core.fault import Fault
from core.settings import CLIENT_VARIABLES, TABLE

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md")
    for path in ROOT.glob(pattern)
    if "CHANGELOG" not in path.name
)
SETTINGS = {name for setting in TABLE.values() for name in setting.names} | set(CLIENT_VARIABLES)
SETTINGS |= {f"{name}_FILE" for name in SETTINGS}
_VARIABLE = re.compile(r"\b(?:LANGWATCH|LW|GATEWAY|SERVER|RELEASE)_[A-Z][A-Z_]+[A-Z]\b")
_COMMAND = re.compile(r"(?<![\w-])(?:\.venv/bin/)?langwatch ((?:[a-z-]+)(?:[^\n`|>#]*))")
_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
_LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_setting_that_a_document_names_exists(document: Path) -> None:
    unknown = set(_VARIABLE.findall(document.read_text())) - SETTINGS
    assert unknown == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_within_the_repository_leads_somewhere(document: Path) -> None:
    links = [link for link in _LINK.findall(document.read_text()) if "://" not in link]
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []


def test_every_test_that_a_document_names_is_there() -> None:
    found = 0
    for document in DOCUMENTS:
        for path, name in _TEST.findall(document.read_text()):
            source = (ROOT / "tests" / path.removeprefix("tests/")).read_text()
            assert f"def {name}(" in source, (named(document), path, name)
            found += 1
    assert found > 50


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d.name != "cli.md"], ids=named)
def test_every_command_that_a_document_shows_exists_with_its_options(document: Path) -> None:
    for line in _COMMAND.findall(_code(document.read_text())):
        check_command(line)


def _code(text: str) -> str:
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`(langwatch [^`]+)`", text)
    return "\n".join(blocks + spans).replace("\\\n", " ")


def check_command(line: str) -> None:
    words = shlex.split(line.rstrip(". ,;:"), comments=True)
    command: click.Command | None = langwatch
    context = click.Context(langwatch, **langwatch.context_settings)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(context, words.pop(0))
        assert command is not None, f"no such command: langwatch {line}"
    assert command is not None
    options = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    for word in words:
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in options | {"--version"}, f"langwatch {line}: {word}"


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    kept = (ROOT / "docs" / "reference" / name).read_text()
    assert kept == PAGES[name](), "run `python -m cli.reference`"


def test_every_setting_fault_and_command_is_in_the_reference() -> None:
    text = {n: (ROOT / "docs" / "reference" / n).read_text() for n in PAGES}
    assert all(f"`{name}`" in text["settings.md"] for s in TABLE.values() for name in s.names)
    assert all(f"`{fault.code}`" in text["faults.md"] for fault in Fault)
    assert all(f"## `langwatch {name}`" in text["cli.md"] for name in COMMANDS)


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named_targets = set(re.findall(r"\bmake ([a-z]+)\b", _code((ROOT / "README.md").read_text())))
    assert named_targets and named_targets <= targets


def test_decisions_are_numbered_without_a_gap_and_dated() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {int(page.name[:4])}. ")
        assert re.search(r"^Date: 2026-\d\d-\d\d$", text, re.MULTILINE)


def test_help_names_every_command_and_its_own_sentence() -> None:
    context = click.Context(langwatch, info_name="langwatch", **langwatch.context_settings)
    for name in COMMANDS:
        command = langwatch.get_command(context, name)
        assert command is not None and command.help
        assert name in langwatch.get_help(context)
