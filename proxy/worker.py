"""One gateway process, from its settings to its exit code: builds the parts, serves, drains, flushes.

What the parts do is theirs; here is only how long each lives. The link to the control plane outlives the
front door, so that what the last calls cost is still booked.
"""

import gc
import logging
import os
import socket
from dataclasses import dataclass
from functools import partial

import trio

from core.clock import utcnow
from core.ids import new_id
from core.process import (
    announce_ready,
    inherited_socket,
    listen_socket,
    parent_fd,
    worker_index,
)
from core.secret_files import with_gateway_secrets
from core.secrets import Sealer, derive, key_id_of
from core.settings import Settings, SettingsError
from proxy.access_log import effective_config
from proxy.app import create_app
from proxy.bootstrap import Bootstrap
from proxy.bundle_cache import BundleCache
from proxy.change_feed import ChangeFeed
from proxy.control_plane import ControlPlane, ControlPlaneAway, ControlPlaneRefusal
from proxy.drain import DrainTiming, Stop, drain
from proxy.gateway import Gateway
from proxy.holds import Holds, HoldTiming
from proxy.keyring import Keyring, KeyringTerms
from proxy.makers_map import MakersMap, opened
from proxy.metric_table import LINK_REQUESTS, LINK_SECONDS, SPOOL_DROPPED
from proxy.metrics import Metrics
from proxy.metrics_share import MetricsShare
from proxy.netcheck import until_reachable
from proxy.readiness import Readiness
from proxy.recovery import Recovery
from proxy.shipper import Shipper
from proxy.spool import Spool
from proxy.transport.dial import Dialer
from proxy.transport.limits import PoolLimits, ServerLimits
from proxy.transport.server import Server
from proxy.transport.upstream import UpstreamPool
from rules.estimates import OutputHistory
from rules.makers import Makers

LOG = logging.getLogger(__name__)
FLUSH_SECONDS = 5.0
EXIT_BAD_SETTINGS = 2
# A request leaves no cycles behind, so the collector need not look often, and never at what start-up made.
_GC_THRESHOLDS = (50_000, 20, 100)


@dataclass(frozen=True, slots=True)
class Parts:
    """What one worker consists of."""

    gateway: Gateway
    control_plane: ControlPlane
    shipper: Shipper
    recovery: Recovery
    feed: ChangeFeed
    share: MetricsShare
    bootstrap: Bootstrap | None = None
    makers: MakersMap | None = None


def run(settings: Settings) -> int:
    """Run one gateway process until it is told to stop; return its exit code, 0 after a drain."""
    try:
        settings = prepared(settings)
    except SettingsError as error:
        for mistake in error.mistakes:
            LOG.error("bad_setting", extra={"mistake": mistake})
        return EXIT_BAD_SETTINGS
    host, port = settings.gateway_address
    listener = inherited_socket()
    if listener is None:
        try:
            listener = listen_socket(host, port)
        except OSError as error:
            facts = {"address": f"{host}:{port}", "reason": error.strerror}
            LOG.error("cannot_listen", extra=facts)
            return EXIT_BAD_SETTINGS
    return trio.run(serve, settings, listener)


def prepared(settings: Settings) -> Settings:
    """Return settings with every secret a gateway needs. Raises SettingsError when it has none to share.

    Without a secret of its own a gateway takes the one in the data directory; it makes one only when the
    operator allowed that, since nothing else would know it.
    """
    kept = settings.data_dir / "internal.secret"
    if not settings.internal_secret and not settings.allow_insecure and not kept.exists():
        raise SettingsError(
            [
                f"LW_GATEWAY_INTERNAL_SECRET: must be set, as on the control plane, because {kept} does not exist "
                "(GATEWAY_ALLOW_INSECURE=1 makes one up, for trying things out)"
            ]
        )
    return with_gateway_secrets(settings)


def build(settings: Settings) -> Parts:
    """Put one worker together. Opens its spool: raises OSError when that can't be written."""
    epoch = new_id("wrk", utcnow())
    node = f"{socket.gethostname()}-{worker_index()}"
    control_plane = ControlPlane(settings.control_plane_url, settings.internal_secret, node)
    holds = Holds(epoch, HoldTiming(outage_seconds=settings.lease_outage_seconds))
    spool = Spool(settings.spool_dir, epoch, settings.spool_max_bytes)
    shipper = Shipper(spool, holds, control_plane, settings.ship_interval_seconds)
    holds.wake = shipper.wake
    cache = BundleCache(
        settings.data_dir / "gateway-cache",
        sealer(settings, "bundle cache"),
        derive(settings.internal_secret, "bundle cache names"),
        settings.stale_bundle_seconds,
    )
    keys = KeyringTerms(
        sealer(settings, "bundle"),
        (settings.jwt_secret, settings.jwt_secret_previous),
        settings.stale_bundle_seconds,
    )
    keyring = Keyring(control_plane, holds, cache, keys)
    pool = UpstreamPool(
        Dialer(
            settings.allowed_private_networks,
            settings.upstream_ca_file or None,
            settings.connect_seconds,
        ),
        PoolLimits(connect_seconds=settings.connect_seconds),
    )
    readiness = Readiness(lambda: control_plane.answered_s)
    metrics = Metrics()
    share = MetricsShare(settings.data_dir / "gateway-metrics", metrics, worker_index())
    makers = opened(
        settings.data_dir / "gateway-makers" / "table.1",
        derive(settings.internal_secret, "makers of sealed parts"),
    )
    gateway = Gateway(
        settings,
        keyring,
        holds,
        spool,
        pool,
        readiness,
        OutputHistory(),
        makers=Makers(shared=makers),
        metrics=metrics,
        metrics_page=share.page,
    )
    control_plane.told = partial(_count_link, metrics)
    metrics.source(SPOOL_DROPPED, lambda: {("rejected",): shipper.rejected})
    feed = ChangeFeed(control_plane, keyring, shipper.retry)
    recovery = Recovery(settings.spool_dir, control_plane)
    bootstrap = None
    if settings.bootstrap_pull:
        bootstrap = Bootstrap(control_plane, keyring, feed, keys.sealer)
    return Parts(gateway, control_plane, shipper, recovery, feed, share, bootstrap, makers)


def _count_link(metrics: Metrics, endpoint: str, status: str, seconds: float) -> None:
    metrics.count(LINK_REQUESTS, (endpoint, status))
    if endpoint != "changes":
        metrics.observe(LINK_SECONDS, (endpoint,), seconds)


def sealer(settings: Settings, purpose: str) -> Sealer:
    """Return what opens texts sealed under the internal secret, or under the one before a rotation."""
    secrets = [s for s in (settings.internal_secret, settings.internal_secret_previous) if s]
    keys = [derive(secret, f"seal {purpose}") for secret in secrets]
    return Sealer({key_id_of(key): key for key in keys}, key_id_of(keys[0]))


async def serve(settings: Settings, listener: socket.socket) -> int:
    """Serve on a listening socket until told to stop, then drain, flush and let go of the slices."""
    LOG.info("gateway_effective_config", extra=dict(effective_config(settings)))
    if settings.jwt_secret_previous:
        LOG.info("jwt_secret_rotation_active")
    try:
        parts = build(settings)
    except OSError as error:
        LOG.error("cannot_write_spool", extra={"reason": str(error)})
        return EXIT_BAD_SETTINGS
    async with parts.control_plane:
        async with trio.open_nursery() as link:
            for task in (
                parts.shipper.run,
                parts.recovery.run,
                parts.feed.follow,
                parts.gateway.keyring.refresh_forever,
                parts.gateway.pool.run,
                parts.gateway.access.run,
                parts.share.run,
                partial(parts.gateway.captures.run, parts.gateway.spool),
                parts.gateway.tokens.run,
            ):
                link.start_soon(task)
            if parts.bootstrap is not None:
                link.start_soon(parts.bootstrap.run)
            await _front_door(parts, listener)
            link.cancel_scope.cancel()
        await _leave(parts)
    LOG.info("gateway_stopped")
    return 0


async def _front_door(parts: Parts, listener: socket.socket) -> None:
    gateway, stop = parts.gateway, Stop()
    settings = gateway.settings
    server = Server(
        create_app(gateway),
        ServerLimits(
            max_body_bytes=settings.max_body_bytes,
            client_write_seconds=settings.client_write_seconds,
        ),
    )
    async with trio.open_nursery() as front:
        await front.start(stop.watch_signals)
        if (descriptor := parent_fd()) is not None:
            front.start_soon(stop.watch_parent, descriptor)
        serving = trio.Event()
        front.start_soon(_run_server, server, listener, serving)
        front.start_soon(_start_up, parts, listener)
        await stop.asked.wait()
        timing = DrainTiming(settings.drain_delay_seconds, settings.graceful_seconds)
        await drain(stop, gateway.readiness, timing, server.drain)
        await serving.wait()
        front.cancel_scope.cancel()


async def _run_server(server: Server, listener: socket.socket, done: trio.Event) -> None:
    await server.run([listener])
    done.set()


async def _start_up(parts: Parts, listener: socket.socket) -> None:
    """Say that the worker is ready once the hosts that the operator named can be reached."""
    gateway = parts.gateway
    name = listener.getsockname()
    LOG.info("gateway_listening", extra={"address": f"{name[0]}:{name[1]}"})
    await until_reachable(gateway.settings.netcheck_hosts)
    if parts.bootstrap is not None:
        await parts.bootstrap.hold_start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    gateway.readiness.started = True
    announce_ready()
    LOG.info("gateway_started", extra={"epoch": gateway.spool.epoch, "pid": os.getpid()})


async def _leave(parts: Parts) -> None:
    """Book what is left, and only then let go of the slices: unbooked spend still stands against them."""
    spool = parts.gateway.spool
    with trio.move_on_after(FLUSH_SECONDS):
        await parts.gateway.captures.flush(spool)
        await parts.shipper.flush()
        try:
            # What was not used for a while has been given back already.
            if parts.gateway.holds.active:
                await parts.control_plane.release(spool.epoch)
        except (ControlPlaneAway, ControlPlaneRefusal) as error:
            LOG.warning("leases_not_released", extra={"reason": str(error)})
    if not spool.is_empty:
        LOG.warning("spool_left_for_recovery", extra={"unshipped_bytes": spool.unshipped_bytes})
    spool.close()
    parts.share.close()
    if parts.makers is not None:
        parts.makers.close()
