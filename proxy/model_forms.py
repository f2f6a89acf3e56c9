"""The three forms in which ``GET …/models`` is answered: OpenAI's, Anthropic's and Gemini's. Lists nothing itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proxy.dialects.error_forms import (
    ANTHROPIC_ERRORS,
    GOOGLE_ERRORS,
    OPENAI_ERRORS,
    ErrorForm,
)

Query = dict[str, str]

_NO_DATE = "1970-01-01T00:00:00Z"
"""Anthropic's form requires a date; the catalogue has none."""
_MAX_LIMIT = 1000
_GENERATES = ["generateContent", "streamGenerateContent", "countTokens"]
_EMBEDS = ["embedContent", "batchEmbedContents"]
_PREFIX = "models/"


@dataclass(frozen=True, slots=True)
class ModelForm:
    """One API's way to tell of models. Names come sorted, with the owner of each."""

    errors: ErrorForm
    one: Callable[[str, str], dict[str, Any]]
    page: Callable[[dict[str, str], Query], dict[str, Any]]


def _openai(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def _openai_page(found: dict[str, str], _: Query) -> dict[str, Any]:
    return {"object": "list", "data": [_openai(name, owner) for name, owner in found.items()]}


def _anthropic(name: str, _: str = "") -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _NO_DATE}


def _anthropic_page(found: dict[str, str], query: Query) -> dict[str, Any]:
    names = list(found)
    limit = _limit(query.get("limit", ""))
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


def _gemini(name: str, _: str = "") -> dict[str, Any]:
    return {
        "name": _PREFIX + name,
        "baseModelId": name,
        "version": "",
        "displayName": name,
        "supportedGenerationMethods": _EMBEDS if "embedding" in name else _GENERATES,
    }


def _gemini_page(found: dict[str, str], query: Query) -> dict[str, Any]:
    names = list(found)
    after = query.get("pageToken", "")
    names = names[names.index(after) + 1 :] if after in names else names
    limit = _limit(query.get("pageSize", ""))
    page: dict[str, Any] = {"models": [_gemini(name) for name in names[:limit]]}
    if len(names) > limit:
        page["nextPageToken"] = names[limit - 1]
    return page


def _limit(text: str) -> int:
    wanted = int(text[:6]) if text.isascii() and text.isdigit() else _MAX_LIMIT
    return max(1, min(wanted, _MAX_LIMIT))


FORMS = {
    "openai": ModelForm(OPENAI_ERRORS, _openai, _openai_page),
    "anthropic": ModelForm(ANTHROPIC_ERRORS, _anthropic, _anthropic_page),
    "gemini": ModelForm(GOOGLE_ERRORS, _gemini, _gemini_page),
}
