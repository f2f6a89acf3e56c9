"""The part of the access matrix about the rules of the gateway: who may see and write what calls are held against."""

_ROUTING = "/settings/routing-policies"

GATEWAY_RULES: dict[str, tuple[int, int, int]] = {
    "GET /gateway/routing-policies": (303, 403, 302),
    f"GET {_ROUTING}": (303, 403, 200),
    f"POST {_ROUTING}": (303, 403, 422),
    f"GET {_ROUTING}/new": (303, 403, 200),
    f"POST {_ROUTING}/arrange": (303, 403, 200),
    f"GET {_ROUTING}/<policy_id>/edit": (303, 403, 404),
    f"POST {_ROUTING}/<policy_id>/edit": (303, 403, 404),
    f"POST {_ROUTING}/<policy_id>/default": (303, 403, 404),
    f"GET {_ROUTING}/<policy_id>/archive": (303, 403, 404),
    f"POST {_ROUTING}/<policy_id>/archive": (303, 403, 404),
}
