"""The OpenAPI document of the management API, made from the declared routes and their types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from core.fault import Fault
from webapp.api.endpoint import Body, Endpoint, OptionalBody, Routes

VERSION = "3.1.0"
_PART = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>")
_REFERENCE = "#/components/schemas/{name}"


class Problem(msgspec.Struct, kw_only=True):
    """Why a request was refused. Branch on ``code``; the other texts are for people."""

    code: str
    message: str
    hint: str
    errors: dict[str, str] | None = None
    permission: str | None = None


class Refusal(msgspec.Struct, kw_only=True):
    """The body of every refusal."""

    error: Problem


def document(tables: Iterable[Routes], version: str) -> dict[str, Any]:
    """Return the document that describes every route of the tables."""
    endpoints = [one for table in tables for one in table.endpoints]
    schemas = _Schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(_PART.sub(r"{\1}", one.path), {})[one.method.lower()] = _operation(
            one, schemas
        )
    return {
        "openapi": VERSION,
        "info": {
            "title": "LangWatch management API",
            "version": version,
            "description": "Everything that the pages of the control plane show and change. Lists are newest first.",
        },
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """The schemas of every type that the routes take or answer with."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._types: list[Any] = [Refusal]
        for one in endpoints:
            for kind in (one.query, one.body, one.answer):
                if kind not in (None, type(None)) and kind not in self._types:
                    self._types.append(kind)
        schemas, components = msgspec.json.schema_components(self._types, ref_template=_REFERENCE)
        self._schemas = list(schemas)
        self.components: dict[str, Any] = dict(components)

    def of(self, kind: Any) -> Mapping[str, Any]:
        """Return the schema of a type."""
        found: Mapping[str, Any] = self._schemas[self._types.index(kind)]
        return found

    def resolved(self, kind: Any) -> Mapping[str, Any]:
        """Return the schema of a type itself, not a reference to it."""
        schema = self.of(kind)
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        return self.components[name] if name else schema


def _operation(one: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    parameters = [_path_parameter(name) for name in _PART.findall(one.path)]
    if one.query is not None:
        parameters += _query_parameters(schemas.resolved(one.query))
    if one.is_idempotent:
        parameters.append(_header("Idempotency-Key", 8, 255))
    if one.method == "PATCH":
        parameters.append(_header("If-Match", 1, 200))
    operation: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [one.tag],
        "description": _need(one),
        "parameters": parameters,
        "responses": _responses(one, schemas),
    }
    if one.body is not None:
        content = {"application/json": {"schema": schemas.of(one.body)}}
        is_required = not issubclass(one.body, OptionalBody)
        operation["requestBody"] = {"required": is_required, "content": content}
    return operation


def _need(one: Endpoint) -> str:
    if not one.permission:
        return "About whoever asks; an API key must be one that may do all its owner may."
    return f"Needs the permission `{one.permission}`."


def _responses(one: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    has_body = one.answer not in (None, type(None))
    answer: dict[str, Any] = {"description": "Done." if one.method != "GET" else "Found."}
    if has_body:
        answer["content"] = {"application/json": {"schema": schemas.of(one.answer)}}
    refusal = {
        "description": "Refused; `error.code` says why.",
        "content": {"application/json": {"schema": schemas.of(Refusal)}},
    }
    found = {str(one.status if has_body else 204): answer}
    for status in _refusal_statuses(one):
        found[str(status)] = refusal
    return found


def _refusal_statuses(one: Endpoint) -> list[int]:
    faults = {Fault.MISSING_CREDENTIALS, Fault.PERMISSION_DENIED, Fault.RATE_LIMIT_EXCEEDED}
    faults |= {Fault.BAD_REQUEST, Fault.PAYLOAD_TOO_LARGE}
    if "<" in one.path:
        faults.add(Fault.NOT_FOUND)
    if issubclass(one.body or object, Body) or one.method != "GET":
        faults |= {Fault.VALIDATION_ERROR, Fault.CONFLICT, Fault.NOT_FOUND, Fault.CSRF_FAILED}
    return sorted({fault.status for fault in faults})


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": one}
        for name, one in schema.get("properties", {}).items()
    ]


def _header(name: str, least: int, most: int) -> dict[str, Any]:
    text = {"type": "string", "minLength": least, "maxLength": most, "pattern": "^[!-~]*$"}
    return {"name": name, "in": "header", "required": False, "schema": text}
