"""What each of the three programs is started with: command, environment, descriptors. Watches none of them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from core.process import LISTEN_FD, PARENT_FD, READY_FD, WORKER_INDEX
from core.settings import GATEWAY_MENU_FLAG, GOVERNANCE_FLAG, Settings

# The gateway has no database, opens nothing that the master key sealed and sends no mail, so it is not shown these.
_HIDDEN_FROM_GATEWAY = (
    *("LANGWATCH_MASTER_KEY", "LANGWATCH_MASTER_KEY_PREVIOUS"),
    *("LW_VIRTUAL_KEY_PEPPER", "LW_VIRTUAL_KEY_PEPPER_PREVIOUS"),
    *("LANGWATCH_SMTP_PASSWORD", "DATABASE_URL"),
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the started programs are found, as URLs without a trailing slash."""

    web: str
    gateway: str
    control_plane: str
    """The web app as the gateway reaches it: never a public name that leads outside and back."""


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running. ``kind`` is the subcommand and the rank in a drain; the socket, if any,
    is ours and stays open, so that connections wait while the process is started again."""

    kind: str
    name: str
    environ: Mapping[str, str]
    listener: socket.socket | None = None
    command: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return what is executed: the subcommand of our own, unless another command is given.

        -P keeps Python from running a folder called `cli` where the operator happens to stand.
        """
        return [sys.executable, *(self.command or ("-P", "-m", "cli.main", self.kind))]


@dataclass(frozen=True, slots=True)
class Heirlooms:
    """Descriptors that every child gets: the pulse of the supervisor and the lock on the data directory."""

    pulse: int
    lock: int


@dataclass(slots=True)
class Child:
    """A program's current process, if any, and how its life went."""

    program: Program
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0
    is_ready: bool = False
    ready_fd: int | None = None
    delay_seconds: float = 0
    restart_at: float | None = None
    exit_code: int | None = field(default=None)

    def start(self, heirlooms: Heirlooms, now: float) -> None:
        """Start the process, in a process group of its own so that Ctrl-C reaches only the supervisor."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        passed = [writing, heirlooms.pulse, heirlooms.lock]
        environ = dict(self.program.environ)
        environ |= {READY_FD: str(writing), PARENT_FD: str(heirlooms.pulse)}
        if self.program.listener is not None:
            passed.append(self.program.listener.fileno())
            environ[LISTEN_FD] = str(self.program.listener.fileno())
        try:
            self.process = subprocess.Popen(
                self.program.arguments(),
                env=environ,
                pass_fds=passed,
                process_group=0,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
            )
        finally:
            os.close(writing)
        self.started_at, self.restart_at = now, None
        self.ready_fd, self.is_ready, self.exit_code = reading, False, None

    def close_ready_pipe(self) -> None:
        """Forget the readiness pipe."""
        if self.ready_fd is not None:
            os.close(self.ready_fd)
            self.ready_fd = None

    def send(self, number: signal.Signals) -> None:
        """Signal the process if it lives; SIGKILL goes to all it may have started."""
        if self.process is None or self.process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)


def programs(
    environ: Mapping[str, str],
    settings: Settings,
    addresses: Addresses,
    listeners: tuple[socket.socket, list[socket.socket]],
) -> list[Program]:
    """Return the programs of one machine: the web app, a gateway for each socket, the streamer."""
    web_socket, gateway_sockets = listeners
    shared = shared_environ(environ, settings, addresses)
    gateways = [
        Program(
            "gateway",
            f"gateway-{index}" if len(gateway_sockets) > 1 else "gateway",
            {**gateway_environ(shared), WORKER_INDEX: str(index)},
            listener,
        )
        for index, listener in enumerate(gateway_sockets)
    ]
    web = Program("web", "web", web_environ(shared, settings), web_socket)
    return [web, *gateways, Program("streamer", "streamer", shared)]


def shared_environ(
    environ: Mapping[str, str], settings: Settings, addresses: Addresses
) -> dict[str, str]:
    """Return what all children see: the operator's environment and the addresses that are really in use."""
    known = {"LANGWATCH_DATA_DIR": str(settings.data_dir.absolute())}
    if not settings.web_url:
        known["LANGWATCH_PUBLIC_URL"] = addresses.web
    if not settings.gateway_url:
        known["LW_GATEWAY_PUBLIC_URL"] = addresses.gateway
    if not {"LW_GATEWAY_BASE_URL", "GATEWAY_CONTROL_PLANE_URL"} & set(environ):
        known["LW_GATEWAY_BASE_URL"] = addresses.control_plane
    return {**environ, **known}


def web_environ(shared: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Return the web app's environment: the gateway's menu is on, and so is governance unless the operator decided.

    Whoever starts the whole control plane wants to see it; a web app on its own keeps its default.
    """
    governance = () if settings.governance_flag else (GOVERNANCE_FLAG,)
    flags = dict.fromkeys([*settings.force_flags, *governance, GATEWAY_MENU_FLAG])
    return {**shared, "FEATURE_FLAG_FORCE_ENABLE": ",".join(flags)}


def gateway_environ(shared: Mapping[str, str]) -> dict[str, str]:
    """Return a gateway's environment, without what only the control plane may know."""
    return without(shared, (f"{n}{end}" for n in _HIDDEN_FROM_GATEWAY for end in ("", "_FILE")))


def without(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the environment without the variables named."""
    hidden = set(names)
    return {name: value for name, value in environ.items() if name not in hidden}
