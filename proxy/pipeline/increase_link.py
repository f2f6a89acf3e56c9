"""Where somebody whose budget is spent asks for more: the link that goes with the refusal. Refuses nothing."""

from core.fault import Refused
from core.increase_links import Asking, link
from proxy.gateway import Gateway
from proxy.pipeline.call import Call


def note_increase_link(gateway: Gateway, call: Call, refused: Refused) -> None:
    """Add a signed link to the facts of a refusal by a budget; without a secret to sign with there is none."""
    settings, budget_id = gateway.settings, refused.facts.get("budget_id")
    if call.plan is None or not settings.jwt_secret or not isinstance(budget_id, str):
        return
    bundle = call.plan.bundle
    asking = Asking(bundle.organization_id, budget_id, bundle.vk_id, bundle.principal_id)
    base_url = settings.web_url or settings.control_plane_url
    address = link(base_url, settings.jwt_secret, asking, gateway.now_s())
    refused.facts["request_increase_url"] = address
