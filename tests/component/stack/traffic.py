"""Load for the full stack: many calls at once over raw HTTP, some of which leave early. Judges nothing."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from core.clock import to_ms, utcnow
from core.models import VirtualKey

MODEL = "gpt-4o-mini"
CLAUDE = "claude-sonnet-4-5"


def chat(model: str = MODEL, stream: bool = False, **more: Any) -> dict[str, Any]:
    """Return the body of an OpenAI call."""
    return {
        "model": model,
        "stream": stream,
        "messages": [{"role": "user", "content": "Say something short."}],
        **more,
    }


def message(model: str = CLAUDE, stream: bool = False, **more: Any) -> dict[str, Any]:
    """Return the body of an Anthropic call."""
    return {
        "model": model,
        "max_tokens": 64,
        "stream": stream,
        "messages": [{"role": "user", "content": "Say something short."}],
        **more,
    }


@dataclass(slots=True)
class Load:
    """Threads that keep calling until told to stop; failures of the connection are expected."""

    url: str
    key: str
    seed: int
    threads: int = 8
    statuses: dict[int, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> "Load":
        for number in range(self.threads):
            thread = threading.Thread(target=self._call_on, args=(self.seed * 1000 + number,))
            thread.start()
            self._running.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join(30)

    def total(self) -> int:
        """Return how many calls were answered."""
        with self._lock:
            return sum(self.statuses.values())

    def _call_on(self, seed: int) -> None:
        chance = random.Random(seed)
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(
            base_url=self.url, headers=headers, timeout=20, trust_env=False
        ) as client:
            while not self._stop.is_set():
                try:
                    self._count(one_call(client, chance))
                except httpx.TransportError:
                    self._stop.wait(0.02)

    def _count(self, status: int) -> None:
        with self._lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1


def one_call(client: httpx.Client, chance: random.Random) -> int:
    """Make one call of a random kind and return its status; one in eight leaves mid-stream."""
    kind, trace_id = chance.randrange(8), f"{chance.getrandbits(128) | 1:032x}"
    # The trace id joins the client's call, the provider's record and the ledger's row.
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    body, path = chat(stream=kind > 4), "/v1/chat/completions"
    if kind in (3, 4, 5):
        body, path = message(stream=kind > 4), "/v1/messages"
    body["messages"][0]["content"] += f" mark:{trace_id}"
    if kind < 5:
        return client.post(path, json=body, headers=headers).status_code
    with client.stream("POST", path, json=body, headers=headers) as answer:
        for number, _ in enumerate(answer.iter_raw()):
            if kind == 7 and number == 1:
                break
        return answer.status_code


def at_once(count: int, call: Callable[[int], int]) -> list[int]:
    """Return the answers of ``count`` calls that all start at the same moment."""
    gate = threading.Barrier(count)
    answers: list[int] = [0] * count

    def run(number: int) -> None:
        gate.wait(30)
        answers[number] = call(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def earlier_calls(key: VirtualKey, seconds_ago: int) -> Iterator[dict[str, Any]]:
    """Cheap calls of the minutes before, as a gateway would have reported them."""
    then = to_ms(utcnow()) - seconds_ago * 1000
    for number in range(6):
        call_id, at = f"req_{number:030x}", then - number * 10_000
        yield {
            "command": "admitSpend",
            "payload": {
                "call_id": call_id,
                "admitted_at_ms": at,
                "organization_id": key.organization_id,
                "project_id": key.project_id,
                "team_id": "",
                "virtual_key_id": key.id,
                "request_type": "chat",
                "provider_type": "openai",
                "model": "gpt-4o",
            },
        }
        yield {
            "command": "confirmSpend",
            "payload": {
                "call_id": call_id,
                "settled_at_ms": at,
                "outcome": "completed",
                "cost_nanousd": 10_000,
                "is_estimated": False,
            },
        }
