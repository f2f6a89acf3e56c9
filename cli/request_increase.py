"""The `request-increase` command: finds the budget that stands in the way and opens the page to ask for more."""

import os
import webbrowser
from typing import Any

import click

from cli.problems import ASKED_WRONGLY, Stopped

_TIMEOUT_SECONDS = 15
_NO_BROWSER = "none"


@click.command("request-increase")
@click.option(
    "--key-env",
    default="LANGWATCH_VIRTUAL_KEY",
    show_default=True,
    help="The environment variable that holds the virtual key; a key on a command line would be seen.",
)
@click.option(
    "--url",
    envvar="LANGWATCH_ENDPOINT",
    default="http://127.0.0.1:5560",
    show_default=True,
    help="The address of the control plane.",
)
@click.option("--budget", default="", help="The budget's name, where not the fullest one is meant.")
@click.option(
    "--browser",
    default=None,
    help="The browser to open; none prints the address only. LANGWATCH_BROWSER or BROWSER otherwise.",
)
def request_increase(key_env: str, url: str, budget: str, browser: str | None) -> None:
    """Open the page where a higher budget is asked for, for the budget that is nearest to its limit."""
    key = os.environ.get(key_env, "").strip()
    if not key:
        raise Stopped(f"{key_env} holds no virtual key; set it, or name another.", ASKED_WRONGLY)
    budgets = _budgets(url.rstrip("/"), key)
    chosen = [one for one in budgets if not budget or one["name"] == budget][:1]
    if not chosen:
        names = ", ".join(one["name"] for one in budgets) or "none"
        raise Stopped(f"There is no such budget on this key; there are: {names}.")
    (one,) = chosen
    click.echo(f"{one['name']}: {one['spent_usd']} of {one['limit_usd']} USD is spent.")
    click.echo(f"Opening {one['request_increase_url']}")
    _open(one["request_increase_url"], browser)


def _budgets(url: str, key: str) -> list[dict[str, Any]]:
    """Return the budgets on a key, the fullest first. Raises Stopped."""
    import httpx

    try:
        answer = httpx.get(
            f"{url}/api/auth/cli/budget/status",
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_SECONDS,
        )
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Stopped(f"{url} does not answer: {error}.") from None
    if answer.status_code not in (200, 402):
        said = body.get("error") if isinstance(body, dict) else None
        words = said.get("message") if isinstance(said, dict) else ""
        raise Stopped(f"The control plane refused: {words or answer.status_code}.")
    found: list[dict[str, Any]] = body["budgets"]
    return found


def _open(address: str, browser: str | None) -> None:
    chosen = browser or os.environ.get("LANGWATCH_BROWSER") or os.environ.get("BROWSER") or ""
    if chosen == _NO_BROWSER:
        return
    try:
        webbrowser.get(chosen or None).open(address)
    except webbrowser.Error:
        # The address was printed; without a browser it can be opened by hand.
        return
