"""The five routes that most resources have, made from what the resource says of itself.

What a resource takes is read off the dataclass that its authoring functions take, so that the two can't differ.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import msgspec

from core.authoring.versions import version_of
from core.database import Model
from core.secrets import Secret
from webapp.access import PlaceOf
from webapp.api.endpoint import Body, Call, Endpoint, ListQuery, Moment, Page, Routes, given, moment
from webapp.api.paging import page_of

AwareMoment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment as callers send it: ISO 8601 with a time zone."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What each of the five routes needs."""

    view: str
    create: str
    update: str
    delete: str

    @classmethod
    def of(cls, resource: str) -> Permissions:
        """Return the permissions of a resource that has a verb for each."""
        return cls(*(f"{resource}:{verb}" for verb in ("view", "create", "update", "delete")))

    @classmethod
    def managed(cls, resource: str) -> Permissions:
        """Return the permissions of a resource that is seen or managed."""
        manage = f"{resource}:manage"
        return cls(f"{resource}:view", manage, manage, manage)


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of thing. ``make``, ``alter`` and ``end`` are its authoring functions, called with plain values.

    ``shown`` are the columns of an answer with their types; a datetime is shown as text.
    """

    noun: str
    """Singular, as in a sentence: ``cache rule``."""
    root: str
    tag: str
    model: type[Model]
    permissions: Permissions
    takes: type[Any]
    """The dataclass of what it shall be."""
    shown: Mapping[str, Any]
    find: Callable[[str, str], Any]
    make: Callable[[Call, Any], Any]
    alter: Callable[[Call, Any, Any], Any] | None = None
    end: Callable[[Call, str], Any] | None = None
    told_once: str = ""
    """Set where ``make`` returns the row and a secret: the name under which the secret is told, once."""
    stored: Callable[[Any], Mapping[str, Any]] | None = None
    """The fields of ``takes`` as a row has them, for a change that names only some; the columns of the same name
    unless this says otherwise."""
    extra: Callable[[Call, Sequence[Any]], Sequence[Mapping[str, Any]]] | None = None
    """What an answer shows beside its columns, for all rows of a page at once."""
    extra_shown: Mapping[str, Any] = field(default_factory=dict)
    """The types of what ``extra`` adds."""
    live: Callable[[type[Any]], Any] | None = None
    """The rows that a list shows; those that are not archived where there is such a column."""
    hidden: Sequence[str] = ()
    """Fields of ``takes`` that only the operator's file may set."""
    addresses: Sequence[str] = ()
    """Fields that say where we connect to: when one of them changes, what the operator vouched for is void."""
    fixed: Sequence[str] = ()
    """Fields that are chosen at creation and stay."""
    types: Mapping[str, Any] = field(default_factory=dict)
    """Narrower types of some fields, where the dataclass says only what kind of value it is."""
    at: PlaceOf | None = None
    """Where the thing is that a path names, when its routes ask their permission there."""
    is_seen_whole: bool = False
    """Who may see some may see all of them, so that only changes are asked ``at``."""
    within: Callable[[Call, Any], Any] | None = None
    """Narrows a list to what the caller may see; the list then asks its permission at any place."""
    made_anywhere: bool = False
    """``make`` itself judges whether the caller may, at the place it is for."""
    ending: str = "Archive"
    """What ``end`` is called."""


def routes_of(one: Resource, out: type[Any] | None = None) -> Routes:
    """Return the routes of a resource; ``out`` is its answer's type where other routes need it, too."""
    table = Routes(one.tag, one.root)
    out = out or out_of(one)
    part = f"/<{_snake(one)}_id>"
    p = one.permissions
    table.endpoints += [
        _endpoint(one, "GET", "", f"List {_plural(one)}.", p.view, _lister(one, out)),
        _endpoint(one, "POST", "", f"Create {_a(one)}.", p.create, _maker(one, out)),
        _endpoint(one, "GET", part, f"Read {_a(one)}.", p.view, _reader(one, out)),
    ]
    if one.alter is not None:
        summary = f"Change {_a(one)}."
        table.endpoints.append(
            _endpoint(one, "PATCH", part, summary, p.update, _changer(one, out, one.alter))
        )
    if one.end is not None:
        summary = f"{one.ending} {_a(one)}."
        table.endpoints.append(
            _endpoint(one, "DELETE", part, summary, p.delete, _ender(one, out, one.end))
        )
    return table


def told(one: Resource, out: type[Any], call: Call, rows: Sequence[Any]) -> list[Any]:
    """Return rows as the API shows them."""
    extras: Sequence[Mapping[str, Any]] = one.extra(call, rows) if one.extra else [{}] * len(rows)
    return [
        out(**columns_of(row, one.shown), **_version(one, row), **more)
        for row, more in zip(rows, extras, strict=True)
    ]


def _version(one: Resource, row: Any) -> dict[str, str]:
    """Return what a change names in ``If-Match`` to say which state it is about."""
    return {} if one.alter is None else {"version": version_of(row)}


def columns_of(row: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return some columns of a row, moments as text."""
    values = {name: getattr(row, name) for name in names}
    return {n: moment(v) if isinstance(v, datetime) else v for n, v in values.items()}


@dataclass(frozen=True, slots=True)
class _Served:
    """A handler with the types it takes and answers with."""

    name: str
    call: Callable[..., Any]
    answer: Any
    query: Any = None
    body: Any = None


def _endpoint(
    one: Resource, method: str, path: str, summary: str, permission: str, served: _Served
) -> Endpoint:
    served.call.__name__ = served.name
    is_create = method == "POST"
    anywhere = one.made_anywhere if is_create else not path and one.within is not None
    return Endpoint(
        method=method,
        path=one.root + path,
        handler=served.call,
        tag=one.tag,
        summary=summary,
        permission=permission,
        status=201 if is_create else 200,
        at=one.at if path and not (one.is_seen_whole and method == "GET") else None,
        anywhere=anywhere,
        query=served.query,
        body=served.body,
        answer=served.answer,
        is_idempotent=is_create,
    )


def _lister(one: Resource, out: type[Any]) -> _Served:
    def serve(call: Call, query: ListQuery) -> Any:
        model: Any = one.model
        rows = model.select().where(model.organization_id == call.organization_id)
        if one.live is not None:
            rows = rows.where(one.live(model))
        elif "archived_at" in model._meta.fields:
            rows = rows.where(model.archived_at.is_null())
        if one.within is not None:
            rows = one.within(call, rows)
        scope = one.root.rpartition("/")[2]
        return page_of(query, rows, model.id, lambda found: told(one, out, call, found), scope)

    return _Served(f"list_{_plural(one, '_')}", serve, Page[out], query=ListQuery)  # type: ignore[valid-type]


def _maker(one: Resource, out: type[Any]) -> _Served:
    body = _taken(one, f"New{_camel(one)}", is_change=False)
    answer = out if not one.told_once else _minted(one, out)

    def serve(call: Call, body: Any) -> Any:
        values = {name: getattr(body, name) for name in body.__struct_fields__}
        made = one.make(call, one.takes(**_plain(one, values)))
        if not one.told_once:
            return told(one, out, call, [made])[0]
        return answer(*told(one, out, call, made[:1]), made[1].reveal())

    return _Served(f"create_{_snake(one)}", serve, answer, body=body)


def _minted(one: Resource, out: type[Any]) -> type[Any]:
    """Return the type of an answer that tells a secret beside what it belongs to."""
    fields = [(_snake(one), out), (one.told_once, str)]
    return msgspec.defstruct(f"Minted{_camel(one)}", fields, module=__name__)


def _reader(one: Resource, out: type[Any]) -> _Served:
    def serve(call: Call, **part: str) -> Any:
        return told(one, out, call, [one.find(call.organization_id, *part.values())])[0]

    return _Served(f"get_{_snake(one)}", serve, out)


def _changer(one: Resource, out: type[Any], alter: Callable[[Call, Any, Any], Any]) -> _Served:
    change = _taken(one, f"{_camel(one)}Change", is_change=True)

    def serve(call: Call, body: Any, **part: str) -> Any:
        row = one.find(call.organization_id, *part.values())
        values = dict(one.stored(row)) if one.stored else _columns(one, row)
        sent = _plain(one, given(body))
        if any(name in sent and sent[name] != values.get(name) for name in one.addresses):
            values = {name: value for name, value in values.items() if name not in one.hidden}
        return told(one, out, call, [alter(call, row, one.takes(**values | sent))])[0]

    return _Served(f"update_{_snake(one)}", serve, out, body=change)


def _ender(one: Resource, out: type[Any], end: Callable[[Call, str], Any]) -> _Served:
    def serve(call: Call, **part: str) -> Any:
        return told(one, out, call, [end(call, *part.values())])[0]

    return _Served(f"{one.ending.lower()}_{_snake(one)}", serve, out)


def _columns(one: Resource, row: Any) -> dict[str, Any]:
    names = [item.name for item in dataclasses.fields(one.takes)]
    return {name: getattr(row, name) for name in names if name in row._meta.fields}


def _plain(one: Resource, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return sent values as the authoring functions take them."""
    hints = typing.get_type_hints(one.takes)
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, str) and Secret in (hints[name], *typing.get_args(hints[name])):
            value = Secret(value)
        found[name] = tuple(value) if isinstance(value, list) else value
    return found


def out_of(one: Resource) -> type[Any]:
    """Return the type of a resource's answer."""
    fields = [
        (name, Moment | None if kind is datetime else kind) for name, kind in one.shown.items()
    ]
    fields += [("version", str)] if one.alter is not None else []
    fields += list(one.extra_shown.items())
    return msgspec.defstruct(_camel(one), fields, kw_only=True, module=__name__)


def _taken(one: Resource, name: str, *, is_change: bool) -> type[Any]:
    hints = typing.get_type_hints(one.takes)
    left_out = {*one.hidden, *(one.fixed if is_change else ())}
    fields: list[Any] = []
    for item in dataclasses.fields(one.takes):
        if item.name in left_out:
            continue
        kind = one.types.get(item.name, _wire(hints[item.name]))
        if is_change:
            fields.append((item.name, kind | msgspec.UnsetType, msgspec.UNSET))
        elif item.default is not dataclasses.MISSING:
            fields.append((item.name, kind, _default(item.default)))
        elif item.default_factory is not dataclasses.MISSING:
            fields.append((item.name, kind, msgspec.field(default_factory=item.default_factory)))
        else:
            fields.append((item.name, kind))
    made: type[Any] = msgspec.defstruct(
        name, fields, bases=(Body,), kw_only=True, forbid_unknown_fields=True, module=__name__
    )
    return made


def _default(value: Any) -> Any:
    return msgspec.field(default_factory=list) if isinstance(value, tuple) else value


def _wire(kind: Any) -> Any:
    """Return the type by which a field of a dataclass travels."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        parts = [_wire(part) for part in typing.get_args(kind)]
        union = parts[0]
        for part in parts[1:]:
            union = union | part
        return union
    if kind is Secret:
        return str
    if kind is datetime:
        return AwareMoment
    if origin is tuple or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return list[typing.get_args(kind)[0]]  # type: ignore[misc]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, value = typing.get_args(kind)
        return dict[key, value]  # type: ignore[valid-type]
    return kind


def _snake(one: Resource) -> str:
    return one.noun.lower().replace(" ", "_").replace("-", "_")


def _camel(one: Resource) -> str:
    return "".join(word.capitalize() for word in _snake(one).split("_"))


def _plural(one: Resource, joint: str = " ") -> str:
    noun = _snake(one) if joint == "_" else one.noun
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"


def _a(one: Resource) -> str:
    return f"{'an' if one.noun[0] in 'aeiouA' else 'a'} {one.noun}"
