"""Content codings are undone, damage is named, and nothing is inflated past the limit."""

import gzip
import tracemalloc
import zlib

import brotli
import pytest

from webapp.content_coding import CodingError, decoded

PLAIN = b'{"resourceSpans": []}' * 50
LIMIT_BYTES = 100_000


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "": lambda data: data,
    "identity": lambda data: data,
}


@pytest.mark.parametrize("coding", ENCODERS)
def test_undoes_each_coding(coding: str) -> None:
    assert decoded(ENCODERS[coding](PLAIN), coding.upper(), LIMIT_BYTES) == PLAIN


def test_takes_deflate_without_its_head_and_gzip_in_several_members() -> None:
    assert decoded(raw_deflate(PLAIN), "deflate", LIMIT_BYTES) == PLAIN
    assert decoded(gzip.compress(PLAIN) * 2, "gzip", LIMIT_BYTES) == PLAIN * 2


def test_a_body_of_very_many_members_is_refused_before_they_are_all_looked_at() -> None:
    # Each copied all that followed it: half a million fit into a delivery, and kept a process busy for minutes.
    many = gzip.compress(b"x", mtime=0) * 1000
    assert decoded(many, "gzip", LIMIT_BYTES) == b"x" * 1000
    with pytest.raises(CodingError, match="more than 1000 compressed parts"):
        decoded(many + gzip.compress(b"x"), "gzip", LIMIT_BYTES)
    apart = gzip.compress(b"y" * 70_000) + b"trailing"
    with pytest.raises(CodingError, match="damaged"):
        decoded(apart, "gzip", LIMIT_BYTES)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not(coding: str) -> None:
    assert len(decoded(ENCODERS[coding](b"x" * LIMIT_BYTES), coding, LIMIT_BYTES)) == LIMIT_BYTES
    with pytest.raises(CodingError, match="inflates to more"):
        decoded(ENCODERS[coding](b"x" * (LIMIT_BYTES + 1)), coding, LIMIT_BYTES)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_bomb_takes_no_more_memory_than_the_limit(coding: str) -> None:
    bomb = ENCODERS[coding](b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(CodingError, match="inflates to more"):
            decoded(bomb, coding, LIMIT_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 20 * LIMIT_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_names_damage_and_a_body_that_ends_too_early(coding: str) -> None:
    with pytest.raises(CodingError):
        decoded(b"this is not compressed", coding, LIMIT_BYTES)
    with pytest.raises(CodingError, match="too early"):
        decoded(ENCODERS[coding](PLAIN)[:-12], coding, LIMIT_BYTES)


def test_refuses_unknown_codings_and_bodies_above_the_limit_on_the_wire() -> None:
    with pytest.raises(CodingError, match="zstd"):
        decoded(PLAIN, "zstd", LIMIT_BYTES)
    with pytest.raises(CodingError, match="larger than"):
        decoded(b"x" * (LIMIT_BYTES + 1), "", LIMIT_BYTES)
