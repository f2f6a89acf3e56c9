"""Reads JSON of unknown form: strictly where a caller made it, leniently where a provider did."""

from typing import Any

import msgspec

from core.fault import Fault, Refused
from proxy.dialects.dialect import UNREADABLE, token_count

dumps = msgspec.json.encode
loads = msgspec.json.decode


def bad(where: str, expected: str) -> Refused:
    """Return the refusal for a member of a request that is not what it must be."""
    return Refused(Fault.BAD_REQUEST, f"`{where}` must be {expected}.")


def an_object(value: object, where: str) -> dict[str, Any]:
    """Return a request's object. Raises Refused: BAD_REQUEST, as all of these."""
    if not isinstance(value, dict):
        raise bad(where, "an object")
    return value


def a_list(value: object, where: str) -> list[Any]:
    """Return a request's list; an absent one is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad(where, "a list")
    return value


def a_text(value: object, where: str) -> str:
    """Return a request's text; an absent one is empty."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise bad(where, "a text")
    return value


def a_number(value: object, where: str) -> float | None:
    """Return a request's number, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise bad(where, "a number")
    return value


def a_count(value: object, where: str, least: int = 0) -> int | None:
    """Return a request's whole number, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise bad(where, f"a whole number of at least {least}")
    return value


def a_flag(value: object, where: str) -> bool | None:
    """Return a request's truth value, or None."""
    if value is not None and not isinstance(value, bool):
        raise bad(where, "true or false")
    return value


def texts(value: object, where: str) -> tuple[str, ...]:
    """Return one text or a list of texts as a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(a_text(item, f"{where}[]") for item in a_list(value, where))


def given(**members: object) -> dict[str, Any]:
    """Return the members that are said: not None and not an empty list or object."""
    return {
        name: value
        for name, value in members.items()
        if value is not None and value != [] and value != {}
    }


def dict_in(value: object) -> dict[str, Any]:
    """Return a provider's object; anything else is empty."""
    return value if isinstance(value, dict) else {}


def list_in(value: object) -> list[Any]:
    """Return a provider's list; anything else is empty."""
    return value if isinstance(value, list) else []


def text_in(value: object) -> str:
    """Return a provider's text; anything else is empty."""
    return value if isinstance(value, str) else ""


def count_in(value: object) -> int:
    """Return a provider's count; anything else is 0."""
    return token_count(value) or 0


def object_from(text: str) -> dict[str, Any]:
    """Return the object that a call's arguments spell; what is none is kept as ``{"raw": text}``."""
    if not text.strip():
        return {}
    try:
        value = loads(text)
    except UNREADABLE:
        return {"raw": text}
    return value if isinstance(value, dict) else {"raw": text}


def json_text(value: object) -> str:
    """Return a value as compact JSON text."""
    return dumps(value).decode()
