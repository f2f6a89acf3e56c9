"""``GET /v1/models``: what a key can name, from the installed catalogue. Asks no provider."""

from functools import lru_cache
from typing import Any

from core.fault import Fault, Refused
from proxy.bundle import Bundle
from proxy.providers import sandbox
from proxy.responses import Answer, json_answer
from rules.catalogue import known_models

_NO_DATE = "1970-01-01T00:00:00Z"
"""Anthropic's form requires a date; the catalogue has none."""
_MAX_LIMIT = 1000
_DEFAULT_LIMIT = 1000


@lru_cache(maxsize=256)
def _models_of(provider_types: tuple[str, ...]) -> dict[str, str]:
    """Return owner by model id, sorted by id."""
    found: dict[str, str] = {}
    for provider_type in provider_types:
        found.setdefault(f"{provider_type}/*", provider_type)
        names = sandbox.MODELS if provider_type == "sandbox" else known_models(provider_type)
        for name in names:
            found.setdefault(name, provider_type)
    return dict(sorted(found.items()))


def models(bundle: Bundle) -> dict[str, str]:
    """Return the models that a key can name, sorted by id, with the provider type of each."""
    return _models_of(tuple(dict.fromkeys(binding.type for binding in bundle.providers)))


def list_answer(bundle: Bundle, is_anthropic: bool, query: dict[str, str]) -> Answer:
    """Return the list, in OpenAI's form or in Anthropic's, which has pages."""
    found = models(bundle)
    if not is_anthropic:
        data = [_openai(name, owner) for name, owner in found.items()]
        return json_answer(200, {"object": "list", "data": data})
    return json_answer(200, _page(list(found), query))


def one_answer(bundle: Bundle, is_anthropic: bool, name: str) -> Answer:
    """Return one model. Raises Refused(NOT_FOUND) for a model that the list does not have."""
    owner = models(bundle).get(name)
    if owner is None:
        raise Refused(Fault.NOT_FOUND, f'This key lists no model "{name[:200]}".', model=name[:200])
    return json_answer(200, _anthropic(name) if is_anthropic else _openai(name, owner))


def _openai(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def _anthropic(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _NO_DATE}


def _page(names: list[str], query: dict[str, str]) -> dict[str, Any]:
    limit_text = query.get("limit", "")
    limit = int(limit_text[:6]) if limit_text.isascii() and limit_text.isdigit() else _DEFAULT_LIMIT
    limit = max(1, min(limit, _MAX_LIMIT))
    after, before = query.get("after_id"), query.get("before_id")
    if before in names:
        names = names[: names.index(before)]
        page, has_more = names[-limit:], len(names) > limit
    else:
        names = names[names.index(after) + 1 :] if after in names else names
        page, has_more = names[:limit], len(names) > limit
    return {
        "data": [_anthropic(name) for name in page],
        "has_more": has_more,
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }
