"""The stages that read what is asked for and choose the provider. No rule of a policy is applied here."""

from proxy.gateway import Gateway
from proxy.pipeline.call import Call


def read(gateway: Gateway, call: Call) -> None:
    """Read the few fields that decisions need. Raises Refused: BAD_REQUEST, MISSING_MODEL."""
    call.ask = call.dialect.read_request(call.body)


def route(gateway: Gateway, call: Call) -> None:
    """Choose provider and model. Raises Refused: MODEL_PROVIDER_NOT_BOUND, NO_PROVIDER_CONFIGURED."""
    lanes = call.required_plan().lanes[call.route.request_type]
    call.chain = lanes.find(call.ask.model)
    call.choose(call.chain[0])
