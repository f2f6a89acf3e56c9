"""Google's two spellings of names, and its own dialect of JSON Schema. Knows nothing of conversations."""

import re
from typing import Any

from proxy.translation.shapes import an_object

_UNDERSCORE = re.compile(r"_([a-z0-9])")
_OPAQUE = frozenset(
    {
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "responseJsonSchema",
        "labels",
    }
)
"""Members whose own members are the caller's, not Google's."""
_COUNTS = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)
_GOOGLES = frozenset({"propertyOrdering", "property_ordering", "nullable", "example"})


def camel_keys(value: Any) -> Any:
    """Return a JSON value with Google's names in camel case, at every depth."""
    if isinstance(value, list):
        return [camel_keys(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, inner in value.items():
        camel = _UNDERSCORE.sub(lambda found: found[1].upper(), name)
        made[camel] = inner if camel in _OPAQUE else camel_keys(inner)
    return made


def json_schema(value: object) -> dict[str, Any]:
    """Return JSON Schema for a schema of Google's: types in capitals, counts as texts, ``nullable``."""
    schema = an_object(value, "schema")
    made: dict[str, Any] = {}
    for name, inner in schema.items():
        name = _UNDERSCORE.sub(lambda found: found[1].upper(), name)
        if name in _GOOGLES or inner is None:
            continue
        if name == "type" and isinstance(inner, str):
            made[name] = inner.lower()
        elif name == "properties" and isinstance(inner, dict):
            made[name] = {key: json_schema(item) for key, item in inner.items()}
        elif name in ("anyOf", "prefixItems") and isinstance(inner, list):
            made[name] = [json_schema(item) for item in inner]
        elif name == "items" or (name == "additionalProperties" and isinstance(inner, dict)):
            made[name] = json_schema(inner)
        elif name in _COUNTS and isinstance(inner, str) and inner.isdigit():
            made[name] = int(inner)
        else:
            made[name] = inner
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made
