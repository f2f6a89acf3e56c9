"""The entry point of the `langwatch` command. Each command lives in its own module, imported when asked for.

So that `langwatch --help` answers at once, nothing here imports a database, a web framework or a program.
"""

import importlib
import os
import sys

import click

# name -> (module, attribute, the sentence that `langwatch --help` shows)
COMMANDS = {
    "up": ("cli.up", "up", "Run the web app, the gateway and the streamer under one supervisor."),
    "web": ("cli.programs", "web", "Run the web app alone."),
    "gateway": ("cli.programs", "gateway", "Run one gateway process alone."),
    "streamer": ("cli.programs", "streamer", "Run the streamer alone."),
    "apply": ("cli.apply.command", "apply", "Bring the control plane to what a file declares."),
    "ledger": ("cli.ledger.command", "ledger", "Read the ledger of calls."),
    "audit": (
        "cli.audit.command",
        "audit",
        "Prove that the audit log was not altered, or read it.",
    ),
    "person": (
        "cli.person.command",
        "person",
        "Export what is stored about a person, or erase them.",
    ),
    "secrets": (
        "cli.rotation",
        "secrets",
        "See which keys protect what is stored, and change them.",
    ),
    "request-increase": (
        "cli.request_increase",
        "request_increase",
        "Open the page where a higher budget is asked for.",
    ),
    "settings": ("cli.settings_table", "settings", "Print every setting, or check those given."),
    "migrate": ("cli.programs", "migrate", "Bring the control database to this version's schema."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when one of them runs or is asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing its module, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in COMMANDS])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="langwatch-control-plane", prog_name="langwatch")
def langwatch() -> None:
    """One control plane over every AI tool: gateway, governance, activity lake."""


def main() -> None:
    """Run the command line. Exit code 0: done; 1: it could not be done; 2: it was asked wrongly."""
    from cli.problems import report

    # Databases, spool and secrets are for the account that runs the programs, whatever its shell says.
    os.umask(0o077)
    try:
        langwatch.main(prog_name="langwatch", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - the edge: each failure becomes words and an exit code
        sys.exit(report(error))


if __name__ == "__main__":
    main()
