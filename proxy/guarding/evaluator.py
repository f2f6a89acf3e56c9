"""Asks a guardrail's HTTP evaluator about texts: one signed POST, within a deadline. Decides nothing.

The form of question and answer is documented in docs/reference/guardrail-evaluator.md.
"""

import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import trio

from proxy.checks import Evaluator
from proxy.transport.answer import BadAnswer
from proxy.transport.faults import UpstreamLost
from proxy.transport.upstream import UpstreamPool
from rules.patterns import searchable

_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_MAX_REASON_CHARACTERS = 200
_SIGNED_AT = b"x-langwatch-timestamp"
_SIGNATURE = b"x-langwatch-signature"


class Question(NamedTuple):
    """What is asked: texts, where they stand, and which call they are of."""

    guardrail_id: str
    direction: str
    about: dict[str, Any]
    texts: Sequence[str]
    places: Sequence[str]


class Answer(NamedTuple):
    """What the evaluator says. ``texts`` replace those asked about, one for one; None leaves them."""

    is_blocked: bool
    reason: str
    texts: list[str] | None


class EvaluatorAway(Exception):
    """The evaluator gave no usable answer; ``reason`` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Text(msgspec.Struct):
    at: str
    text: str


class _Told(msgspec.Struct):
    decision: str
    reason: str = ""
    texts: list[str] | None = None


_told = msgspec.json.Decoder(_Told)


async def ask(pool: UpstreamPool, evaluator: Evaluator, question: Question) -> Answer:
    """Return the answer to a question. Raises EvaluatorAway: timeout, unreachable, status, bad_answer."""
    body = msgspec.json.encode(
        {
            "guardrail_id": question.guardrail_id,
            "direction": question.direction,
            **question.about,
            "texts": [
                _Text(at, searchable(text))
                for at, text in zip(question.places, question.texts, strict=True)
            ],
        }
    )
    data = None
    try:
        with trio.move_on_after(evaluator.timeout_seconds):
            data = await _posted(pool, evaluator, body)
    except (UpstreamLost, BadAnswer):
        raise EvaluatorAway("unreachable") from None
    if data is None:
        raise EvaluatorAway("timeout")
    return _read(data, len(question.texts))


async def _posted(pool: UpstreamPool, evaluator: Evaluator, body: bytes) -> bytes:
    signed_at = b"%d" % time.time()
    headers = [
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
        (_SIGNED_AT, signed_at),
        (_SIGNATURE, signature(evaluator, signed_at, body)),
    ]
    answer = await pool.send(evaluator.target, (b"POST", evaluator.path, headers), body)
    try:
        if answer.status != 200:
            raise EvaluatorAway("status")
        pieces: list[bytes] = []
        size_bytes = 0
        while (some := await answer.next_chunks()) is not None:
            pieces += some
            size_bytes += sum(map(len, some))
            if size_bytes > _MAX_ANSWER_BYTES:
                raise EvaluatorAway("bad_answer")
        return b"".join(pieces)
    finally:
        answer.abort()


def signature(evaluator: Evaluator, signed_at: bytes, body: bytes) -> bytes:
    """Return the header by which an evaluator knows that the gateway asks: HMAC-SHA256 over time and body."""
    key = evaluator.secret.reveal().encode()
    return b"v1=" + hmac.digest(key, signed_at + b"." + body, hashlib.sha256).hex().encode()


def _read(data: bytes, texts: int) -> Answer:
    try:
        told = _told.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise EvaluatorAway("bad_answer") from None
    reason = told.reason[:_MAX_REASON_CHARACTERS]
    if told.decision == "allow":
        return Answer(False, reason, None)
    if told.decision == "block":
        return Answer(True, reason, None)
    if told.decision == "modify" and told.texts is not None and len(told.texts) == texts:
        return Answer(False, reason, told.texts)
    raise EvaluatorAway("bad_answer")
