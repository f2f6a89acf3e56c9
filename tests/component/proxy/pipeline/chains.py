"""Keys with several accounts at the fake provider, told apart by their credentials."""

import dataclasses
from collections.abc import Callable
from typing import Any

from core.secrets import Secret
from proxy.bundle import ProviderBinding
from tests.component.proxy.pipeline.site import Site, binding

QUICK = {
    "LANGWATCH_UPSTREAM_FIRST_BYTE_SECONDS": 0.3,
    "LANGWATCH_UPSTREAM_ATTEMPT_SECONDS": 0.3,
    "LANGWATCH_UPSTREAM_IDLE_SECONDS": 0.3,
}


def account(type_: str, port: int, name: str) -> ProviderBinding:
    path = "/v1" if type_ == "openai" else ""
    made = binding(type_, port, path, name=name)
    return dataclasses.replace(made, credential=Secret(f"key-of-{name}"))


def accounts(type_: str, *names: str) -> Callable[[int], list[ProviderBinding]]:
    return lambda port: [account(type_, port, name) for name in names]


def script(here: Site, *behaviours: str) -> None:
    """Let the next calls of the fake go like this; those after them are ordinary."""
    for behaviour in behaviours:
        here.fake._script({"behaviour": behaviour, "times": 1})


def called(here: Site) -> list[str]:
    """The accounts that were called, in order."""
    found = []
    for call in here.fake.record.calls:
        headers = dict(call.headers)
        key = headers.get("authorization") or headers.get("x-api-key") or ""
        found.append(key.rpartition("key-of-")[2])
    return found


def outcomes(told: dict[str, Any]) -> list[tuple[str, str, int | None]]:
    return [
        (a["provider_id"].removeprefix("prov_"), a["outcome"], a["status"])
        for a in told["facts"]["attempts"]
    ]
