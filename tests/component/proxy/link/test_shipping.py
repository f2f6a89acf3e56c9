"""Shipping and recovery: every record arrives and counts once, whatever fails on the way."""

from pathlib import Path

import pytest
import trio

from proxy.limit_state import Hold
from proxy.recovery import Recovery
from proxy.spool import Spool
from tests.component.proxy.link.lines import admission, settlement

pytestmark = pytest.mark.trio


def book(link, call_id: str, cost: int = 100) -> None:
    hold = Hold((0, 0, 0), ())
    link.spool.append_admission(admission(call_id), hold)
    link.spool.append_settlement(settlement(call_id, cost), hold, (cost, 1, 0))


async def test_records_arrive_and_are_forgotten_here(peer, link_to, eventually) -> None:
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.shipper.run)
        for number in range(5000):
            book(link, f"req_{number}")
        await eventually(lambda: link.spool.is_empty)
        nursery.cancel_scope.cancel()
    assert len(peer.settled) == 5000
    assert peer.calls["/spend-commands"] >= 5


async def test_a_lost_answer_books_nothing_twice(peer, link_to, eventually) -> None:
    peer.fail("/spend-commands", "lost", 500, "lost")
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.shipper.run)
        book(link, "req_1", 70)
        await eventually(lambda: link.spool.is_empty)
        nursery.cancel_scope.cancel()
    assert peer.settled["req_1"]["cost_nanousd"] == 70
    assert peer.calls["/spend-commands"] == 4


async def test_records_outlive_an_outage(peer, link_to, eventually) -> None:
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        peer.stop()
        nursery.start_soon(link.shipper.run)
        nursery.start_soon(link.feed.follow)
        book(link, "req_1")
        await eventually(lambda: link.keyring.is_away)
        book(link, "req_2")
        peer.start()
        await eventually(lambda: link.spool.is_empty)
        nursery.cancel_scope.cancel()
    assert set(peer.settled) == {"req_1", "req_2"}


async def test_one_record_that_spoils_a_batch_does_not_hold_up_the_others(
    peer, link_to, eventually
) -> None:
    peer.poison = "req_13"
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        for number in range(40):
            book(link, f"req_{number}")
        nursery.start_soon(link.shipper.run)
        await eventually(lambda: link.spool.is_empty)
        nursery.cancel_scope.cancel()
    assert set(peer.settled) == {f"req_{n}" for n in range(40)} - {"req_13"}
    assert link.shipper.rejected == 2  # its admission and its settlement


async def test_a_stopping_worker_ships_what_is_left(peer, link_to) -> None:
    peer.fail("/spend-commands", 500)
    async with link_to(peer.url) as link:
        book(link, "req_1")
        with trio.fail_after(5):
            await link.shipper.flush()
        assert link.spool.is_empty
    assert set(peer.settled) == {"req_1"}


def leave_behind(directory: Path, epoch: str, *lines: bytes) -> None:
    """Make the files of a worker that died."""
    spool = Spool(directory, epoch, 1 << 20, rotate_bytes=200)
    for line in lines:
        spool.append(line)
    spool.close()


async def test_a_dead_workers_calls_are_booked_and_its_open_ones_at_their_estimate(
    peer, link_to, tmp_path
) -> None:
    charges = [["bud_1", 0]]
    peer.add_budget("bud_1", 1000)
    peer.bank.account("bud_1", 0).leases["worker-x"] = 500
    leave_behind(
        tmp_path / "spool",
        "worker-x",
        admission("req_1", 100, charges),
        admission("req_2", 130, charges),
        settlement("req_1", 60, charges, "worker-x"),
    )
    with (tmp_path / "spool" / "worker-x.000001.jsonl").open("ab") as file:
        file.write(b'{"command":"admitSpe')
    async with link_to(peer.url) as link:
        await Recovery(tmp_path / "spool", link.control_plane).look()
        assert not list((tmp_path / "spool").glob("worker-x*"))
        assert list((tmp_path / "spool").glob("worker-a*"))
    assert peer.settled["req_1"]["outcome"] == "completed"
    lost = peer.settled["req_2"]
    assert (lost["outcome"], lost["cost_nanousd"], lost["is_estimated"]) == ("unsettled", 130, True)
    assert peer.released == ["worker-x"]
    account = peer.bank.account("bud_1", 0)
    assert (account.settled, account.leased) == (190, 0)


async def test_a_recovery_that_fails_half_way_is_repeated_whole(peer, link_to, tmp_path) -> None:
    leave_behind(tmp_path / "spool", "worker-x", admission("req_1"), admission("req_2"))
    peer.fail("/leases/release", 500)
    async with link_to(peer.url) as link:
        recovery = Recovery(tmp_path / "spool", link.control_plane)
        await recovery.look()
        assert list((tmp_path / "spool").glob("worker-x*"))
        await recovery.look()
        assert not list((tmp_path / "spool").glob("worker-x*"))
    assert {c["cost_nanousd"] for c in peer.settled.values()} == {100}
    assert peer.released == ["worker-x"]


async def test_of_two_that_recover_at_once_one_does_it(peer, link_to, tmp_path) -> None:
    leave_behind(tmp_path / "spool", "worker-x", *(admission(f"req_{n}") for n in range(20)))
    async with (
        link_to(peer.url, "worker-a") as one,
        link_to(peer.url, "worker-b") as other,
        trio.open_nursery() as nursery,
    ):
        for link in (one, other):
            nursery.start_soon(Recovery(tmp_path / "spool", link.control_plane).look)
    assert peer.released == ["worker-x"]
    assert len(peer.settled) == 20


async def test_a_living_workers_spool_is_left_alone(peer, link_to, tmp_path) -> None:
    async with link_to(peer.url, "worker-a") as one, link_to(peer.url, "worker-b") as other:
        one.spool.append(admission("req_1"))
        await Recovery(tmp_path / "spool", other.control_plane).look()
        assert not peer.ledger
        assert not peer.released
