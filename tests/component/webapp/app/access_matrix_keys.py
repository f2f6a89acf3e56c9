"""Who gets what from the pages of virtual keys and everyone's own page; the same columns as in ``access_matrix``."""

_PAGES = "/settings/virtual-keys"
KEYS: dict[str, tuple[int, int, int]] = {
    f"GET {_PAGES}": (303, 200, 200),
    f"POST {_PAGES}": (303, 422, 422),
    f"GET {_PAGES}/new": (303, 200, 200),
    f"POST {_PAGES}/new/providers": (303, 200, 200),
    f"GET {_PAGES}/<key_id>": (303, 404, 404),
    f"GET {_PAGES}/<key_id>/edit": (303, 404, 404),
    f"POST {_PAGES}/<key_id>/edit": (303, 404, 404),
    f"POST {_PAGES}/<key_id>/edit/providers": (303, 404, 404),
    f"POST {_PAGES}/<key_id>/rotate": (303, 404, 404),
    f"POST {_PAGES}/<key_id>/disable": (303, 404, 404),
    f"POST {_PAGES}/<key_id>/enable": (303, 404, 404),
    f"POST {_PAGES}/<key_id>/revoke": (303, 404, 404),
    "GET /gateway/calls": (303, 200, 200),
    "GET /gateway/calls/<call_id>": (303, 404, 404),
    "GET /me": (303, 200, 200),
    "GET /me/keys/new": (303, 200, 200),
    "POST /me/keys": (303, 422, 422),
    "POST /me/keys/<key_id>/rotate": (303, 404, 404),
    "POST /me/keys/<key_id>/revoke": (303, 404, 404),
}
