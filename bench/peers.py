"""The peers: nginx, Envoy and Hypercorn + httpx as plain reverse proxies, one worker each.

They check no key and count no token; that difference is what the benchmark shows.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import UNDER_TEST_CORE, family, free_port, running
from bench.upstream import nginx_command

ENVOY_CONFIG = Path(__file__).with_name("envoy.yaml")


@dataclass(frozen=True, slots=True)
class Relay:
    """A running proxy: where it listens, which processes it is, which key it wants."""

    name: str
    url: str
    pids: tuple[int, ...]
    key: str = "sk-provider"


Starter = Callable[[Path, int], AbstractContextManager[Relay]]


@contextmanager
def nginx(folder: Path, upstream_port: int) -> Iterator[Relay]:
    """Debian's nginx with upstream keep-alive; bodies stay in memory."""
    port = free_port()
    body = f"""
    upstream provider {{ server 127.0.0.1:{upstream_port}; keepalive 1024;
        keepalive_requests 1000000000; keepalive_timeout 3600s; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://provider; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_read_timeout 600s;
        }}
    }}"""
    with running(nginx_command(folder, body), UNDER_TEST_CORE, port) as process:
        yield Relay("nginx", f"http://127.0.0.1:{port}", tuple(family(process.pid)))


@contextmanager
def envoy(folder: Path, upstream_port: int) -> Iterator[Relay]:
    """Envoy with one worker thread, no access log, no timeouts, wide circuit breakers."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "envoy.yaml"
    config = ENVOY_CONFIG.read_text().replace("@PORT@", str(port))
    file.write_text(config.replace("@UPSTREAM@", str(upstream_port)))
    command = [
        str(Path(sys.executable).with_name("envoy")),
        *("-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "error"),
    ]
    with running(command, UNDER_TEST_CORE, port) as process:
        yield Relay("Envoy", f"http://127.0.0.1:{port}", tuple(family(process.pid)))


@contextmanager
def hypercorn(folder: Path, upstream_port: int) -> Iterator[Relay]:
    """What most Python gateways are made of: an ASGI server and httpx; here on Trio."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "hypercorn", "bench.httpx_relay:app"),
        *("--bind", f"127.0.0.1:{port}", "--worker-class", "trio", "--workers", "1"),
        *("--backlog", "4096", "--keep-alive", "600", "--log-level", "error"),
    ]
    environment = {"BENCH_UPSTREAM": f"http://127.0.0.1:{upstream_port}"}
    with running(command, UNDER_TEST_CORE, port, environment) as process:
        pids = tuple(family(process.pid))
        yield Relay("Hypercorn + httpx", f"http://127.0.0.1:{port}", pids)


PEERS: dict[str, Starter] = {"nginx": nginx, "Envoy": envoy, "Hypercorn + httpx": hypercorn}
