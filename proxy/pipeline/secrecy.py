"""Keeps what proves an account to a provider out of what its refusals say to a caller. Looks at no other answer."""

from proxy.gateway import Gateway
from proxy.pipeline.lanes import Lane

Headers = list[tuple[bytes, bytes]]
_LEAST_BYTES = 8
"""Anything shorter is no secret, and a word like any other."""


class Blinds:
    """The secrets of one lane; each of its bytes becomes a star, so that lengths stay as they were told."""

    __slots__ = ("_secrets",)

    def __init__(self, gateway: Gateway, lane: Lane) -> None:
        shown = [*lane.provider.credential_headers(lane.binding)]
        if lane.token is not None and (token := gateway.tokens.shown(lane.token)) is not None:
            shown.append(token)
        found = {value.rpartition(b" ")[2] for _, value in shown}
        self._secrets = [secret for secret in found if len(secret) >= _LEAST_BYTES]

    def pieces(self, pieces: list[bytes]) -> list[bytes]:
        """Return pieces of a body without the secrets."""
        data = b"".join(pieces)
        hidden = self._hidden(data)
        return pieces if hidden is data else [hidden]

    def headers(self, headers: Headers) -> Headers:
        """Return headers without the secrets."""
        return [(name, self._hidden(value)) for name, value in headers]

    def _hidden(self, data: bytes) -> bytes:
        for secret in self._secrets:
            if secret in data:
                data = data.replace(secret, b"*" * len(secret))
        return data
