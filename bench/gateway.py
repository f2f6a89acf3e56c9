"""The gateway under test: all of `langwatch up`, one worker on the measured core.

Full stack: a virtual key, five block budgets, metering and the spool. The web app and the streamer
share the other core with the load, as they would sit beside the gateway in production.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from bench.peers import Relay
from bench.processes import LOAD_CORE, UNDER_TEST_CORE, command_line, family, pin, stop

NAME = "langwatch gateway"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_OURS = ("LANGWATCH_", "LW_", "GATEWAY_", "DATABASE_URL")
GOVERNANCE = """
organization: {{name: Bench, slug: bench}}
users:
  - {{email: dev@bench.test, name: Dev, role: member}}
teams: [{{name: Engineering, slug: eng}}]
projects: [{{name: Coding tools, slug: coding, team: eng}}]
providers:
  - {{name: mock, type: openai, base_url: "http://127.0.0.1:{port}/v1", api_key_env: BENCH_PROVIDER_KEY}}
virtual_keys:
  - {{name: load, project: coding, principal: dev@bench.test, providers: [mock], secret_env: BENCH_VK}}
budgets:
  - {{name: whole, scope: organization, window: month, limit_usd: "9000000", on_breach: block}}
  - {{name: team, scope: team, target: eng, window: month, limit_usd: "9000000", on_breach: block}}
  - {{name: project, scope: project, target: coding, window: week, limit_usd: "9000000", on_breach: block}}
  - {{name: key, scope: virtual_key, target: load, window: day, limit_usd: "9000000", on_breach: block}}
  - {{name: person, scope: principal, target: dev@bench.test, window: day, limit_usd: "9000000", on_breach: block}}
"""


@contextmanager
def gateway(folder: Path, upstream_port: int) -> Iterator[Relay]:
    """The whole stack over one upstream, with a key that may spend."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "governance.yaml"
    config.write_text(GOVERNANCE.format(port=upstream_port))
    key = "lw_vk_live_" + "".join(secrets.choice(_CROCKFORD) for _ in range(26))
    environment = {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}
    environment |= {"BENCH_VK": key, "BENCH_PROVIDER_KEY": "sk-provider"}
    command = [
        *(str(Path(sys.executable).with_name("langwatch")), "up", "--json"),
        *("--web-port", "0", "--gateway-port", "0", "--workers", "1"),
        *("--data-dir", str(folder / "data"), "--config", str(config)),
    ]
    log = folder / "langwatch.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
    try:
        yield Relay(NAME, _ready(process, log), _place(process.pid), key)
    finally:
        stop(process)
        if process.stdout:
            process.stdout.close()


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        process.wait()
        raise RuntimeError(f"langwatch up did not start:\n{log.read_text()[-3000:]}")
    return str(orjson.loads(line)["gateway"])


def _place(supervisor: int) -> tuple[int, ...]:
    """Put each program on its core; returns the gateway worker's id."""
    workers = []
    for pid in family(supervisor):
        is_worker = command_line(pid).endswith(" gateway")
        pin(pid, UNDER_TEST_CORE if is_worker else LOAD_CORE)
        if is_worker:
            workers.append(pid)
    if len(workers) != 1:
        raise RuntimeError(f"expected one gateway worker, found {workers}")
    return tuple(workers)
