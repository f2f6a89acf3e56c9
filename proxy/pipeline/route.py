"""The stages that read what is asked for and choose the provider. No rule of a policy is applied here."""

from proxy.dialects.request_fields import check_model
from proxy.gateway import Gateway
from proxy.pipeline.call import Call


def read(gateway: Gateway, call: Call) -> None:
    """Read the few fields that decisions need. Raises Refused: BAD_REQUEST, MISSING_MODEL."""
    dialect, route = call.dialect, call.route
    if dialect.read_form is not None:
        call.ask = dialect.read_form(call.body, call.incoming.content_type)
        return
    call.ask = dialect.read_request(call.body)
    if route.names_model:
        model = route.model_in(call.scope["path"])
        check_model(model, route.request_type, "put one in the path, after `models/`")
        call.ask = call.ask._replace(model=model, is_streamed=route.is_streamed)


def route(gateway: Gateway, call: Call) -> None:
    """Choose provider and model. Raises Refused: MODEL_PROVIDER_NOT_BOUND, NO_PROVIDER_CONFIGURED."""
    lanes = call.required_plan().lanes(call.route)
    call.chain = lanes.find(call.ask.model)
    call.choose(call.chain[0])
