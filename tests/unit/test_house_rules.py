"""The rules of the house that a machine can check: sizes, docstrings, names, and secrets in the tree."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("rules", "core", "proxy", "webapp", "streamer", "cli")
SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
BANNED_NAMES = {
    "utils",
    "helpers",
    "common",
    "misc",
    "base",
    "manager",
    "service",
    "handler",
    "processor",
}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_source_file_is_of_readable_size_and_says_what_it_is_for(path):
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES
    assert path.stem not in BANNED_NAMES
    if text.strip():
        assert ast.get_docstring(tree_of(path)), "the module says nothing of its purpose"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_stay_short_and_public_ones_are_documented(path):
    is_migration = path.parent.name == "migrations"
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or 0) - node.lineno + 1
        assert is_migration or length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


def test_nothing_that_runs_is_left_for_later():
    unfinished = re.compile(
        r"\b(TODO|FIXME|XXX|NotImplementedError)\b|coming soon|lorem ipsum", re.I
    )
    found = [
        f"{name_of(path)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if unfinished.search(line)
    ]
    assert found == []


def test_the_locks_name_no_registry_and_hash_every_package():
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text()
        assert "://" not in text and "index-url" not in text and "find-links" not in text
        pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*(?:\[[^\]]*\])?==", text, re.M)
        blocks = re.split(r"\n(?=[a-z0-9])", text)
        assert len(pinned) > 20
        assert all("--hash=sha256:" in block for block in blocks if block.strip())


def test_what_runs_needs_nothing_that_only_developers_install():
    run = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    assert not run & {"pytest", "mypy", "ruff", "playwright", "openai", "anthropic"}


def test_the_tree_holds_no_generated_or_private_file():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    private = [
        f for f in tracked if f.startswith("var/") or f.endswith((".key", ".secret", ".db", ".pyc"))
    ]
    assert private == []
