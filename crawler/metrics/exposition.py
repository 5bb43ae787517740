"""The text of all series, as OpenMetrics or in Prometheus' own format; the only module that knows prometheus_client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from crawler.metrics.figures import Histogram, Snapshot
from crawler.metrics.series import PREFIX, Kind, Series


class _Families(Collector):
    def __init__(self, all_series: Sequence[Series], seen: Snapshot) -> None:
        self._series = all_series
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        for one in self._series:
            name, labels = PREFIX + one.name, one.labels
            family: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
            match one.kind:
                case Kind.COUNTER:
                    family = CounterMetricFamily(name, one.means, labels=labels)
                case Kind.GAUGE:
                    family = GaugeMetricFamily(name, one.means, labels=labels)
                case Kind.HISTOGRAM:
                    family = HistogramMetricFamily(name, one.means, labels=labels)
            for values, value in one.samples(self._seen):
                if isinstance(value, Histogram):
                    assert isinstance(family, HistogramMetricFamily)
                    family.add_metric(values, list(_buckets(value, one.bounds)), value.sum_s)
                else:
                    assert not isinstance(family, HistogramMetricFamily)
                    family.add_metric(values, value)
            yield family


def _buckets(histogram: Histogram, bounds: Sequence[float]) -> Iterator[tuple[str, float]]:
    """Each with all that took no longer, as the format has it."""
    total = 0
    for bound, count in zip((*map(str, bounds), "+Inf"), histogram.counts, strict=True):
        total += count
        yield bound, total


def exposition(all_series: Sequence[Series], seen: Snapshot, accept: str) -> tuple[bytes, str]:
    """The text, and its media type, in the format that an ``Accept`` header prefers."""
    encode, media_type = choose_encoder(accept)
    return encode(_Families(all_series, seen)), media_type
