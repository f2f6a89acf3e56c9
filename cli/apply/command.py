"""The `apply` command: reads a governance file, applies it, prints what that did."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from cli.problems import ASKED_WRONGLY, Stopped
from core.sealing import database_sealer
from core.secrets import Secret
from core.settings import Settings


@click.command()
@click.option(
    "-f",
    "--file",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The governance file; - reads standard input.",
)
@click.option("--dry-run", is_flag=True, help="Print what would happen and change nothing.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the control plane keeps its data."
)
def apply(path: Path, dry_run: bool, is_json: bool, data_dir: Path | None) -> None:
    """Bring the control plane to what a file declares. It may run meanwhile, and need not."""
    from cli.environment import settings_for
    from cli.programs import migrated
    from core.secret_files import prepare_data_dir, with_control_plane_secrets

    settings = settings_for(data_dir)
    prepare_data_dir(settings.data_dir)
    migrated(settings)
    applied = apply_file(path, with_control_plane_secrets(settings), os.environ, dry_run)
    if is_json:
        import orjson

        sys.stdout.buffer.write(orjson.dumps(applied.as_json()) + b"\n")
    else:
        click.echo(applied.as_text())


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying a file did, or would do."""

    steps: list[tuple[str, str, str]]
    """created, changed or unchanged; the kind; the name."""
    secrets: list[tuple[str, str, Secret]]
    """Kind, name and the secret that was made and can't be read again; empty after a dry run."""
    used_variables: frozenset[str]
    is_dry: bool

    def as_json(self) -> dict[str, object]:
        """Return the object that ``--json`` prints."""
        found: dict[str, object] = {
            verb: [f"{kind} {name}" for done, kind, name in self.steps if done == verb]
            for verb in ("created", "changed", "unchanged")
        }
        secrets = [{"kind": k, "name": n, "secret": s.reveal()} for k, n, s in self.secrets]
        return found | {"secrets": secrets}

    def as_text(self) -> str:
        """Return the lines that a person reads."""
        marks = {"created": "+ create", "changed": "~ change", "unchanged": "= leave "}
        lines = [f"{marks[verb]}  {kind} {name}" for verb, kind, name in self.steps]
        counts = [sum(done == verb for done, _, _ in self.steps) for verb in marks]
        lines.append("{} created, {} changed, {} unchanged".format(*counts))
        if self.is_dry:
            lines[-1] += " (dry run: nothing was changed)"
        if self.secrets:
            lines.append("\nThese secrets are shown once; keep them now:")
            lines += [f"  {kind} {name}  {secret.reveal()}" for kind, name, secret in self.secrets]
        return "\n".join(lines)


def apply_file(
    path: Path, settings: Settings, environ: Mapping[str, str], is_dry: bool = False
) -> Applied:
    """Apply a file to the database that is open. Raises Stopped with every mistake by line."""
    from cli.apply.changes import carry_out
    from cli.apply.entries import Mistakes
    from cli.apply.result import Keys
    from cli.apply.shape import read
    from core.clock import utcnow

    keys = Keys(settings.pepper, database_sealer(settings))
    try:
        document = read(_text_of(path), environ)
        result = carry_out(document, keys, utcnow(), is_dry)
    except Mistakes as mistakes:
        count = len(mistakes.found)
        heading = f"{count} mistake{'s' if count > 1 else ''} in {path}; nothing was applied."
        lines = [f"  {path}:{m.line}: {m.sentence}" for m in mistakes.found]
        raise Stopped("\n".join([heading, *lines]), ASKED_WRONGLY) from None
    steps = [(verb, item.kind, item.name) for verb, item in result.steps]
    secrets = [] if is_dry else [(i.kind, i.name, secret) for i, secret in result.secrets]
    return Applied(steps, secrets, document.used_variables, is_dry)


def _text_of(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text()
    except OSError as error:
        raise Stopped(f"{path} can't be read: {error.strerror}.", ASKED_WRONGLY) from None
    except UnicodeDecodeError as error:
        raise Stopped(f"{path} is not UTF-8 text: {error.reason}.", ASKED_WRONGLY) from None
