"""Counting, adding up workers, and the text that a scraper reads; no socket and no file."""

from proxy.metric_table import BUCKETS, MAX_SERIES, TABLE, Kind
from proxy.metrics import MAX_MODELS, Metrics, Snapshot, page

DENIED = "gateway_rate_limit_denied_total"
SECONDS = "gateway_internal_rtt_seconds"


def lines(*snapshots: Snapshot, of: str) -> list[str]:
    return [line for line in page(snapshots).splitlines() if line.startswith(of)]


def test_counters_of_workers_are_added_up_series_by_series() -> None:
    one, two = Metrics(), Metrics()
    one.count(DENIED, ("rpm", "vk_1"))
    two.count(DENIED, ("rpm", "vk_1"), 2)
    two.count(DENIED, ("tpm", "vk_2"))
    assert lines(one.snapshot(), two.snapshot(), of=DENIED) == [
        f'{DENIED}{{dimension="rpm",vk_id="vk_1"}} 3',
        f'{DENIED}{{dimension="tpm",vk_id="vk_2"}} 1',
    ]


def test_a_histogram_counts_a_duration_in_every_bucket_that_holds_it() -> None:
    metrics = Metrics()
    for seconds in (0.01, 0.02, 400.0):
        metrics.observe(SECONDS, ("resolve-key",), seconds)
    found = dict(line.rsplit(" ", 1) for line in lines(metrics.snapshot(), of=SECONDS))
    bucket = f'{SECONDS}_bucket{{endpoint="resolve-key",le="%s"}}'
    assert found[bucket % "0.01"] == "1"
    assert found[bucket % "0.025"] == "2"
    assert found[bucket % "300"] == "2"
    assert found[bucket % "+Inf"] == "3"
    assert found[f'{SECONDS}_count{{endpoint="resolve-key"}}'] == "3"
    assert float(found[f'{SECONDS}_sum{{endpoint="resolve-key"}}']) == 400.03
    assert len(found) == len(BUCKETS) + 3


def test_what_a_dead_worker_counted_is_the_floor_of_the_next() -> None:
    dead, next_one = Metrics(), Metrics()
    dead.count(DENIED, ("rpm", "vk_1"), 5)
    dead.observe(SECONDS, ("leases",), 1.5)
    next_one.count(DENIED, ("rpm", "vk_1"))
    next_one.observe(SECONDS, ("leases",), 0.5)
    total = next_one.snapshot(dead.snapshot())
    assert lines(total, of=DENIED) == [f'{DENIED}{{dimension="rpm",vk_id="vk_1"}} 6']
    assert f'{SECONDS}_sum{{endpoint="leases"}} 2' in page([total])


def test_series_past_the_bound_are_folded_so_that_no_tenant_can_grow_the_page() -> None:
    metrics = Metrics()
    for number in range(MAX_SERIES + 50):
        metrics.count(DENIED, ("rpm", f"vk_{number}"))
    series = metrics.counters[DENIED]
    assert len(series) == MAX_SERIES + 1
    assert series["rpm", "other"] == 50


def test_a_model_gets_a_label_once_a_provider_served_it_and_only_so_many_do() -> None:
    metrics = Metrics()
    assert metrics.model_label("invented", is_real=False) == "other"
    assert metrics.model_label("gpt-5", is_real=True) == "gpt-5"
    assert metrics.model_label("gpt-5", is_real=False) == "gpt-5"
    assert metrics.model_label("", is_real=False) == "unknown"
    labels = {metrics.model_label(f"model-{n}", is_real=True) for n in range(MAX_MODELS * 2)}
    assert len(labels) <= MAX_MODELS
    assert "other" in labels


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    metrics = Metrics()
    metrics.count(DENIED, ('a"} 1\nevil 9', "back\\slash"))
    text = page([metrics.snapshot()])
    assert "\nevil" not in text
    assert r'dimension="a\"} 1\nevil 9",vk_id="back\\slash"' in text


def test_every_metric_is_announced_and_numbers_without_labels_start_at_zero() -> None:
    text = page([Metrics().snapshot()])
    for metric in TABLE:
        assert f"# TYPE {metric.name} {metric.kind.value}\n" in text
        if not metric.labels and metric.kind is not Kind.HISTOGRAM:
            assert f"\n{metric.name} 0\n" in text
