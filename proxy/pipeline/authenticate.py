"""The stage that finds out whose call this is. A known key costs a look-up; others ask the keyring."""

from collections.abc import Awaitable

from core.fault import Fault, Refused
from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.transport.faults import LeashPulled


def authenticate(gateway: Gateway, call: Call) -> Awaitable[None] | None:
    """Find the key's bundle. Raises Refused: MISSING_API_KEY, INVALID_API_KEY, VIRTUAL_KEY_*."""
    presented = call.incoming.presented_key
    if not presented:
        raise Refused(Fault.MISSING_API_KEY)
    bundle = gateway.keyring.known(presented)
    if bundle is None:
        return _resolve(gateway, call, presented)
    call.plan = plan = gateway.plans.of(bundle)
    call.checks = plan.checks
    return None


async def _resolve(gateway: Gateway, call: Call, presented: str) -> None:
    with call.leash.cancel_scope:
        call.plan = plan = gateway.plans.of(await gateway.keyring.resolve(presented))
        call.checks = plan.checks
    if call.leash.reason is not None:
        raise LeashPulled
