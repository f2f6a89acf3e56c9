"""How a call ended, in the words of the ledger, and what the client is told. Sends and books nothing."""

from core.fault import Fault, Refused
from proxy.pipeline.call import Call, Outcome
from proxy.transport.faults import AbortConnection, ClientGone, LeashPulled, Stage, UpstreamLost
from proxy.transport.leash import LeashReason

MID_STREAM_FAILURE = "upstream_mid_stream_failure"
MALFORMED_STREAM = "malformed_stream"
_LATE = {
    LeashReason.FIRST_BYTE_TIMEOUT: "The provider sent nothing in time.",
    LeashReason.IDLE_TIMEOUT: "The provider fell silent in the middle of its answer.",
    LeashReason.TOTAL_TIMEOUT: "The call took longer than a call may take.",
}
_MALFORMED = "malformed"
_LEFT = (ClientGone, AbortConnection, LeashPulled)


class BrokenAnswer(Exception):
    """The provider's answer can't be passed on to a clean end."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def conclude(call: Call, error: BaseException | None) -> None:
    """Say what became of a call whose stages have ended with ``error``, or were stopped by its leash."""
    if call.outcome is not None:
        return
    if call.has_delivered_end and not isinstance(error, Refused):
        # Whatever happened after the dialect's terminal event, the client has the whole answer.
        code = "" if call.meter is None else call.meter.reading.error_code
        call.end(Outcome.FAILED if code else Outcome.COMPLETED, code)
    elif isinstance(error, Refused):
        is_providers = error.fault in (Fault.PROVIDER_ERROR, Fault.UPSTREAM_TIMEOUT)
        call.end(Outcome.FAILED if is_providers else Outcome.REFUSED, error.fault.code, error)
    elif call.leash.reason is not None or isinstance(error, _LEFT):
        _stopped(call, call.leash.reason or LeashReason.CLIENT_GONE)
    elif isinstance(error, UpstreamLost):
        _lost(call, error)
    elif isinstance(error, BrokenAnswer):
        is_cut = error.code == MID_STREAM_FAILURE
        _broken(call, Outcome.TRUNCATED if is_cut else Outcome.FAILED, error.code, error.detail)
    else:
        internal = Refused(Fault.INTERNAL_ERROR, "The gateway failed to serve this request.")
        call.end(Outcome.FAILED, internal.fault.code, internal)


def _stopped(call: Call, reason: LeashReason) -> None:
    if reason in _LATE:
        late = Refused(Fault.UPSTREAM_TIMEOUT, _LATE[reason])
        outcome = Outcome.TRUNCATED if call.has_started else Outcome.FAILED
        call.end(outcome, late.fault.code, late)
    elif reason is LeashReason.DRAIN:
        draining = Refused(Fault.SERVICE_UNAVAILABLE, "The gateway is shutting down.")
        outcome = Outcome.FAILED if call.is_dispatched else Outcome.REFUSED
        call.end(Outcome.TRUNCATED if call.has_started else outcome, "gateway_draining", draining)
    else:
        call.end(Outcome.CANCELLED, reason.value)


def _lost(call: Call, error: UpstreamLost) -> None:
    if error.detail.startswith(_MALFORMED):
        _broken(call, Outcome.FAILED, MALFORMED_STREAM, error.detail)
    elif error.stage is Stage.CONNECT:
        _broken(
            call, Outcome.FAILED, Fault.PROVIDER_ERROR.code, f"could not be reached: {error.detail}"
        )
    else:
        _broken(call, Outcome.TRUNCATED, MID_STREAM_FAILURE, error.detail)


def _broken(call: Call, outcome: Outcome, code: str, detail: str) -> None:
    """End a call whose provider failed: with a status if none was sent yet, else within the stream."""
    refused = Refused(Fault.PROVIDER_ERROR, f"The provider failed: {detail}.")
    if call.has_started:
        call.end(outcome, code, refused)
    else:
        call.end(Outcome.FAILED, Fault.PROVIDER_ERROR.code, refused)
