"""The part of the access matrix about the rules of the gateway: who may see and write what calls are held against."""

_ROUTING = "/settings/routing-policies"
_POLICY = "/settings/policy-rules"
_GUARDS = "/settings/guardrails"
_CACHE = "/settings/cache-rules"
_TRACES = "/settings/trace-destinations"

GATEWAY_RULES: dict[str, tuple[int, int, int]] = {
    "GET /gateway/routing-policies": (303, 302, 302),
    f"GET {_ROUTING}": (303, 200, 200),
    f"POST {_ROUTING}": (303, 403, 422),
    f"GET {_ROUTING}/new": (303, 403, 200),
    f"POST {_ROUTING}/arrange": (303, 403, 200),
    f"GET {_ROUTING}/<policy_id>/edit": (303, 403, 404),
    f"POST {_ROUTING}/<policy_id>/edit": (303, 403, 404),
    f"POST {_ROUTING}/<policy_id>/default": (303, 403, 404),
    f"GET {_ROUTING}/<policy_id>/archive": (303, 403, 404),
    f"POST {_ROUTING}/<policy_id>/archive": (303, 403, 404),
    f"GET {_POLICY}": (303, 200, 200),
    f"POST {_POLICY}": (303, 403, 422),
    f"GET {_POLICY}/new": (303, 403, 200),
    f"POST {_POLICY}/fill": (303, 403, 200),
    f"GET {_POLICY}/test": (303, 403, 200),
    f"POST {_POLICY}/test": (303, 403, 422),
    f"POST {_POLICY}/test/pattern": (303, 403, 200),
    f"GET {_POLICY}/<set_id>/edit": (303, 403, 404),
    f"POST {_POLICY}/<set_id>/edit": (303, 403, 404),
    f"POST {_POLICY}/<set_id>/<any(shadow, enforce):mode>": (303, 403, 404),
    f"POST {_POLICY}/<set_id>/archive": (303, 403, 404),
    f"GET {_GUARDS}": (303, 200, 200),
    f"POST {_GUARDS}": (303, 403, 422),
    f"GET {_GUARDS}/new": (303, 403, 200),
    f"POST {_GUARDS}/try": (303, 200, 200),
    f"GET {_GUARDS}/<guardrail_id>/edit": (303, 403, 404),
    f"POST {_GUARDS}/<guardrail_id>/edit": (303, 403, 404),
    f"POST {_GUARDS}/<guardrail_id>/archive": (303, 403, 404),
    f"GET {_CACHE}": (303, 403, 200),
    f"POST {_CACHE}": (303, 403, 422),
    f"GET {_CACHE}/new": (303, 403, 200),
    f"GET {_CACHE}/<rule_id>/edit": (303, 403, 404),
    f"POST {_CACHE}/<rule_id>/edit": (303, 403, 404),
    f"POST {_CACHE}/<rule_id>/archive": (303, 403, 404),
    f"GET {_TRACES}": (303, 200, 200),
    f"POST {_TRACES}": (303, 403, 422),
    f"GET {_TRACES}/new": (303, 403, 200),
    f"GET {_TRACES}/capture": (303, 403, 200),
    f"POST {_TRACES}/capture": (303, 403, 422),
    f"GET {_TRACES}/<destination_id>/edit": (303, 403, 404),
    f"POST {_TRACES}/<destination_id>/edit": (303, 403, 404),
    f"GET {_TRACES}/<destination_id>/test": (303, 403, 404),
    f"POST {_TRACES}/<destination_id>/test": (303, 403, 404),
    f"POST {_TRACES}/<destination_id>/archive": (303, 403, 404),
}
