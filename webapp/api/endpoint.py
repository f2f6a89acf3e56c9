"""What one route of the management API declares, and the tables of routes. It serves none; ``serving`` does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar, get_type_hints

import msgspec

from core.authoring.actor import Actor
from core.clock import isoformat
from webapp.access import PlaceOf
from webapp.callers import Viewer
from webapp.state import ControlPlane

T = TypeVar("T")
Handler = TypeVar("Handler", bound=Callable[..., Any])

Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""A moment in UTC, as ISO 8601 with milliseconds and a Z."""
DEFAULT_PAGE = 50
LARGEST_PAGE = 200


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a caller sends; a field that nobody knows is refused, so that a typing error is noticed."""


class OptionalBody(Body, kw_only=True):
    """A body that a caller may leave out."""


class Query(msgspec.Struct, kw_only=True):
    """What an address may ask for behind the ``?``."""


class ListQuery(Query, kw_only=True):
    """What every list takes."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PAGE)] = DEFAULT_PAGE
    cursor: str = ""


class Page(msgspec.Struct, Generic[T], kw_only=True):
    """A part of a list, and the cursor that the next part begins at; null at the end."""

    data: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, when, and with what at hand."""

    viewer: Viewer
    actor: Actor
    now: datetime
    plane: ControlPlane
    expected: str | None
    """The version that ``If-Match`` names; None when the caller expects nothing."""

    @property
    def organization_id(self) -> str:
        """The caller's organization; nothing outside it is ever read or changed."""
        return self.viewer.organization_id


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route. ``handler`` takes the call, then ``query``, ``body`` and the parts of the path by name."""

    method: str
    path: str
    handler: Callable[..., Any]
    tag: str
    summary: str
    permission: str
    """Empty where the route is about whoever asks."""
    status: int
    at: PlaceOf | None
    anywhere: bool
    query: type[Query] | None
    body: type[Body] | None
    answer: Any
    """The type of the answer; None for one without a body."""
    is_idempotent: bool
    """A create: repeated with the same ``Idempotency-Key`` it answers as it did the first time."""

    @property
    def name(self) -> str:
        """A name of its own among all routes."""
        return self.handler.__name__


@dataclass(slots=True)
class Routes:
    """The routes of one resource, in the order in which they are declared."""

    tag: str
    root: str
    endpoints: list[Endpoint] = field(default_factory=list)

    def answer_of(self, name: str) -> Any:
        """Return the type that a declared route answers with."""
        return next(one.answer for one in self.endpoints if one.name == name)

    def get(self, path: str, permission: str, **more: Any) -> Callable[[Handler], Handler]:
        """Declare a reading route. Here and below, an empty permission is for what is the caller's own."""
        return self._declare("GET", path, permission, 200, more)

    def create(self, path: str, permission: str, **more: Any) -> Callable[[Handler], Handler]:
        """Declare a route that creates something: 201, repeatable with an ``Idempotency-Key``."""
        return self._declare("POST", path, permission, 201, {"is_idempotent": True, **more})

    def post(self, path: str, permission: str, **more: Any) -> Callable[[Handler], Handler]:
        """Declare a route that does something to what exists."""
        return self._declare("POST", path, permission, 200, more)

    def patch(self, path: str, permission: str, **more: Any) -> Callable[[Handler], Handler]:
        """Declare a route that changes the fields it is given."""
        return self._declare("PATCH", path, permission, 200, more)

    def put(self, path: str, permission: str, **more: Any) -> Callable[[Handler], Handler]:
        """Declare a route that makes something be what it is given."""
        return self._declare("PUT", path, permission, 200, more)

    def delete(self, path: str, permission: str, **more: Any) -> Callable[[Handler], Handler]:
        """Declare a route that ends something and answers with what it was."""
        return self._declare("DELETE", path, permission, 200, more)

    def _declare(
        self, method: str, path: str, permission: str, status: int, more: dict[str, Any]
    ) -> Callable[[Handler], Handler]:
        def mark(handler: Handler) -> Handler:
            hints = get_type_hints(handler, include_extras=True)
            self.endpoints.append(
                Endpoint(
                    method=method,
                    path=self.root + path,
                    handler=handler,
                    tag=self.tag,
                    summary=(inspect.getdoc(handler) or "").partition("\n")[0],
                    permission=permission,
                    status=more.get("status", status),
                    at=more.get("at"),
                    anywhere=more.get("anywhere", False),
                    query=hints.get("query"),
                    body=hints.get("body"),
                    answer=more.get("answer", hints.get("return")),
                    is_idempotent=more.get("is_idempotent", False),
                )
            )
            return handler

        return mark


def moment(value: datetime | None) -> str | None:
    """Return a moment as the API writes it."""
    return None if value is None else isoformat(value)


def given(body: Body) -> dict[str, Any]:
    """Return the fields that a PATCH names; those that it leaves out are not among them."""
    return {
        name: value
        for name in body.__struct_fields__
        if (value := getattr(body, name)) is not msgspec.UNSET
    }
