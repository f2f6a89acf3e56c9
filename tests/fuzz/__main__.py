"""Runs one target under Atheris: ``python -m tests.fuzz TARGET [libFuzzer options]``; ``every`` runs all in one.

``make fuzz ARGS="splice -max_total_time=600"`` fuzzes one reader for ten minutes. What fails is written to the
current directory; run the same command with the file's name to see it again.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["proxy", "rules"]):
    from tests.fuzz import targets

from tests.fuzz.seeds import seeds


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's options say that it is enough; exits with its code."""
    known = {"every": targets.every, **targets.TARGETS}
    if not arguments or arguments[0] not in known:
        sys.exit(f"name a target: {', '.join(known)}")
    name, *options = arguments
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(name)):
            (Path(corpus) / f"seed-{number:03d}").write_bytes(seed)
        atheris.Setup([name, *options, corpus], known[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
