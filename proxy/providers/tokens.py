"""The access tokens of a worker's upstream accounts: had once, shared by all calls, renewed before they end.

A call waits only for the first token of an account; what is in use is renewed beside the calls. How a
token is asked for is ``core.provider_tokens``.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

from core.provider_tokens import CALLS, FORM, Token, TokenCall, TokenRefused, read_token
from core.settings import Settings
from proxy.bundle import ProviderBinding
from proxy.providers.provider import TokenNeed
from proxy.transport.dial import Target
from proxy.transport.faults import LeashPulled, Stage, UpstreamLost
from proxy.transport.leash import Leash
from proxy.transport.upstream import UpstreamPool, UpstreamResponse

LOG = logging.getLogger(__name__)
FETCH_SECONDS = 10.0
RENEW_TICK_SECONDS = 5.0
_RENEW_PART = 0.2
"""A token is renewed when this part of its life is left."""
_SAFETY_SECONDS = 10.0
"""A token that ends sooner is not shown: it must outlive the way to the provider."""
_REFUSAL_SECONDS = 5.0
"""For how long calls hear of a refusal again before the endpoint is asked anew."""
_MAX_ANSWER_BYTES = 64 * 1024
_FORGET_LIVES = 2
_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class _Kept:
    need: TokenNeed
    binding: ProviderBinding
    header: tuple[bytes, bytes]
    had_s: float
    ends_s: float
    renew_s: float
    used_s: float


class TokenBook:
    """Tokens by account and scope. Needs no lock: it never awaits between looking and writing."""

    def __init__(self, pool: UpstreamPool, settings: Settings, now_s: Callable[[], float]) -> None:
        self._pool = pool
        self._settings = settings
        self._now_s = now_s
        self._kept: dict[TokenNeed, _Kept] = {}
        self._flights: dict[TokenNeed, trio.Event] = {}
        self._refused: dict[TokenNeed, tuple[float, UpstreamLost]] = {}

    def shown(self, need: TokenNeed) -> tuple[bytes, bytes] | None:
        """Return the header that shows a token, or None when one must be fetched first."""
        kept = self._kept.get(need)
        now = self._now_s()
        if kept is None or now >= kept.ends_s:
            return None
        kept.used_s = now
        return kept.header

    def header(self, need: TokenNeed) -> tuple[bytes, bytes]:
        """Return the header that shows a token. Raises UpstreamLost when there is none."""
        header = self.shown(need)
        if header is None:
            raise UpstreamLost(Stage.CONNECT, "its account has no access token")
        return header

    async def fetch(self, need: TokenNeed, binding: ProviderBinding, leash: Leash) -> None:
        """Have a token fetched, by one call for all that wait. Raises UpstreamLost, LeashPulled."""
        with leash.cancel_scope:
            await self._fetch_once(need, binding)
        if leash.reason is not None:
            raise LeashPulled

    async def _fetch_once(self, need: TokenNeed, binding: ProviderBinding) -> None:
        while self.shown(need) is None:
            until_s, refusal = self._refused.get(need, (-math.inf, None))
            if refusal is not None and self._now_s() < until_s:
                raise UpstreamLost(refusal.stage, refusal.detail)
            flight = self._flights.get(need)
            if flight is not None:
                # Whoever flies may be called off; then one of those who wait flies next.
                await flight.wait()
                continue
            await self._fly(need, binding)

    async def _fly(self, need: TokenNeed, binding: ProviderBinding) -> None:
        flight = self._flights[need] = trio.Event()
        try:
            token = await self._ask(need, binding)
        except UpstreamLost as lost:
            self._refused[need] = self._now_s() + _REFUSAL_SECONDS, lost
            raise
        finally:
            del self._flights[need]
            flight.set()
        self._refused.pop(need, None)
        now = self._now_s()
        kept = self._kept.get(need)
        self._kept[need] = _Kept(
            need,
            binding,
            (b"authorization", b"Bearer " + token.text.encode()),
            now,
            now + token.seconds - min(_SAFETY_SECONDS, token.seconds / 2),
            now + token.seconds * (1 - _RENEW_PART),
            now if kept is None else kept.used_s,
        )

    async def _ask(self, need: TokenNeed, binding: ProviderBinding) -> Token:
        try:
            call = CALLS[need.issuer](binding.proof, need.scope, self._settings, self._now_s())
            with trio.fail_after(FETCH_SECONDS):
                answer = await self._post(call)
                return read_token(answer.status, await _body(answer))
        except TokenRefused as refused:
            detail = f"its account gets no access token: {refused}"
        except UpstreamLost as lost:
            detail = f"the token endpoint could not be asked: {lost.detail}"
        except trio.TooSlowError:
            detail = "the token endpoint did not answer in time"
        raise UpstreamLost(Stage.CONNECT, detail)

    async def _post(self, call: TokenCall) -> UpstreamResponse:
        parts = urlsplit(call.url)
        port = parts.port or _PORTS[parts.scheme]
        target = Target(parts.scheme, parts.hostname or "", port, call.is_operator_address)
        headers = [
            (b"content-type", FORM.encode()),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"identity"),
        ]
        line = (b"POST", parts.path.encode("ascii", "ignore"), headers)
        return await self._pool.send(target, line, call.form)

    async def run(self) -> None:
        """Renew what is in use before it ends, and forget what is not, for ever."""
        while True:
            await trio.sleep(RENEW_TICK_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew once what is due now."""
        now = self._now_s()
        for need, kept in list(self._kept.items()):
            life_seconds = kept.ends_s - kept.had_s
            if now > kept.ends_s and now - kept.used_s > _FORGET_LIVES * life_seconds:
                del self._kept[need]
            elif now >= kept.renew_s and kept.used_s >= kept.had_s:
                await self._renew(need, kept)

    async def _renew(self, need: TokenNeed, kept: _Kept) -> None:
        if need in self._flights:
            return
        try:
            await self._fly(need, kept.binding)
        except UpstreamLost as lost:
            # Calls are still served by the token there is; once it has ended they hear of it themselves.
            kept.renew_s = self._now_s() + RENEW_TICK_SECONDS
            facts = {"provider_id": kept.binding.id, "reason": lost.detail}
            LOG.warning("token_not_renewed", extra=facts)


async def _body(answer: UpstreamResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while (chunks := await answer.next_chunks()) is not None:
        pieces += chunks
        size += sum(map(len, chunks))
        if size > _MAX_ANSWER_BYTES:
            answer.abort()
            raise TokenRefused("the token endpoint's answer is too long")
    return b"".join(pieces)
