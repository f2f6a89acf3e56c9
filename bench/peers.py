"""The peers: nginx, Envoy and Hypercorn + httpx as plain reverse proxies, one worker each.

They check no key and count no token; that difference is what the benchmark shows.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import UNDER_TEST_CORE, family, free_port, running
from bench.upstream import nginx_command


@dataclass(frozen=True, slots=True)
class Relay:
    """A running proxy: where it listens, which processes it is, which key it wants."""

    name: str
    url: str
    pids: tuple[int, ...]
    key: str = "sk-provider"
    notes: dict[str, str] = field(default_factory=dict)


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
    file = folder / "envoy.json"
    file.write_text(json.dumps(_envoy_config(port, upstream_port)))
    command = [
        str(Path(sys.executable).with_name("envoy")),
        *("-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "error"),
    ]
    with running(command, UNDER_TEST_CORE, port) as process:
        yield Relay("Envoy", f"http://127.0.0.1:{port}", tuple(family(process.pid)))


def _envoy_config(port: int, upstream_port: int) -> dict[str, object]:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "generate_request_id": False,
        "stream_idle_timeout": "0s",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "route": {"cluster": "provider", "timeout": "0s"},
                        }
                    ],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    many = 1_000_000
    limits = {
        "max_connections": many,
        "max_pending_requests": many,
        "max_requests": many,
        "max_retries": many,
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": _address(port),
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": manager,
                                }
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "provider",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    "circuit_breakers": {"thresholds": [limits]},
                    "load_assignment": {
                        "cluster_name": "provider",
                        "endpoints": [
                            {"lb_endpoints": [{"endpoint": {"address": _address(upstream_port)}}]}
                        ],
                    },
                }
            ],
        }
    }


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


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
