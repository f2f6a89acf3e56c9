"""Every cell of the SDK matrix works or is explained, and the committed page says what this run finds.

To write the page anew: `.venv/bin/python -m tests.sdk.test_matrix`.
"""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.sdk.matrix import NODE, PAGE, REFUSALS, ROOT, Cell, cells, page
from tests.sdk.matrix_cases import CASES, SCRIPTS, Bench, NotSaidError, refusal_of
from tests.sdk.matrix_site import Beside, beside

NODE_PROGRAM = ROOT / ".venv" / "bin" / "node"
SCRIPT = ROOT / "tests" / "sdk" / "node" / "matrix.mjs"
NODE_SECONDS = 180


def in_python(where: Beside) -> dict[Cell, str]:
    """Run every cell in Python. Raises AssertionError with all that are broken."""
    bench, found, broken = Bench(where), {}, []
    try:
        # The first call has a token fetched, which would take the script that is meant for the call.
        CASES["count_tokens"](bench, "vertex-main/claude-haiku-4-5", "warm up")
    except Exception as error:
        assert not refusal_of(error), error
    try:
        for cell, api, behind in cells("Python"):
            where.behave(SCRIPTS[cell.feature])
            try:
                CASES[api.name](bench, behind.model(api), cell.feature)
                found[cell] = ""
            except NotSaidError as reason:
                found[cell] = str(reason)
            except Exception as error:
                code = refusal_of(error)
                found[cell] = REFUSALS.get(code, "broken")
                if code not in REFUSALS:
                    broken.append(f"{cell}: {type(error).__name__}: {str(error)[:300]}")
            where.control("/reset", all=True)
    finally:
        bench.close()
    assert not broken, "\n".join(broken)
    return found


def in_node(where: Beside) -> dict[Cell, str]:
    """Run every cell in Node, one process for each SDK. Raises AssertionError with all that are broken."""
    found: dict[Cell, str] = {}
    broken = []
    for sdk in ("openai", "anthropic", "google-genai"):
        asked = list(cells("Node", sdk))
        told = json.dumps(
            {
                "gateway": where.gateway,
                "provider": where.provider,
                "key": where.key,
                "sdk": sdk,
                "cells": [
                    {
                        "api": api.name,
                        "model": behind.model(api),
                        "feature": cell.feature,
                        "script": SCRIPTS[cell.feature],
                    }
                    for cell, api, behind in asked
                ],
            }
        )
        done = subprocess.run(
            [str(NODE_PROGRAM), str(SCRIPT)],
            input=told,
            capture_output=True,
            text=True,
            timeout=NODE_SECONDS,
            cwd=NODE.parent,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        results = json.loads(done.stdout)
        assert len(results) == len(asked)
        for (cell, _, _), result in zip(asked, results, strict=True):
            code, words, failure = result["code"], result["words"], result["failure"]
            found[cell] = words or REFUSALS.get(code, "")
            if failure and code not in REFUSALS:
                broken.append(f"{cell}: {failure[:300]}")
    assert not broken, "\n".join(broken)
    return found


@pytest.fixture(scope="module")
def where() -> Iterator[Beside]:
    with beside() as running:
        yield running


def test_every_cell_works_or_is_explained_and_the_page_says_so(where: Beside) -> None:
    found = in_python(where) | in_node(where)
    assert page(found) == PAGE.read_text(), "write the page anew: python -m tests.sdk.test_matrix"


if __name__ == "__main__":
    with beside() as running:
        PAGE.write_text(page(in_python(running) | in_node(running)))
