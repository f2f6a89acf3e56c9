"""Counts of several workers of one machine: added up, kept when a worker dies, never running backwards."""

from pathlib import Path

from proxy.metrics import Metrics
from proxy.metrics_share import MetricsShare

DENIED = "gateway_rate_limit_denied_total"
LABELS = ("rpm", "vk_1")


def total(share: MetricsShare) -> float:
    [line] = [line for line in share.page().splitlines() if line.startswith(DENIED + "{")]
    return float(line.rpartition(" ")[2])


def gauge(share: MetricsShare, name: str) -> float:
    [line] = [line for line in share.page().splitlines() if line.startswith(name + " ")]
    return float(line.rpartition(" ")[2])


def worker(directory: Path, slot: int = 0) -> tuple[Metrics, MetricsShare]:
    metrics = Metrics()
    return metrics, MetricsShare(directory, metrics, slot)


def test_any_worker_answers_for_all(tmp_path) -> None:
    (one, first), (two, second) = worker(tmp_path, 0), worker(tmp_path, 1)
    one.count(DENIED, LABELS, 3)
    two.count(DENIED, LABELS, 4)
    first.publish()
    second.publish()
    assert total(first) == total(second) == 7
    assert gauge(first, "gateway_workers") == 2
    first.close()
    second.close()


def test_a_worker_that_died_goes_on_counting_where_it_was_last_seen(tmp_path) -> None:
    (one, first), (_, second) = worker(tmp_path, 0), worker(tmp_path, 1)
    one.count(DENIED, LABELS, 3)
    one.in_flight = 5
    assert total(first) == 3
    first.close()
    assert total(second) == 3, "what was told once is never untold"
    assert gauge(second, "gateway_in_flight_requests") == 0, "a dead worker serves nobody"
    assert gauge(second, "gateway_workers") == 1
    again, restarted = worker(tmp_path, 0)
    assert total(restarted) == 3
    again.count(DENIED, LABELS)
    assert total(restarted) == 4
    restarted.publish()
    assert total(second) == 4
    restarted.close()
    second.close()


def test_two_gateways_that_call_themselves_the_first_worker_take_different_slots(tmp_path) -> None:
    (one, first), (two, second) = worker(tmp_path, 0), worker(tmp_path, 0)
    one.count(DENIED, LABELS)
    two.count(DENIED, LABELS)
    first.publish()
    second.publish()
    assert total(first) == 2
    first.close()
    second.close()


def test_a_file_that_is_no_snapshot_and_a_directory_that_takes_none_cost_only_the_sum(
    tmp_path, caplog
) -> None:
    (tmp_path / "7.json").write_text("{")
    one, first = worker(tmp_path)
    one.count(DENIED, LABELS)
    assert total(first) == 1
    first.close()
    blocked = tmp_path / "file"
    blocked.write_text("")
    two, second = worker(blocked)
    two.count(DENIED, LABELS)
    assert total(second) == 1
    assert "metrics_not_shared" in caplog.text
