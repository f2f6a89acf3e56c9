"""The `up` command: prepares one machine, starts the three programs and says where they are."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from cli.children import Addresses, Heirlooms, programs, without
from cli.environment import overlaid
from cli.premises import lock_data_dir, open_listeners
from cli.startup import Prepared, let_go, prepare, with_directory
from cli.supervisor import Supervisor, Timing
from core.log import configure
from core.settings import Settings, load

SETUP_PATH = "/setup?token="
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - translated away, not bound


@click.command()
@click.option("--web-port", help="Port of the web app, 5560 unless set; 0 takes a free one.")
@click.option("--gateway-port", help="Port of the gateway, 5563 unless set; 0 takes a free one.")
@click.option("--data-dir", help="Where everything is kept, ./var unless set.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A governance file to apply before the start.",
)
@click.option("--workers", help="How many gateway processes share the port, 1 unless set.")
@click.option(
    "--demo",
    is_flag=True,
    help="Fill in made-up activity: 30 days to look at, and the 30 before to compare with.",
)
@click.option("--json", "is_json", is_flag=True, help="Report as JSON, one event a line.")
def up(
    web_port: str | None,
    gateway_port: str | None,
    data_dir: str | None,
    config: Path | None,
    workers: str | None,
    demo: bool,
    is_json: bool,
) -> None:
    """Run the web app, the gateway and the streamer under one supervisor.

    What dies is started again. Ctrl-C or SIGTERM drains: running requests finish, records are kept.
    """
    given = {
        "LANGWATCH_WEB_PORT": web_port,
        "LANGWATCH_DATA_DIR": data_dir,
        "LANGWATCH_GATEWAY_WORKERS": workers,
    }
    environ = overlaid(os.environ, given)
    if gateway_port is not None:
        host = load(environ).gateway_address[0]
        environ["SERVER_ADDR"] = (
            f"[{host}]:{gateway_port}" if ":" in host else f"{host}:{gateway_port}"
        )
    if sys.stderr.isatty() and not is_json:
        # No load balancer watches a terminal, so nobody needs the delay before a drain.
        environ.setdefault("SERVER_DRAIN_DELAY_SECONDS", "0")
    settings = with_directory(load(environ))
    configure("up", settings.log_level, settings.log_format)
    lock = lock_data_dir(settings.data_dir)
    prepared = prepare(settings, config, environ)
    if demo:
        _fill(settings)
    if prepared.applied is not None:
        environ = without(environ, prepared.applied.used_variables)
    _run(settings, environ, lock, Report(is_json, prepared))


def _fill(settings: Settings) -> None:
    from core.clock import utcnow
    from streamer.demo import fill

    fill(settings, utcnow())
    let_go()


class Report:
    """Tells whoever started us what there is to know, as text or as JSON lines."""

    def __init__(self, is_json: bool, prepared: Prepared) -> None:
        self._is_json = is_json
        self._prepared = prepared

    def ready(self, addresses: Addresses, settings: Settings) -> None:
        """Report once everything answers. The first JSON line holds the addresses and no secret."""
        web = settings.web_url or addresses.web
        gateway = settings.gateway_url or addresses.gateway
        token = self._prepared.setup_token
        setup_url = f"{web}{SETUP_PATH}{token.reveal()}" if token else None
        if not self._is_json:
            _banner(web, gateway, settings.data_dir, setup_url)
            if self._prepared.applied is not None:
                click.echo(self._prepared.applied.as_text())
            return
        _event({"event": "ready", "web": web, "gateway": gateway})
        if setup_url:
            _event({"event": "setup", "setup_url": setup_url})
        if self._prepared.applied is not None:
            _event({"event": "applied", **self._prepared.applied.as_json()})

    def stopped(self) -> None:
        """Report that everything has ended."""
        if self._is_json:
            _event({"event": "stopped"})


def _run(settings: Settings, environ: Mapping[str, str], lock: int, report: Report) -> None:
    web, gateways = open_listeners(settings)
    addresses = _addresses(settings, web.getsockname()[1], gateways[0].getsockname()[1])
    environ = dict(environ) | {
        "LANGWATCH_WEB_PORT": str(web.getsockname()[1]),
        "SERVER_ADDR": _authority(settings.gateway_address[0], gateways[0].getsockname()[1]),
    }
    pulse, ours = os.pipe()
    drain_seconds = settings.drain_delay_seconds + settings.graceful_seconds
    supervisor = Supervisor(
        programs(environ, settings, addresses, (web, gateways)),
        Heirlooms(pulse, lock),
        Timing(gateway_drain_seconds=drain_seconds),
    )
    probes = [f"{addresses.control_plane}/readyz", f"{addresses.gateway}/readyz"]
    try:
        with supervisor.started(probes):
            report.ready(addresses, settings)
            supervisor.watch()
    finally:
        os.close(ours)
    report.stopped()


def _addresses(settings: Settings, web_port: int, gateway_port: int) -> Addresses:
    web = f"http://{_reachable(settings.web_host, web_port)}"
    return Addresses(web, f"http://{_reachable(settings.gateway_address[0], gateway_port)}", web)


def _reachable(host: str, port: int) -> str:
    return _authority(_EVERYWHERE.get(host, host).strip("[]"), port)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _event(event: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _banner(web: str, gateway: str, data_dir: Path, setup_url: str | None) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    console.print(Text("LangWatch is running.", style="bold"))
    rows = [("Web app", web), ("Gateway", gateway), ("Data", str(data_dir.absolute()))]
    for label, value in rows:
        console.print(Text(f"  {label:<9}{value}"))
    if setup_url:
        console.print(Text("\nCreate the first administrator with this link; it works once:"))
        console.print(Text(f"  {setup_url}", style="bold"))
    console.print(Text("\nCtrl-C stops everything, running requests first."))
