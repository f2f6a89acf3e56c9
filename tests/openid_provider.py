"""A certified OpenID provider as a process of its own, and a browser that signs in there. Holds no assertions."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

CLIENT_ID = "langwatch"
CLIENT_SECRET = "a client secret of the tests"
START_SECONDS = 30.0
_SCRIPT = Path(__file__).parent / "node" / "openid_provider.mjs"
_NODE = Path(__file__).parents[1] / ".venv" / "bin" / "node"


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """A running provider that knows eve, sam, mallory and olga."""

    issuer: str
    redirect_uri: str

    def sign_in(self, authorization_address: str, who: str) -> str:
        """Go through the provider as a browser does; return the address it sends the browser back to."""
        address = f"{authorization_address}&{urlencode({'login_hint': who})}"
        with httpx.Client(trust_env=False, timeout=20) as browser:
            for _ in range(12):
                answer = browser.get(address)
                address = str(answer.next_request.url) if answer.next_request else ""
                if not address or address.startswith(self.redirect_uri):
                    break
        assert address.startswith(self.redirect_uri), answer.text
        return address

    def change(self, **people: dict[str, Any]) -> None:
        """Say something else of people from now on."""
        query = {"set": json.dumps(people)}
        httpx.get(f"{self.issuer}/people", params=query, trust_env=False).raise_for_status()


@contextmanager
def openid_provider(redirect_uri: str) -> Iterator[OpenIdProvider]:
    """Start the provider and wait until it listens."""
    process = subprocess.Popen(
        [_NODE, _SCRIPT, redirect_uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        assert ready, "the provider did not start"
        yield OpenIdProvider(json.loads(process.stdout.readline())["issuer"], redirect_uri)
    finally:
        # The interpreter's wrapper starts Node as its child; both are in a session of their own.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
