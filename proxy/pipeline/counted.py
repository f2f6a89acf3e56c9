"""Answers a question for a number of tokens by an estimate, where no provider can be asked but the model could be.

A client that gets no count at all finds out too late that its conversation has become too long.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from core.fault import Fault, Refused
from proxy.answer_store import Kept, Replay
from proxy.dialects.dialect import UNREADABLE
from proxy.pipeline.call import Call
from proxy.pipeline.lanes import Choice, Lane
from proxy.routes import MODEL, find
from rules.token_counts import counted

ESTIMATED = (b"x-langwatch-token-count", b"estimated")
_JSON = (b"content-type", b"application/json")
_ANSWERS: dict[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "count_tokens": ("/v1/messages", lambda tokens: {"input_tokens": tokens}),
    "responses_input_tokens": (
        "/v1/responses",
        lambda tokens: {"object": "response.input_tokens", "input_tokens": tokens},
    ),
    "count_gemini_tokens": (
        f"/v1beta/models/{MODEL}:generateContent",
        lambda tokens: {"totalTokens": tokens},
    ),
}
"""By request type: the route whose calls are meant, and the form of the answer."""


def count_here(call: Call, refused: Refused) -> None:
    """Let an estimate serve a call that counts, if its model can be asked on another route.

    Raises the refusal when it can't, or when the call is of another kind.
    """
    answer = _ANSWERS.get(call.route.request_type)
    generating = None if answer is None else find(answer[0].replace(MODEL, "m"))
    if answer is None or generating is None or refused.fault is not Fault.MODEL_PROVIDER_NOT_BOUND:
        raise refused
    found = call.required_plan().on(generating).peek(call.ask.model)
    if found is None:
        raise refused
    try:
        body = msgspec.json.encode(answer[1](counted(call.body)))
    except UNREADABLE:
        raise refused from None
    served = found.chain[0]
    lane = Lane(call.route, served.lane.binding, served.lane.provider, call.dialect, b"")
    call.chain = (Choice(lane, served.model),)
    call.choose(call.chain[0])
    length = (b"content-length", b"%d" % len(body))
    call.upstream = Replay(Kept(200, [_JSON, length], (body,), 0.0, len(body)))
    call.is_replayed = True
    call.own_headers = [*call.own_headers, ESTIMATED]
