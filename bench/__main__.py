"""Runs the benchmark: `python -m bench [--quick] [--peers-only] [--check]`."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench import bodies, checks, decisions, expectations, machine, parts, report
from bench.gateway import NAME, gateway
from bench.peers import PEERS, Starter
from bench.processes import LOAD_CORE, interrupt_is_exit

TOO_SLOW_FOR_THE_CROWD = ("Hypercorn + httpx",)


def main() -> int:
    """Measure, print, write. 1 when something is missing or, with --check, not as expected."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    options.add_argument("--peers-only", action="store_true", help="leave the gateway out")
    options.add_argument("--check", action="store_true", help="fail when an expectation is missed")
    chosen = options.parse_args()
    missing = machine.missing_programs()
    if missing or (os.cpu_count() or 1) < 2:
        print(f"The benchmark needs two cores and {', '.join(missing) or 'nothing else'}.")
        return 1
    interrupt_is_exit()
    os.sched_setaffinity(0, {LOAD_CORE})
    return _run(parts.QUICK if chosen.quick else parts.THOROUGH, chosen)


def _run(effort: parts.Effort, chosen: argparse.Namespace) -> int:
    where = machine.described()
    starters: dict[str, Starter] = dict(PEERS)
    if not chosen.peers_only:
        starters[NAME] = gateway
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        both = bodies.small(folder), bodies.agent(folder)
        requests = parts.requests(folder / "requests", starters, effort, both)
        streams = parts.streams(folder / "streams", starters, effort, TOO_SLOW_FOR_THE_CROWD)
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print("\n" + report.tables(requests, streams))
    print("\n" + report.shared_core(requests.small))
    decided, checked, expected = None, None, []
    if not chosen.peers_only:
        decided = decisions.on_its_own_core()
        expected = [*expectations.judged(requests, streams), expectations.decision(decided)]
        checked = checks.on_its_own_core()
        print("\n" + report.checks_table(checked))
        print("\n" + report.expectations_table(expected))
    measured = {
        "requests": requests,
        "streams": streams,
        "decided": decided,
        "checked": checked,
        "expected": expected,
    }
    print(f"\nWritten to {report.write(where, measured)}")
    return int(chosen.check and not all(one.is_met for one in expected))


if __name__ == "__main__":
    sys.exit(main())
