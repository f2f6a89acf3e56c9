"""Serves the declared routes: reads what was sent, calls the handler, writes the answer. Knows no resource."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import msgspec
from flask import Blueprint, Response, make_response, request

from core.clock import utcnow
from core.fault import Fault, Refused
from webapp.access import api_caller, api_person, viewer
from webapp.api.endpoint import Call, Endpoint, OptionalBody, Routes
from webapp.api.idempotency import Once, answered_once
from webapp.state import control_plane

JSON = "application/json"
_WHERE = " - at `$"
# PostgreSQL can't store it, and no text of ours has a use for it.
_NO_NUL = "A text holds a NUL character."


def blueprint_of(tables: Iterable[Routes]) -> Blueprint:
    """Return a blueprint that serves every route of the tables."""
    blueprint = Blueprint("api", __name__)
    for table in tables:
        for one in table.endpoints:
            blueprint.add_url_rule(one.path, one.name, _declared(one), methods=[one.method])
    return blueprint


def _declared(one: Endpoint) -> Any:
    if not one.permission:
        return api_person(_view(one))
    return api_caller(one.permission, at=one.at, anywhere=one.anywhere)(_view(one))


def _view(one: Endpoint) -> Any:
    def view(**parts: str) -> Response:
        _refuse_too_many()
        call = _call()
        arguments: dict[str, Any] = dict(parts)
        if one.query is not None:
            arguments["query"] = _query(one.query)
        if one.body is not None:
            arguments["body"] = _body(one.body)
        key = request.headers.get("Idempotency-Key", "")
        if one.is_idempotent and key:
            return _once(one, call, key, arguments)
        status, body = _made(one, call, arguments)
        return _answer(status, body)

    view.__name__ = one.name
    view.__doc__ = one.handler.__doc__
    return view


def _call() -> Call:
    who, plane = viewer(), control_plane()
    expected = request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
    return Call(who, who.actor(), utcnow(), plane, expected or None)


def _refuse_too_many() -> None:
    who = viewer()
    if not who.api_key_id:
        return
    wait_seconds = control_plane().api_calls.retry_after_seconds(who.api_key_id, time.monotonic())
    if wait_seconds:
        raise Refused(
            Fault.RATE_LIMIT_EXCEEDED,
            "This API key has made too many requests.",
            retry_after_seconds=wait_seconds,
        )


def _query(kind: type[Any]) -> Any:
    try:
        return msgspec.convert(request.args.to_dict(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong("The address asks for something that can't be: ", error) from None


def _body(kind: type[Any]) -> Any:
    if issubclass(kind, OptionalBody) and not request.get_data():
        return kind()
    if request.mimetype != JSON:
        raise Refused(Fault.BAD_REQUEST, f"Send the body as {JSON}.")
    data = request.get_data()
    if b"\\u0000" in data:
        raise Refused(Fault.BAD_REQUEST, _NO_NUL)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _wrong("The body is not what this route takes: ", error) from None


def _wrong(start: str, error: Exception) -> Refused:
    sentence, _, place = str(error).partition(_WHERE)
    field = place.rstrip("`").lstrip(".")
    where = f" (in `{field}`)" if field else ""
    errors = {field: sentence} if field else {}
    return Refused(Fault.BAD_REQUEST, f"{start}{sentence}{where}.", errors=errors)


def _made(one: Endpoint, call: Call, arguments: dict[str, Any]) -> tuple[int, bytes]:
    told = one.handler(call, **arguments)
    return one.status, b"" if told is None else msgspec.json.encode(told)


def _once(one: Endpoint, call: Call, key: str, arguments: dict[str, Any]) -> Response:
    who = call.viewer
    sent = (request.method, request.path, request.get_data())
    once = Once.of(who.organization_id, who.api_key_id or who.user_id, key, sent)
    status, body, is_repeated = answered_once(
        once, lambda: _made(one, call, arguments), call.plane.sealer, call.now
    )
    response = _answer(status, body)
    if is_repeated:
        response.headers["X-Idempotent-Replay"] = "true"
    return response


def _answer(status: int, body: bytes) -> Response:
    response = make_response(body, status if body else 204)
    if body:
        response.content_type = JSON
    response.headers["Cache-Control"] = "no-store"
    return response
