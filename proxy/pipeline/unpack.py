"""The stage that undoes the content coding of a body. It follows authentication: a kilobyte may hold a million."""

from collections.abc import Awaitable

import trio

from core.fault import Fault, Refused
from proxy.content_coding import decoded
from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.transport.faults import LeashPulled

ASIDE_BYTES = 1024 * 1024
"""A body that turns out to be longer is unpacked in a thread, so that the others on this worker do not wait."""


def unpack(gateway: Gateway, call: Call) -> Awaitable[None] | None:
    """Unpack the body. Raises Refused: BAD_REQUEST, PAYLOAD_TOO_LARGE."""
    if not call.coding:
        return None
    max_bytes = gateway.settings.max_body_bytes
    try:
        call.body = decoded(call.body, call.coding, min(max_bytes, ASIDE_BYTES))
    except Refused as refused:
        if refused.fault is not Fault.PAYLOAD_TOO_LARGE or max_bytes <= ASIDE_BYTES:
            raise
        return _aside(call, max_bytes)
    return None


async def _aside(call: Call, max_bytes: int) -> None:
    with call.leash.cancel_scope:
        call.body = await trio.to_thread.run_sync(decoded, call.body, call.coding, max_bytes)
    if call.leash.reason is not None:
        raise LeashPulled
