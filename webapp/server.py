"""Runs the web app: migrates, makes the first-run rows, listens, announces readiness, drains. Serves no page itself."""

from __future__ import annotations

import dataclasses
import logging
import signal
import socket
import sys
from functools import partial
from typing import Any

import peewee
import trio
from hypercorn.config import Config, Sockets
from hypercorn.trio.run import worker_serve

from core import process
from core.authoring import first_run
from core.clock import utcnow
from core.database import database, migrate, open_database
from core.secret_files import prepare_data_dir, with_control_plane_secrets
from core.secrets import Secret
from core.settings import Settings
from webapp.app import MAX_BODY_BYTES, create_app
from webapp.state import ControlPlane
from webapp.views.internal import CHANGES_PATH
from webapp.wsgi_bridge import Bridge

LOG = logging.getLogger(__name__)
GRACEFUL_SECONDS = 10
KEEP_ALIVE_SECONDS = 75
READ_SECONDS = 60
MAX_HEAD_BYTES = 32 * 1024


def run(settings: Settings) -> int:
    """Run the web app until SIGTERM, SIGINT or the end of its supervisor; return the exit code."""
    prepare_data_dir(settings.data_dir)
    settings = with_control_plane_secrets(settings)
    try:
        listener = _listener(settings)
    except OSError as error:
        address = f"{settings.web_host}:{settings.web_port}"
        LOG.error("cannot_listen", extra={"address": address, "reason": error.strerror})
        return 1
    settings = _with_own_address(settings, listener)
    try:
        open_database(settings.control_database_url)
        migrate()
    except peewee.DatabaseError as error:
        LOG.error("database_unusable", extra={"reason": str(error).strip()})
        return 1
    app = create_app(settings)
    control_plane: ControlPlane = app.extensions["control_plane"]
    _invite(control_plane)
    bridge = Bridge(app, MAX_BODY_BYTES, CHANGES_PATH.__eq__)
    try:
        trio.run(_serve, bridge, control_plane, listener)
    finally:
        control_plane.lake.close()
        _close_database()
    LOG.info("web_stopped")
    return 0


def _listener(settings: Settings) -> socket.socket:
    inherited = process.inherited_socket()
    return inherited or process.listen_socket(settings.web_host, settings.web_port)


def _with_own_address(settings: Settings, listener: socket.socket) -> Settings:
    if settings.web_url:
        return settings
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    shown = f"[{shown}]" if ":" in shown else shown
    return dataclasses.replace(settings, web_url=f"http://{shown}:{port}")


def _invite(control_plane: ControlPlane) -> None:
    if process.parent_fd() is not None:
        return  # the supervisor made the first-run rows and shows the link; a second one would end the first
    settings = control_plane.settings
    token = first_run.ensure(settings.pepper, control_plane.sealer, utcnow())
    if token is not None:
        _print_invitation(settings.web_url, token)


def _print_invitation(web_url: str, token: Secret) -> None:
    # To the terminal and not to the log: log lines are kept and shipped, and this link lets anyone in.
    sys.stderr.write(
        "\nNobody administers this installation yet. Open this link to create the first administrator;"
        f" it works once, for 24 hours:\n\n  {web_url}/setup?token={token.reveal()}\n\n"
    )
    sys.stderr.flush()


async def _serve(bridge: Bridge, control_plane: ControlPlane, listener: socket.socket) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_signals, stop)
        nursery.start_soon(_watch_parent, stop)
        serving: Any = partial(
            worker_serve,
            bridge,  # type: ignore[arg-type]
            _config(),
            sockets=Sockets([], [listener], []),
            shutdown_trigger=partial(_stopping, stop, control_plane),
        )
        await nursery.start(_until_served, serving, nursery.cancel_scope)
        process.announce_ready()
        LOG.info("web_ready", extra={"url": control_plane.settings.web_url})


async def _until_served(
    serving: Any, scope: trio.CancelScope, task_status: trio.TaskStatus[Any]
) -> None:
    await serving(task_status=task_status)
    scope.cancel()


async def _stopping(stop: trio.Event, control_plane: ControlPlane) -> None:
    """Return when the server shall stop; long polls are answered then, so that they hold nothing up."""
    await stop.wait()
    LOG.info("web_draining")
    control_plane.feed.close()


async def _watch_signals(stop: trio.Event, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()


async def _watch_parent(stop: trio.Event) -> None:
    descriptor = process.parent_fd()
    if descriptor is not None:
        await trio.lowlevel.wait_readable(descriptor)
        stop.set()


def _config() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    # It announces its address and how to quit; web_ready says that with our fields.
    config.errorlog.setLevel(logging.WARNING)
    config.graceful_timeout = GRACEFUL_SECONDS
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.read_timeout = READ_SECONDS
    config.h11_max_incomplete_size = MAX_HEAD_BYTES
    config.include_server_header = False
    # Over plain TCP only HTTP/1.1 is spoken; h2c upgrades would bring their own limits.
    config.alpn_protocols = ["http/1.1"]
    return config


def _close_database() -> None:
    close_all = getattr(database.obj, "close_all", None)
    if close_all is not None:
        close_all()
