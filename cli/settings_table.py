"""The `settings` command: prints the one table of settings, or checks those that are given."""

import os

import click

from core.settings import CLIENT_VARIABLES, TABLE, Setting, load


@click.command()
@click.option(
    "--check", is_flag=True, help="Only check what is set; exit 2 and list every mistake."
)
@click.option("--markdown", is_flag=True, help="Print the page of the reference manual.")
def settings(check: bool, markdown: bool) -> None:
    """Print every setting: environment variable, default, unit, what it does."""
    if check:
        load(os.environ)
        click.echo("Every setting is in order.")
    elif markdown:
        from cli.reference import settings_page

        click.echo(settings_page(), nl=False)
    else:
        _print_table()


def _print_table() -> None:
    for setting in TABLE.values():
        default = shown_default(setting)
        facts = f"{setting.unit}, default {default}" if default else setting.unit
        _print_row(setting.names, facts, sentence_of(setting))
    click.echo("Read by the command line on a user's machine:\n")
    for name, sentence in CLIENT_VARIABLES.items():
        _print_row((name,), "", sentence)


def _print_row(names: tuple[str, ...], facts: str, sentence: str) -> None:
    shown = ", ".join(click.style(name, bold=True) for name in names)
    click.echo(f"{shown}  ({facts})" if facts else shown)
    click.echo(f"    {sentence}\n")


def shown_default(setting: Setting) -> str:
    """Return a default as an operator would write it; empty when there is none."""
    value = setting.default
    if setting.is_secret or value in ("", ()):
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return ":".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def sentence_of(setting: Setting) -> str:
    """Return what a setting does, with the other way to give a secret."""
    also = f" Also through {setting.names[0]}_FILE." if setting.is_secret else ""
    return setting.sentence + also
