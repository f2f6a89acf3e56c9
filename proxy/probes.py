"""The probes: alive, ready, started, and the public status. They answer from memory, without a key."""

from proxy.readiness import Readiness
from proxy.responses import Answer, json_answer
from proxy.routes import Serves

SILENT_SECONDS = 60.0
"""How long the control plane may be silent before the public status says so."""
_NO_STORE = [(b"cache-control", b"no-store")]


def probe(serves: Serves, readiness: Readiness, version: str) -> Answer:
    """Return the answer of a probe."""
    if serves is Serves.STATUS:
        return _status(readiness)
    state = _state(readiness)
    if serves is Serves.STARTED and not readiness.started:
        # The brief's own words for a gateway that is starting.
        checks = {"control_plane_reachable": _reachable(readiness)}
        return json_answer(503, {"status": "degraded", "checks": checks}, _NO_STORE)
    is_well = serves is Serves.ALIVE or readiness.is_ready
    body = {
        "status": "ok" if serves is Serves.ALIVE else state,
        "version": version,
        "uptime_s": round(readiness.uptime_seconds(), 1),
    }
    return json_answer(200 if is_well else 503, body, _NO_STORE)


def _state(readiness: Readiness) -> str:
    if readiness.draining:
        return "draining"
    return "ok" if readiness.started else "starting"


def _reachable(readiness: Readiness) -> str:
    return "ok" if readiness.answered_s() is not None else "unreachable"


def _status(readiness: Readiness) -> Answer:
    silent_seconds = readiness.control_plane_silent_seconds()
    is_reached = silent_seconds <= SILENT_SECONDS
    link = "ok" if is_reached else f"unreachable for {int(silent_seconds)}s"
    body = {
        "status": "ok" if is_reached else "degraded",
        "checks": {"gateway": _state(readiness), "control_plane": link},
    }
    return json_answer(200 if is_reached else 503, body, _NO_STORE)
