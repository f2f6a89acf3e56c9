"""Writes the reference page of the management API from its declared routes."""

from typing import Any

_GENERATED = "<!-- Written by `python -m cli.reference`; edit the code, not this page. -->\n"


def management_api_page() -> str:
    """Return the page that lists every route of the management API."""
    from webapp.api.tables import TABLES, described

    components: dict[str, Any] = described()["components"]["schemas"]
    lines = [
        "# Management API\n",
        _GENERATED,
        "How to call it says [Use the management API](../howto/management-api.md);",
        "`GET /api/openapi.json` has the same as a document for tools, with the types of every field.\n",
    ]
    sections: dict[str, list[Any]] = {}
    for table in TABLES:
        sections.setdefault(table.tag, []).extend(table.endpoints)
    for tag, endpoints in sections.items():
        lines += [f"## {tag}\n", "| Route | Needs | What it does |", "| --- | --- | --- |"]
        for one in endpoints:
            path = one.path.replace("<", "{").replace(">", "}")
            needed = f"`{one.permission}`" if one.permission else "nothing: it is your own"
            lines.append(f"| `{one.method} {path}` | {needed} | {one.summary.replace('``', '`')} |")
        lines.append("")
        bodies = [one.body.__name__ for one in endpoints if one.body is not None]
        for name in dict.fromkeys(bodies):
            lines += [f"`{name}` takes {_fields(components[name])}.\n"]
    return "\n".join(lines).rstrip() + "\n"


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    names = [f"`{name}`" for name in schema.get("properties", {}) if name in required]
    optional = [f"`{name}`" for name in schema.get("properties", {}) if name not in required]
    if not names:
        return f"any of {', '.join(optional)}"
    return ", ".join(names) + (f", and optionally {', '.join(optional)}" if optional else "")
