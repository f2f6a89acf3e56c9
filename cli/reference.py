"""Writes the generated pages of the reference manual from the code, so that they can't drift from it.

`python -m cli.reference` rewrites them under docs/reference; a test fails when a page is not current.
"""

import sys
from pathlib import Path

import click

from cli.api_reference import management_api_page
from cli.providers_reference import providers_page
from cli.routes_reference import routes_page
from cli.settings_table import sentence_of, shown_default
from cli.translation_reference import translation_page
from core.fault import Fault
from core.settings import CLIENT_VARIABLES, TABLE
from proxy.metric_table import BUCKETS, MAX_SERIES
from proxy.metric_table import TABLE as METRICS
from proxy.metrics import MAX_MODELS
from rules.permissions import ADMIN, BAGS, CATALOG, MEMBER, ORGANIZATION_ONLY, TEAM_BAGS, VIEWER

_GENERATED = "<!-- Written by `python -m cli.reference`; edit the code, not this page. -->\n"


def settings_page() -> str:
    """Return the page that lists every setting."""
    lines = [
        "# Settings\n",
        _GENERATED,
        "Settings are environment variables. A variable that starts with `LANGWATCH_`, `LW_` or",
        "`GATEWAY_` and is not listed here stops the start, and so does a value that can't be read; all",
        "mistakes are named at once. `langwatch settings --check` looks without starting anything.\n",
        "A secret may also be put in a file: set `NAME_FILE` to its path and leave `NAME` unset. Where a",
        "row has several names, the first one that is set counts.\n",
        "| Variable | Default | Unit | What it does |",
        "| --- | --- | --- | --- |",
    ]
    for setting in TABLE.values():
        names = "<br>".join(f"`{name}`" for name in setting.names)
        default = f"`{shown_default(setting)}`" if shown_default(setting) else ""
        lines.append(f"| {names} | {default} | {setting.unit} | {sentence_of(setting)} |")
    lines += [
        "\n## On the machine of a user\n",
        "These are read by the command line, not by the programs.\n",
        "| Variable | What it does |",
        "| --- | --- |",
    ]
    lines += [f"| `{name}` | {sentence} |" for name, sentence in CLIENT_VARIABLES.items()]
    return "\n".join(lines) + "\n"


def faults_page() -> str:
    """Return the page that lists every refusal of ours."""
    lines = [
        "# Faults\n",
        _GENERATED,
        "Every refusal that does not come from a provider has one of these codes. The gateway puts it",
        "into `error.code` (the shape of OpenAI and Anthropic) or `error.type` and `error.details` (Google's, whose",
        "`error.code` is the status); the web app's JSON answers carry it in `error.code`. An error of a",
        "provider passes through unchanged. Within a stream a failure is an event of the API's own kind, and",
        "then the connection is broken off: a torn answer never ends cleanly. `x-should-retry: false` stands",
        "where waiting does not help.\n",
        "| Code | Status | Worth trying again | What to do |",
        "| --- | --- | --- | --- |",
    ]
    for fault in Fault:
        again = "yes" if fault.is_retryable else "no"
        lines.append(f"| `{fault.code}` | {fault.status} | {again} | {fault.hint} |")
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """Return the page that documents every command and option."""
    from cli.main import langwatch

    lines = [
        "# Command line\n",
        _GENERATED,
        "Exit code 0: done. 1: it could not be done; standard error says why and what to do. 2: it was",
        "asked wrongly: an unknown option, a setting or a configuration file with mistakes. What a script",
        "reads goes to standard output, everything else to standard error.\n",
    ]
    context = click.Context(langwatch, info_name="langwatch", **langwatch.context_settings)
    lines += ["```", langwatch.get_help(context), "```\n"]
    for name in langwatch.list_commands(context):
        command = langwatch.get_command(context, name)
        if command is not None:
            lines += _command(command, click.Context(command, info_name=name, parent=context))
    return "\n".join(lines).rstrip() + "\n"


def _command(command: click.Command, context: click.Context) -> list[str]:
    lines = [f"## `{context.command_path}`\n", "```", command.get_help(context), "```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                lines += _command(inner, click.Context(inner, info_name=name, parent=context))
    return lines


def metrics_page() -> str:
    """Return the page that lists every metric of the gateway."""
    lines = [
        "# Metrics\n",
        _GENERATED,
        "The gateway answers `GET /metrics` on its own port in Prometheus's text format, for all workers",
        "of the machine, whichever is asked. Who may ask, and what to watch, says",
        "[Watch it run](../howto/observability.md).\n",
        "| Metric | Kind | Labels | What it counts |",
        "| --- | --- | --- | --- |",
    ]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help} |")
    buckets = ", ".join(f"{bound:g}" for bound in BUCKETS)
    lines += [
        f"\nBuckets of every histogram, in seconds: {buckets}.\n",
        "A model that no provider answered for is counted as `other`, one that was never named as",
        f"`unknown`. Past {MAX_MODELS} models, or {MAX_SERIES} series of one metric, whatever tenants bring",
        "about is counted as `other` too.",
    ]
    return "\n".join(lines) + "\n"


def permissions_page() -> str:
    """Return the page that lists every permission and who has it by default."""
    lines = [
        "# Permissions\n",
        _GENERATED,
        "A permission is `resource:verb`; `manage` holds every verb of its resource. It is granted by a person's",
        "role in the organization, by their role in a team, or by a role binding: a role for a user, a group, a",
        "service account or an API key at the organization, a team or a project. A grant reaches everything below",
        "its scope. Resources marked *organization* are granted at the organization alone.\n",
        "An organization's administrators hold everything; its members and external people hold",
        f"{_listed(BAGS[MEMBER])}. In a team, by role:\n",
        "| Resource | Verbs | Granted at | Team admin | Team member | Team viewer |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for resource, verbs in CATALOG.items():
        where = "organization" if resource in ORGANIZATION_ONLY else "any scope"
        held = [
            " ".join(v for v in verbs if f"{resource}:{v}" in TEAM_BAGS[role]) or "–"
            for role in (ADMIN, MEMBER, VIEWER)
        ]
        lines.append(f"| `{resource}` | {' '.join(verbs)} | {where} | {' | '.join(held)} |")
    lines += [
        "\nA custom role is a list of permissions of your own; with an empty list it grants what a viewer has. An",
        "API key never holds more than its owner: `readonly` leaves the `view` verbs, `restricted` what is listed,",
        "and a key with bindings of its own is held to those as well, also when none of them is left. Nobody gives",
        "more than they hold, but what every member of the organization and of a team has.\n",
        "In a workspace of their own people hold what a team's admin holds, but of its budgets only the view.",
    ]
    return "\n".join(lines) + "\n"


def _listed(permissions: frozenset[str]) -> str:
    return " and ".join(f"`{permission}`" for permission in sorted(permissions))


PAGES = {
    "settings.md": settings_page,
    "faults.md": faults_page,
    "cli.md": cli_page,
    "management-api.md": management_api_page,
    "metrics.md": metrics_page,
    "permissions.md": permissions_page,
    "providers.md": lambda: providers_page(_GENERATED),
    "routes.md": routes_page,
    "translation.md": translation_page,
}


def main() -> None:
    """Rewrite the pages in the folder given, docs/reference when none is."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page())


if __name__ == "__main__":
    main()
