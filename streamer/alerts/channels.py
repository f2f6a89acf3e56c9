"""The registry of alert channels: how each destination type turns an alert into a request. One row a channel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streamer.alerts import slack


@dataclass(frozen=True, slots=True)
class Channel:
    """One destination type: which field holds its address, and the body it wants."""

    address_field: str
    body: Callable[[Mapping[str, Any]], bytes]


CHANNELS: Mapping[str, Channel] = {"slack": Channel("webhookUrl", slack.body)}
