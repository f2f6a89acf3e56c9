"""Every seed through every reader it is for, then a bounded coverage-guided run; `make fuzz` goes on for longer."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

RUNS = 6000
"""Few enough for seconds, many enough to leave the corpus: the same ones each time, by the seed."""
BOUNDS = ["-rss_limit_mb=0", "-malloc_limit_mb=512"]
"""A reader may ask for so much at once. The peak that the whole process reports is no use here: it begins at
that of the tests' own process."""


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_hold(name) -> None:
    for seed in seeds(name):
        TARGETS[name](seed)


@pytest.mark.parametrize("name", ["every"])
def test_no_bytes_break_a_reader(name, tmp_path) -> None:
    pytest.importorskip("atheris")
    options = [f"-runs={RUNS}", "-seed=7", "-max_len=600", *BOUNDS]
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, *options],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    done = re.search(r"^Done (\d+) runs", run.stderr, re.MULTILINE)
    assert done and int(done[1]) >= RUNS
