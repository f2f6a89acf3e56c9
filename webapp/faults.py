"""Turns refusals and crashes into answers, once: a page for people, JSON for programs. The only edge of the web app."""

from __future__ import annotations

import logging
from http import HTTPStatus

import orjson
from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from core.fault import Fault, Refused
from core.ids import new_token

LOG = logging.getLogger(__name__)
_BY_STATUS = {
    400: Fault.BAD_REQUEST,
    401: Fault.UNAUTHENTICATED,
    403: Fault.PERMISSION_DENIED,
    404: Fault.NOT_FOUND,
    405: Fault.METHOD_NOT_ALLOWED,
    413: Fault.PAYLOAD_TOO_LARGE,
}
_TITLES = {
    Fault.NOT_FOUND: "Nothing is here",
    Fault.PERMISSION_DENIED: "You may not open this",
    Fault.CSRF_FAILED: "Please try that again",
    Fault.INTERNAL_ERROR: "Something broke on our side",
    Fault.METHOD_NOT_ALLOWED: "This address takes other requests",
}


def install_faults(app: Flask) -> None:
    """Answer every exception of ``app`` here."""
    app.register_error_handler(Refused, answer_refused)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_crash)


def answer_refused(refused: Refused) -> Response:
    """Return the answer to a refusal: JSON under /api, else a page."""
    fault = refused.fault
    facts = {
        name: fact
        for name, fact in refused.facts.items()
        if name not in ("errors", "changes", "remedy")
    }
    LOG.log(
        fault.level, "request_refused", extra={"code": fault.code, "path": request.path, **facts}
    )
    if wants_json():
        response = json_fault(fault, refused.message, refused.facts)
        wait_seconds = refused.facts.get("retry_after_seconds")
        if wait_seconds:
            response.headers["Retry-After"] = str(wait_seconds)
        return response
    message = refused.message or fault.hint
    remedy = str(refused.facts.get("remedy", fault.hint))
    remedy = "" if message == remedy else remedy
    return _page(fault.status, _title(fault), message, remedy)


def wants_json() -> bool:
    """Say whether the caller is a program."""
    return request.path.startswith(("/api/", "/scim/"))


def json_fault(fault: Fault, message: str = "", facts: dict[str, object] | None = None) -> Response:
    """Return a refusal as JSON: code, message, hint, and the fields that were wrong."""
    error: dict[str, object] = {
        "code": fault.code,
        "message": message or fault.hint,
        "hint": fault.hint,
    }
    for name in ("errors", "permission", "changes", "reason"):
        fact = (facts or {}).get(name)
        if fact:
            error[name] = fact
    return json_answer({"error": error}, fault.status)


def json_answer(body: object, status: int = 200) -> Response:
    """Return a JSON answer."""
    response = make_response(orjson.dumps(body), status)
    response.content_type = "application/json"
    return response


def _answer_http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:
        return make_response(error.get_response())
    fault = _BY_STATUS.get(status)
    if fault is not None:
        response = answer_refused(Refused(fault))
    elif wants_json():
        name = HTTPStatus(status).phrase.lower().replace(" ", "_")
        body = {"code": name, "message": error.description or "", "hint": ""}
        response = json_answer({"error": body}, status)
    else:
        response = _page(status, error.name, error.description or "")
    allow = getattr(error, "valid_methods", None)
    if allow:
        response.headers["Allow"] = ", ".join(sorted(allow))
    return response


def _answer_crash(error: Exception) -> Response:
    reference = new_token()[:10]
    LOG.error(
        "request_crashed", exc_info=error, extra={"path": request.path, "reference": reference}
    )
    fault = Fault.INTERNAL_ERROR
    if wants_json():
        return json_fault(fault, f"Reference {reference}.")
    message = f"It is logged under the reference {reference}."
    return _page(fault.status, _title(fault), message)


def _page(status: int, title: str, message: str, remedy: str = "") -> Response:
    # respond() takes the status of the answer by the same name, so the template gets its own.
    page = render_template("fault.html", status=status, title=title, message=message, remedy=remedy)
    response = make_response(page, status)
    # A whole page is not what a fragment's place is waiting for; the script says that it went wrong.
    response.headers["HX-Reswap"] = "none"
    return response


def _title(fault: Fault) -> str:
    return _TITLES.get(fault, fault.code.replace("_", " ").capitalize())
