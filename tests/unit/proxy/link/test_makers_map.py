"""The table of makers that workers share: found by others, bounded, and never wrong when entries are torn."""

import random
from pathlib import Path

import pytest

from proxy.makers_map import _SLOT_BYTES, MakersMap, opened
from rules.makers import Makers, sealed_parts

KEY = b"k" * 32
BODY = b'{"signature":"%b"}' % (b"Ab3/" * 50)
PART = next(sealed_parts(BODY))


def test_what_one_worker_passed_on_another_knows_and_so_does_the_next(tmp_path: Path) -> None:
    path = tmp_path / "makers" / "table"
    first, second = MakersMap(path, KEY), MakersMap(path, KEY)
    Makers(shared=first).remember("vk_1", PART, "prov_b")
    other = Makers(shared=second)
    assert other.maker_of("vk_1", BODY) == "prov_b"
    assert other.maker_of("vk_2", BODY) is None, "another key's parts are nobody's business"
    assert Makers().maker_of("vk_1", BODY) is None
    first.close()
    second.close()
    later = MakersMap(path, KEY)
    assert Makers(shared=later).maker_of("vk_1", BODY) == "prov_b"
    stranger = MakersMap(path, b"another key")
    assert stranger.get("vk_1", PART) is None
    assert b"prov_b" in path.read_bytes()
    assert PART[:16] not in path.read_bytes()
    assert (path.stat().st_mode & 0o777) == 0o600


def test_the_newest_word_counts_and_old_ones_make_room(tmp_path: Path) -> None:
    table = MakersMap(tmp_path / "table", KEY, slots=8)
    table.put("vk", b"part", "prov_a")
    table.put("vk", b"part", "prov_b")
    assert table.get("vk", b"part") == "prov_b"
    table.put("vk", b"other", "p" * 49)
    assert table.get("vk", b"other") is None, "no id is cut"
    for number in range(100):
        table.put("vk", b"%d" % number, f"prov_{number}")
        assert table.get("vk", b"%d" % number) == f"prov_{number}"
    known = [n for n in range(100) if table.get("vk", b"%d" % n) == f"prov_{n}"]
    assert 0 < len(known) <= 8
    assert (tmp_path / "table").stat().st_size == 8 * _SLOT_BYTES


@pytest.mark.parametrize("seed", range(20))
def test_a_torn_entry_is_no_entry(seed: int, tmp_path: Path) -> None:
    chance, path = random.Random(seed), tmp_path / "table"
    table = MakersMap(path, KEY, slots=4)
    table.put("vk", b"a", "prov_a")
    table.put("vk", b"b", "prov_b")
    raw = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 4)):
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    path.write_bytes(raw)
    again = MakersMap(path, KEY, slots=4)
    assert again.get("vk", b"a") in ("prov_a", None)
    assert again.get("vk", b"b") in ("prov_b", None)


def test_without_a_disk_a_worker_knows_what_it_has_seen(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert opened(tmp_path / "file" / "table", KEY) is None
