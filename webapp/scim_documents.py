"""What the SCIM service says of itself: its abilities, its resource types and their schemas. Constants alone."""

from __future__ import annotations

from typing import Any

from webapp.scim import ENTERPRISE, GROUP, USER

_OFF = {"supported": False}
SERVICE_PROVIDER: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
    "patch": {"supported": True},
    "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": True, "maxResults": 200},
    "changePassword": _OFF,
    "sort": _OFF,
    "etag": _OFF,
    "authenticationSchemes": [
        {
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "The organization's directory token, made under Sign-in.",
            "primary": True,
        }
    ],
}


def _type(name: str, endpoint: str, schema: str, extensions: list[str]) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": name,
        "name": name,
        "endpoint": endpoint,
        "schema": schema,
        "schemaExtensions": [{"schema": one, "required": False} for one in extensions],
    }


RESOURCE_TYPES = [
    _type("User", "/Users", USER, [ENTERPRISE]),
    _type("Group", "/Groups", GROUP, []),
]


def _attribute(name: str, kind: str = "string", **facts: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "multiValued": False,
        "required": False,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
    } | facts


def _schema(schema_id: str, name: str, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": schema_id,
        "name": name,
        "attributes": attributes,
    }


_PARTS = [_attribute("formatted"), _attribute("givenName"), _attribute("familyName")]
_EMAIL = [_attribute("value"), _attribute("type"), _attribute("primary", "boolean")]
_MEMBER = [
    _attribute("value", mutability="immutable"),
    _attribute("display", mutability="readOnly"),
]
SCHEMAS = [
    _schema(
        USER,
        "User",
        [
            _attribute("userName", required=True, uniqueness="server"),
            _attribute("displayName"),
            _attribute("name", "complex", subAttributes=_PARTS),
            _attribute("emails", "complex", multiValued=True, subAttributes=_EMAIL),
            _attribute("active", "boolean"),
        ],
    ),
    _schema(
        GROUP,
        "Group",
        [
            _attribute("displayName", required=True, uniqueness="server"),
            _attribute("members", "complex", multiValued=True, subAttributes=_MEMBER),
        ],
    ),
    _schema(ENTERPRISE, "EnterpriseUser", [_attribute("department"), _attribute("costCenter")]),
]
