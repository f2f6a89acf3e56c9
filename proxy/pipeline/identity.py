"""The ids of a call: request id, trace, span. Random enough to be unique; none of them is a secret."""

import os
import random
import re

import msgspec

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_HEX_TRACE = re.compile(r"[0-9a-f]{32}")
_HEX_SPAN = re.compile(r"[0-9a-f]{16}")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_DIGITS = (120 + 128 + 64) // 4
_BLOCK = 64
"""Ids are drawn for so many calls at once: the generator's work for one costs nearly as much."""


class Identity(msgspec.Struct, frozen=True, gc=False):
    """What a call is called. ``parent_span_id`` is empty when the caller sent no trace."""

    request_id: str
    trace_id: str
    span_id: str
    parent_span_id: str = ""

    @property
    def traceparent(self) -> str:
        """The W3C header that names this call's span."""
        return f"00-{self.trace_id}-{self.span_id}-01"


class Identities:
    """Mints identities. One generator a process, seeded by the system, so no call waits for the kernel."""

    def __init__(self, seed: bytes | None = None) -> None:
        generator = random.Random(os.urandom(32) if seed is None else seed)
        self._bytes = generator.randbytes
        self._block = ""
        self._used = 0

    def mint(self, caller: tuple[bytes, bytes, bytes] | None = None) -> Identity:
        """Return a fresh identity, a child of the caller's span where one is validly given.

        ``caller`` holds the W3C ``traceparent``, then our own trace and parent, which win over it.
        """
        start = self._used
        if start >= len(self._block):
            self._block, start = self._bytes(_BLOCK * _DIGITS // 2).hex(), 0
        self._used = end = start + _DIGITS
        text = self._block[start:end]
        if caller is None:
            return Identity("req_" + text[:30], text[30:62], text[62:])
        trace_id, parent_id = _given(*caller)
        return Identity("req_" + text[:30], trace_id or text[30:62], text[62:], parent_id)


def _given(traceparent: bytes, trace: bytes, parent: bytes) -> tuple[str, str]:
    own = trace.decode("latin-1")
    if _HEX_TRACE.fullmatch(own) and own != _NO_TRACE:
        own_parent = parent.decode("latin-1")
        is_span = _HEX_SPAN.fullmatch(own_parent) is not None and own_parent != _NO_SPAN
        return own, own_parent if is_span else ""
    match = _TRACEPARENT.fullmatch(traceparent.decode("latin-1").strip())
    if match is None:
        return "", ""
    version, trace_id, span_id, more = match.groups()
    # Version 00 has exactly four parts; later ones may have more (W3C Trace Context, 3.2.4).
    is_valid = version != "ff" and not (version == "00" and more)
    if not is_valid or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return "", ""
    return trace_id, span_id
