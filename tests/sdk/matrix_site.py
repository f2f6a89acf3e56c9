"""A gateway with one key and every type of provider behind it, run beside the test that asks it. Asserts nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import trio

from proxy.bundle import ProviderBinding
from tests.component.proxy.pipeline.site import KEY, Site, binding, site
from tests.component.proxy.pipeline.test_clouds import AWS, cloud, with_tokens
from tests.provider.clouds import AWS_REGION, AZURE_KEY, PROJECT, REGION

START_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Beside:
    """Addresses of the gateway and of the scripted provider, and the key."""

    gateway: str
    provider: str
    http: httpx.Client
    key: str = KEY

    def control(self, path: str, **body: Any) -> Any:
        """Tell the provider something, or with no body ask it."""
        address = f"{self.provider}/_control{path}"
        answer = self.http.post(address, json=body) if body else self.http.get(address)
        return answer.raise_for_status().json()

    def behave(self, script: str) -> None:
        """Script the next call."""
        self.control("/behaviour", behaviour=script or "ok", times=1)


def everyone(port: int) -> list[ProviderBinding]:
    """Each type of provider once, but for the one whose account needs the running fake."""
    return [
        binding("openai", port, "/v1"),
        cloud("azure", port, AZURE_KEY),
        binding("custom", port, "/v1"),
        binding("anthropic", port),
        cloud("bedrock", port, AWS, region=AWS_REGION),
        binding("gemini", port),
    ]


def with_vertex(here: Site) -> None:
    """Add the provider whose service account only the running fake can make."""
    bundle = here.keyring.bundle
    port = bundle.providers[0].target.port  # type: ignore[union-attr]
    account = here.fake.clouds.service_account().decode()
    vertex = cloud("vertex", port, account, project=PROJECT, region=REGION)
    bundle.providers = (*bundle.providers, vertex)


@contextmanager
def beside() -> Iterator[Beside]:
    """The gateway, for the length of the block, in a thread of its own."""
    ready: list[Beside] = []
    started, stop = threading.Event(), trio.Event()
    token: list[trio.lowlevel.TrioToken] = []
    failed: list[BaseException] = []
    http = httpx.Client(trust_env=False)

    async def main() -> None:
        token.append(trio.lowlevel.current_trio_token())
        async with site(with_tokens, everyone) as here:
            with_vertex(here)
            port = here.keyring.bundle.providers[0].target.port  # type: ignore[union-attr]
            gateway = f"http://127.0.0.1:{here.front.port}"
            ready.append(Beside(gateway, f"http://127.0.0.1:{port}", http))
            started.set()
            await stop.wait()

    def run() -> None:
        try:
            trio.run(main)
        except BaseException as error:
            failed.append(error)
            started.set()

    thread = threading.Thread(target=run, name="gateway beside the SDKs", daemon=True)
    thread.start()
    try:
        if not started.wait(START_SECONDS) or failed:
            raise RuntimeError("the gateway did not start") from (failed[0] if failed else None)
        yield ready[0]
    finally:
        http.close()
        if not failed:
            token[0].run_sync_soon(stop.set)
        thread.join(START_SECONDS)
