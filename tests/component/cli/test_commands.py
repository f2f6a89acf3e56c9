"""The commands as a shell sees them: exit codes, what goes where, and starts that can't succeed."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

_OURS = ("LANGWATCH_", "LW_", "GATEWAY_", "SERVER_", "DATABASE_URL")


def run(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env=kept | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_imports_no_database_and_no_web_framework() -> None:
    program = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from cli.main import langwatch\n"
        "result = CliRunner().invoke(langwatch, ['--help'])\n"
        "assert 'gateway' in result.output\n"
        "heavy = {'peewee', 'flask', 'duckdb', 'trio', 'httpx', 'rich', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_wrong_settings_are_all_named_and_the_exit_code_is_2() -> None:
    result = run("settings", "--check", LANGWATCH_WEB_PORT="x", LW_GATEWAY_BASE_ULR="http://a")
    assert result.returncode == 2
    assert "2 settings are wrong" in result.stderr
    assert "LANGWATCH_WEB_PORT: must be a port" in result.stderr
    assert "did you mean LW_GATEWAY_BASE_URL?" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("program", ["web", "gateway", "streamer", "up", "migrate"])
def test_no_program_starts_with_a_wrong_setting(program: str, tmp_path: Path) -> None:
    result = run(program, LANGWATCH_DATA_DIR=str(tmp_path / "var"), LANGWATCH_WEB_PORT="99999")
    assert result.returncode == 2
    assert not (tmp_path / "var").exists()


def test_settings_in_order_are_said_to_be() -> None:
    result = run("settings", "--check", LANGWATCH_WEB_PORT="0")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_secret_in_a_setting_is_never_repeated() -> None:
    result = run("settings", "--check", LANGWATCH_MASTER_KEY_FILE="/nowhere", LOG_LEVEL="loud")
    assert "cannot read /nowhere" in result.stderr
    assert result.returncode == 2


def test_migrate_brings_a_database_up_and_then_says_that_it_is_current(tmp_path: Path) -> None:
    first = run("migrate", LANGWATCH_DATA_DIR=str(tmp_path / "var"))
    second = run("migrate", LANGWATCH_DATA_DIR=str(tmp_path / "var"))
    assert "applied 0001" in first.stdout
    assert second.stdout == "The schema is current.\n"
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_a_database_that_is_away_is_named_and_nothing_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"postgresql://nobody:secret-word@127.0.0.1:{port}/langwatch"
    result = run(
        "up", "--web-port", "0", LANGWATCH_DATA_DIR=str(tmp_path / "var"), DATABASE_URL=url
    )
    assert result.returncode == 1
    assert "can't be opened or migrated" in result.stderr
    assert "secret-word" not in result.stderr


def test_a_configuration_with_mistakes_ends_the_start(tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text("teams: [{name: x}]\n")
    result = run("up", "--config", str(config), LANGWATCH_DATA_DIR=str(tmp_path / "var"))
    assert result.returncode == 2
    assert f"{config}:1: a team needs `slug`" in result.stderr


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("up", "--web-port", "0", LANGWATCH_DATA_DIR=str(tmp_path / "file" / "var"))
    assert result.returncode == 1
    assert "can't be used" in result.stderr


def test_an_unknown_command_or_option_is_exit_code_2() -> None:
    assert run("uo").returncode == 2
    assert run("up", "--prot", "1").returncode == 2


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m cli.main settings | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
