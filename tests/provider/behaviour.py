"""The little language in which a caller scripts one answer of the fake provider.

`chunks=20,delay_ms=5,reset_after=7`: names and values, comma separated; a bare name means yes.
Numbers of a list are joined with `+`. This module only reads the language; it acts on nothing.
"""

from dataclasses import dataclass, fields
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One scripted answer. `*_after` and `*_at` count server-sent events, starting at 0."""

    ok: bool = False  # changes nothing; a way to say "normal" where a script is expected

    status: int = 200
    retry_after: str = ""
    should_retry: str = ""

    prompt: int = -1  # as the dialect reports it: Anthropic's leaves cached tokens out
    completion: int = -1
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0  # the part of cache_write that lives for an hour
    reasoning: int = 0
    no_usage: bool = False

    chunks: int = 8
    tool_calls: int = 0
    thinking: bool = False
    body_bytes: int = 0  # least size of the text in an unstreamed answer

    ttft_ms: float = 0
    delay_ms: float = 0
    split: tuple[int, ...] = ()  # byte offsets within each event at which a new write begins
    split_every: int = 0  # cut the whole stream every n bytes, across the events' borders
    merge: int = 1  # events in one write
    step: bool = False  # hold each write back until a test asks for it
    gap_ms: float = 2  # pause between the writes of one split event

    hang_head: bool = False
    reset_head: bool = False
    close_head: bool = False
    hang_after: int = -1
    reset_after: int = -1
    cut_after: int = -1  # close without the last chunk
    end_after: int = -1  # a well-framed end without the dialect's terminal event
    error_after: int = -1  # the dialect's own error event, then a well-framed end
    bad_json_at: int = -1
    bad_framing_at: int = -1
    oversize_at: int = -1
    oversize_bytes: int = 2_000_000
    short: bool = False  # promise more Content-Length than is sent, then close

    gzip: str = ""  # "1": when the request accepts it; "force": always
    framing: str = ""  # "chunked" or "close" for an unstreamed answer
    close: bool = False  # `Connection: close` after this answer
    token_seconds: int = 3600  # how long an access token of a cloud is good for

    stale: str = ""  # "idle": close unannounced after it; "next": when the next request comes

    @property
    def breaks_off(self) -> bool:
        """Whether an unstreamed body stops half-way."""
        return max(self.hang_after, self.reset_after, self.cut_after) >= 0


_KINDS = {field.name: field.type for field in fields(Behaviour)}
NORMAL = Behaviour()


@lru_cache(maxsize=4096)
def parse(text: str) -> Behaviour:
    """The behaviour that `text` describes. Raises ValueError for an unknown name or bad value."""
    found: dict[str, object] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, has_value, value = part.partition("=")
        if name not in _KINDS:
            raise ValueError(f"unknown behaviour {name!r}")
        found[name] = _value(name, value if has_value else "1")
    return Behaviour(**found)  # type: ignore[arg-type]


def _value(name: str, text: str) -> object:
    kind = _KINDS[name]
    if kind is bool:
        return text not in ("0", "no", "false")
    if kind is int:
        return int(text)
    if kind is float:
        return float(text)
    if kind is str:
        return text
    return tuple(int(number) for number in text.split("+"))
