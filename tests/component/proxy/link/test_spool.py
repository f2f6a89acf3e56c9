"""The spool on a real disk: what is kept, what is deleted, and what happens when the disk takes no more."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.fault import Fault, Refused
from proxy.holds import Holds
from proxy.limit_state import Hold
from proxy.recovery import batches, claimed
from proxy.spool import BATCH_LINES, Spool
from rules.rates import NOTHING
from tests.component.proxy.link.lines import admission, settlement
from tests.unit.proxy.link.bank import terms


def open_spool(directory: Path, max_bytes: int = 1 << 20, rotate_bytes: int = 1 << 20) -> Spool:
    return Spool(directory, "worker-a", max_bytes, rotate_bytes)


def lines_on_disk(directory: Path) -> list[bytes]:
    return [line for f in sorted(directory.glob("*.jsonl")) for line in f.read_bytes().splitlines()]


def test_keeps_lines_in_order_and_for_its_owner_alone(tmp_path) -> None:
    spool = open_spool(tmp_path / "spool")
    spool.append(b'{"a":1}')
    spool.append(b'{"a":2}')
    assert lines_on_disk(tmp_path / "spool") == [b'{"a":1}', b'{"a":2}']
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    for file in (tmp_path / "spool").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
    batch = spool.next_batch()
    assert batch is not None
    assert spool.read(batch) == b'{"a":1}\n{"a":2}\n'
    assert spool.next_batch() is batch
    spool.acknowledge(batch)
    assert spool.next_batch() is None
    assert spool.is_empty
    spool.close()
    assert not list((tmp_path / "spool").iterdir())


def test_a_batch_has_at_most_two_thousand_lines_and_one_megabyte(tmp_path) -> None:
    spool = Spool(tmp_path, "worker-a", 1 << 30)
    for number in range(2 * BATCH_LINES + 1):
        spool.append(b"%d" % number)
    for _ in range(3):
        spool.append(b"x" * 600_000)
    sizes = []
    while (batch := spool.next_batch()) is not None:
        sizes.append((batch.lines, len(spool.read(batch)) <= 1 << 20))
        spool.acknowledge(batch)
    assert sizes == [(2000, True), (2000, True), (2, True), (1, True), (1, True)]
    spool.close()


def test_refuses_new_calls_when_too_much_waits_and_never_a_settlement(tmp_path) -> None:
    spool = open_spool(tmp_path, max_bytes=200)
    hold = Hold((0, 0, 0), ())
    spool.append_admission(b"a" * 150, hold)
    with pytest.raises(Refused) as caught:
        spool.append_admission(b"b" * 100, Hold((0, 0, 0), ()))
    assert caught.value.fault is Fault.LEDGER_FULL
    spool.append_settlement(b"c" * 100, hold, NOTHING)
    assert lines_on_disk(tmp_path) == [b"a" * 150, b"c" * 100]
    batch = spool.next_batch()
    assert batch is not None
    spool.acknowledge(batch)
    spool.append(b"d" * 150)
    spool.close()


def test_a_full_disk_refuses_calls_and_keeps_settlements_until_it_has_room(tmp_path) -> None:
    spool = open_spool(tmp_path)
    hold = Hold((0, 0, 0), ())
    spool.append_admission(b"admitted", hold)
    file = next(iter(spool._files.values()))
    sound, file.descriptor = file.descriptor, os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(Refused) as caught:
        spool.append(b"refused")
    assert caught.value.fault is Fault.LEDGER_FULL
    spool.append_settlement(b"settled", hold, NOTHING)
    assert not spool.is_empty
    os.close(file.descriptor)
    file.descriptor = sound
    batch = spool.next_batch()
    assert batch is not None
    assert spool.read(batch) == b"admitted\nsettled\n"
    spool.acknowledge(batch)
    assert spool.is_empty
    spool.close()


def test_a_shipped_file_is_deleted_and_calls_under_way_move_on(tmp_path) -> None:
    spool = open_spool(tmp_path, rotate_bytes=100)
    early, late = Hold((0, 0, 0), ()), Hold((0, 0, 0), ())
    spool.append_admission(admission("early"), early)
    spool.append_admission(admission("late"), late)
    spool.append_settlement(settlement("late"), late, NOTHING)
    assert len(list(tmp_path.glob("*.jsonl"))) == 3
    for _ in range(3):
        batch = spool.next_batch()
        assert batch is not None
        spool.acknowledge(batch)
    calls = [json.loads(line)["payload"]["call_id"] for line in lines_on_disk(tmp_path)]
    assert "early" in calls
    spool.append_settlement(settlement("early"), early, NOTHING)
    while (batch := spool.next_batch()) is not None:
        spool.acknowledge(batch)
    spool.append(b"{}")
    while (batch := spool.next_batch()) is not None:
        spool.acknowledge(batch)
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    spool.close()
    assert not list(tmp_path.iterdir())


def test_a_spool_with_something_left_stays_and_is_free_to_recover(tmp_path) -> None:
    spool = open_spool(tmp_path)
    spool.append(b"{}")
    with claimed(tmp_path, "worker-a") as is_dead:
        assert not is_dead
    spool.close()
    with claimed(tmp_path, "worker-a") as is_dead:
        assert is_dead
        with claimed(tmp_path, "worker-a") as is_dead_too:
            assert not is_dead_too


def test_a_batch_knows_what_it_settles_by_period(tmp_path) -> None:
    spool = open_spool(tmp_path)
    holds = Holds("worker-a")
    limits = [holds.limit_for(terms(1000, id=f"bud_{n}", on_breach="warn"), 0, 0) for n in (1, 2)]
    for cost in (3, 4):
        hold = holds.take(limits, (5, 1, 0), 0.0)
        assert isinstance(hold, Hold)
        spool.append_admission(b"{}", hold)
        holds.settle(hold, (cost, 1, 0))
        spool.append_settlement(b"{}", hold, (cost, 1, 0))
    batch = spool.next_batch()
    assert batch is not None
    assert batch.costs == {limit.current: 7 for limit in limits}
    assert [limit.current.unacked for limit in limits] == [7, 7]
    holds.acknowledge(batch.costs)
    assert [limit.current.unacked for limit in limits] == [0, 0]
    assert [limit.current.settled for limit in limits] == [7, 7]
    spool.close()


WRITER = """
import sys
from pathlib import Path
from proxy.spool import Spool
spool = Spool(Path(sys.argv[1]), "worker-a", 1 << 30, 40_000)
number = 0
while True:
    spool.append(b'{"number":%d,"rest":"%s"}' % (number, b"x" * (number % 700)))
    number += 1
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("after", [1, 37, 400, 1500])
def test_a_killed_writer_leaves_every_line_that_it_wrote(tmp_path, after: int) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(after):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        told = after + len(writer.stdout.readlines())
    files = sorted(tmp_path.glob("*.jsonl"))
    found = [line for file in files for batch in batches(file.read_bytes()) for line in batch]
    assert [json.loads(line)["number"] for line in found] == list(range(len(found)))
    # A last number may have been cut off in the pipe, and a last line not yet told of.
    assert len(found) >= told - 1
    with claimed(tmp_path, "worker-a") as is_dead:
        assert is_dead


def test_half_a_line_at_the_end_is_left_out() -> None:
    assert list(batches(b'{"a":1}\n{"b":2}\n{"c')) == [[b'{"a":1}', b'{"b":2}']]
    assert list(batches(b"")) == []
