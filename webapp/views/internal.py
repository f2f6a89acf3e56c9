"""The internal API that gateways call: keys, changes, leases, records. Every call is signed; none has a session."""

from __future__ import annotations

import logging
import sqlite3
from datetime import datetime

import peewee
import psycopg2
from flask import Blueprint, Response, make_response, request

from core.authoring import virtual_keys
from core.clock import to_ms, utcnow
from core.database import connection
from core.fault import Fault, Refused
from core.models import VirtualKey
from core.models.bookkeeping import Booked, Rejection, record
from core.models.leasing import lease, release
from rules.keys import is_virtual_key
from webapp import internal_codec as codec
from webapp.access import machine
from webapp.faults import json_answer
from webapp.queries.bundle import Bundle, Sealers, bundle_of, claims_of
from webapp.queries.stock import StockTerms, stock_page
from webapp.signatures import signature_error
from webapp.state import control_plane

LOG = logging.getLogger(__name__)
BASE = "/api/internal/gateway"
CHANGES_PATH = f"{BASE}/changes"
DEFAULT_WAIT_SECONDS = 10
LONGEST_WAIT_SECONDS = 25

blueprint = Blueprint("internal", __name__, url_prefix=BASE)


@blueprint.before_request
def check_signature() -> Response | None:
    """Answer 401 to everyone who does not share the secret."""
    settings = control_plane().settings
    if not settings.internal_secret:
        return _error("gateway_internal_secret_missing", 500)
    code = signature_error(request, settings, utcnow().timestamp())
    if not code:
        return None
    LOG.warning("internal_call_refused", extra={"code": code, "path": request.path})
    return _error(code, 401)


@blueprint.get("/health")
@machine
def health() -> Response:
    """Answer that the internal API answers."""
    return json_answer({"status": "ok"})


@blueprint.post("/resolve-key")
@machine
def resolve_key() -> Response:
    """Answer with the claims and the bundle of the key that was shown to a gateway."""
    presented = codec.read(request.get_data(), codec.ResolveRequest).key_presented
    if not presented:
        return _error("missing_key_presented", 400)
    if not is_virtual_key(presented):
        raise Refused(Fault.INVALID_API_KEY)
    settings, now = control_plane().settings, utcnow()
    with connection():
        key = virtual_keys.find_by_secret(settings.pepper, presented, now)
        if key is None:
            raise Refused(Fault.INVALID_API_KEY)
        _refuse_unusable(key, now)
        virtual_keys.learn_lookup(key, settings.pepper, presented)
        bundle = _bundle(key, now)
    return json_answer(
        {
            "jwt": claims_of(bundle.config, settings.jwt_secret, now),
            "revision": key.revision,
            "key_id": key.id,
            "display_prefix": key.display_prefix,
            "config": bundle.config,
        }
    )


@blueprint.get("/config/<key_id>")
@machine
def config(key_id: str) -> Response:
    """Answer with a key's bundle, or 304 when the caller's is the same but for what was spent."""
    with connection():
        key = VirtualKey.get_or_none(VirtualKey.id == key_id)
        if key is None:
            raise Refused(Fault.NOT_FOUND)
        bundle = _bundle(key, utcnow())
    response = json_answer(bundle.config)
    response.set_etag(bundle.etag)
    return make_response(response.make_conditional(request))


@blueprint.get("/bootstrap")
@machine
def bootstrap() -> Response:
    """Answer with a page of all usable keys, for gateways that want to know them before they are used."""
    state = control_plane()
    sealers = Sealers(state.sealer, state.bundle_sealer)
    terms = StockTerms(sealers, state.settings.jwt_secret, state.settings.pepper)
    return json_answer(stock_page(request.args.get("page_token", ""), terms, utcnow()))


@blueprint.get("/changes")
@machine
def changes() -> Response:
    """Answer with the changes after a revision, waiting for one; without a revision, with the current one."""
    feed = control_plane().feed
    since = _number("since")
    if since is None:
        return json_answer(codec.changes_json([], feed.current_revision()))
    wait_seconds = _number("timeout_s")
    wait_seconds = DEFAULT_WAIT_SECONDS if wait_seconds is None else wait_seconds
    events = feed.wait(since, max(1, min(wait_seconds, LONGEST_WAIT_SECONDS)))
    if not events:
        response = make_response("", 204)
        response.headers["X-LangWatch-Revision"] = str(feed.current_revision())
        return response
    return json_answer(codec.changes_json(events, events[-1].revision))


@blueprint.post("/leases")
@machine
def leases() -> Response:
    """Take back, lend and renew."""
    asked = codec.read(request.get_data(), codec.LeaseRequest)
    states, expires_at = lease(
        asked.owner, codec.amounts(asked.want), codec.amounts(asked.give_back), utcnow()
    )
    return json_answer(codec.leases_json(states, to_ms(expires_at)))


@blueprint.post("/leases/release")
@machine
def release_leases() -> Response:
    """End a worker's leases."""
    ended = release(codec.read(request.get_data(), codec.ReleaseRequest).owner)
    return json_answer({"released": ended})


@blueprint.post("/spend-commands")
@machine
def spend_commands() -> Response:
    """Book a batch of records; a record that can't be booked never holds up the others."""
    body = request.get_data()
    commands = codec.read(body, codec.SpendRequest).commands
    if not 1 <= len(commands) <= codec.MAX_COMMANDS:
        raise Refused(Fault.BAD_REQUEST, f"A batch has 1 to {codec.MAX_COMMANDS} records.")
    if b"\\u0000" in body:
        commands = codec.without_nul(commands)
    return json_answer(codec.booked_json(_recorded(commands, utcnow())))


# Bulk statements run on the driver's own cursor, so its errors come as they are.
_UNBOOKABLE = (
    *(OverflowError, ValueError, TypeError),
    *(peewee.DataError, psycopg2.DataError, sqlite3.InterfaceError),
    *(peewee.IntegrityError, psycopg2.IntegrityError, sqlite3.IntegrityError),
)


def _recorded(commands: list[dict[str, object]], now: datetime) -> Booked:
    """Book the batch; if one record makes the database refuse it, book each alone."""
    try:
        return record(commands, now)
    except _UNBOOKABLE as error:
        LOG.error("batch_refused", extra={"records": len(commands), "reason": repr(error)})
    rejected: list[Rejection] = []
    settled = 0
    for index, command in enumerate(commands):
        try:
            booked = record([command], now)
        except _UNBOOKABLE:
            rejected.append(Rejection(index, "invalid_payload"))
        else:
            settled += booked.settled
            rejected += [Rejection(index, wrong.code) for wrong in booked.rejected]
    return Booked(len(commands) - len(rejected), tuple(rejected), settled)


def _bundle(key: VirtualKey, now: datetime) -> Bundle:
    state = control_plane()
    return bundle_of(key, Sealers(state.sealer, state.bundle_sealer), now)


def _refuse_unusable(key: VirtualKey, now: datetime) -> None:
    if key.status == "revoked":
        raise Refused(Fault.VIRTUAL_KEY_REVOKED)
    if key.status == "disabled":
        raise Refused(Fault.VIRTUAL_KEY_DISABLED)
    if key.expires_at is not None and key.expires_at <= now:
        raise Refused(Fault.VIRTUAL_KEY_EXPIRED)


def _number(name: str) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused(Fault.BAD_REQUEST, f"{name} is a whole number, not negative.")
    return int(text)


def _error(code: str, status: int) -> Response:
    return json_answer({"error": {"code": code, "message": code.replace("_", " ")}}, status)
