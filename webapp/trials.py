"""Trials that pages and the API offer alike: does a trace destination take a span, does an OpenID provider answer."""

from __future__ import annotations

from datetime import datetime

from core.authoring import trace_destinations
from core.models import SignInConnection, TraceDestination
from core.outbound import Reach
from core.secrets import SealError
from core.trace_trial import TRIAL_SECONDS, TraceTried, try_destination
from webapp import openid
from webapp.openid import ProviderFailedError
from webapp.state import ControlPlane


def try_trace_destination(row: TraceDestination, plane: ControlPlane, now: datetime) -> TraceTried:
    """Send a test span to a destination; return what came of it."""
    try:
        headers = trace_destinations.headers_of(row, plane.sealer)
    except SealError:
        return TraceTried(False, "The stored headers can't be opened; enter them again.")
    networks = plane.settings.allowed_private_networks
    reach = Reach(row.is_operator_address, networks, TRIAL_SECONDS)
    return try_destination(row.endpoint, headers, reach, now)


def reach_of_connection(row: SignInConnection, plane: ControlPlane) -> Reach:
    """Return where a connection's addresses may lead."""
    networks = plane.settings.allowed_private_networks
    return Reach(row.is_operator_address, networks, answer_bytes=openid.ANSWER_BYTES)


def why_unanswered(row: SignInConnection, plane: ControlPlane) -> str:
    """Return why a connection's provider can't be used, asking it anew; empty when it can."""
    reach = reach_of_connection(row, plane)
    try:
        provider = plane.openid.discover(row.issuer, reach, is_fresh=True)
        plane.openid.keys(provider, reach, is_fresh=True)
    except ProviderFailedError as failed:
        return str(failed)
    return ""
