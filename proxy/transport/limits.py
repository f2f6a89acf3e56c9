"""The bounds of the front door and of the upstream pool, as values. Enforces none of them."""

from dataclasses import dataclass

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one client connection may cost. The defaults are those of a gateway on a hostile network."""

    max_request_line_bytes: int = 8 * 1024
    max_header_bytes: int = 32 * 1024
    max_headers: int = 100
    max_body_bytes: int = 32 * 1024 * 1024
    max_small_chunks: int = 4096
    """Chunks under ``small_chunk_bytes`` in one body: each costs a parser event whatever its size."""
    small_chunk_bytes: int = 64
    max_chunk_framing_bytes: int = 16 * 1024
    """Chunk extensions and trailers of one body; sizes and line ends are not counted."""
    max_pipelined_requests: int = 64
    max_connections: int = 20_000
    max_drained_body_bytes: int = 64 * 1024
    """An unread rest up to this size is read and thrown away; beyond it the connection closes."""
    header_read_seconds: float = 10.0
    body_read_seconds: float = 60.0
    idle_seconds: float = 120.0
    client_write_seconds: float = 30.0
    """How long a client may take to read 64 KiB of an answer."""
    linger_seconds: float = 1.0
    methods: frozenset[bytes] = METHODS


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What the upstream side may keep and how long it may wait where no leash is near."""

    max_idle_per_target: int = 256
    max_idle_seconds: float = 30.0
    """Below the keep-alive of common servers (60 to 75 s), so that reuse rarely meets a closed peer."""
    connect_seconds: float = 10.0
    max_header_bytes: int = 64 * 1024
    max_headers: int = 200
    max_interim_responses: int = 8
