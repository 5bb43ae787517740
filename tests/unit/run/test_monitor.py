"""The monitor of a process: where it listens, what it answers, and how often it works for that."""

from __future__ import annotations

import http.client
import importlib.util
from typing import Any
from urllib.parse import urlsplit

import pytest

from crawler.config import MonitoringConfig, load
from crawler.errors import ConfigError, UsageError
from crawler.metrics.figures import WorkerFigures
from crawler.models import Stats, TaskKind
from crawler.run.monitor import FRESH_S, Monitor, address_of


class Pool:
    deaths = 2

    def figures(self) -> dict[TaskKind, WorkerFigures]:
        return {TaskKind.IMAGE: WorkerFigures(results={"saved": 3}, threads=4)}

    def processes(self) -> dict[TaskKind, int]:
        return {TaskKind.IMAGE: 1}


def get(monitor: Monitor, path: str, accept: str = "") -> tuple[int, str, str]:
    address = urlsplit(monitor.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=5)
    try:
        connection.request("GET", path, headers={"Accept": accept} if accept else {})
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read().decode()
    finally:
        connection.close()


def test_without_an_address_nothing_is_served() -> None:
    with Monitor(MonitoringConfig(), watches=True) as monitor:
        monitor.turned(Pool())
        assert monitor.url == ""


def test_it_answers_by_path_and_by_format() -> None:
    with Monitor(MonitoringConfig(metrics="0"), watches=True) as monitor:
        assert monitor.url.startswith("http://127.0.0.1:")
        assert get(monitor, "/healthz")[::2] == (200, "ok\n")
        assert get(monitor, "/readyz")[::2] == (503, "it is starting\n")
        monitor.turned(Pool())
        monitor.note(Stats(saved_bytes=5))
        assert get(monitor, "/readyz")[::2] == (200, "ok\n")
        status, media_type, text = get(monitor, "/metrics")
        assert (status, media_type.partition(";")[0]) == (200, "text/plain")
        assert "image_crawler_saved_bytes 5.0\n" in text
        assert 'image_crawler_results_total{kind="image",status="saved"} 3.0\n' in text
        assert "image_crawler_process_deaths_total 2.0\n" in text
        _, media_type, text = get(monitor, "/metrics", "application/openmetrics-text; version=1.0.0")
        assert media_type.startswith("application/openmetrics-text; version=1.0.0")
        assert text.endswith("# EOF\n")
        assert get(monitor, "/")[0] == 404
        monitor.drain()
        assert get(monitor, "/readyz")[::2] == (503, "it is draining\n")
        assert get(monitor, "/healthz")[0] == 200


def test_a_process_of_workers_tells_nothing_of_the_queue() -> None:
    with Monitor(MonitoringConfig(metrics="0"), watches=False) as monitor:
        monitor.turned(Pool())
        text = get(monitor, "/metrics")[2]
    assert "image_crawler_threads" in text
    assert "image_crawler_tasks" not in text


def test_a_text_is_made_once_a_second_at_most() -> None:
    now = 100.0
    with Monitor(MonitoringConfig(metrics="0"), watches=True, clock=lambda: now) as monitor:
        monitor.note(Stats(saved_bytes=1))
        assert "saved_bytes 1.0" in get(monitor, "/metrics")[2]
        monitor.note(Stats(saved_bytes=2))
        now += FRESH_S / 2
        assert "saved_bytes 1.0" in get(monitor, "/metrics")[2]
        now += FRESH_S
        assert "saved_bytes 2.0" in get(monitor, "/metrics")[2]


def test_a_port_alone_is_of_this_machine() -> None:
    assert address_of("9734") == ("127.0.0.1", 9734)
    assert address_of("0.0.0.0:9734") == ("0.0.0.0", 9734)
    assert address_of("[::]:9734") == ("::", 9734)
    with pytest.raises(UsageError):
        address_of("70000")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("metrics", "localhost"),
        ("metrics", "::1"),
        ("metrics", "http://127.0.0.1:1"),
        ("metrics", "1:2:3"),
        ("traces", "127.0.0.1:4318"),
        ("traces", "grpc://x"),
        ("traces_share", 1.5),
    ],
)
def test_other_values_are_refused(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=setting.replace("_", "[-_]")):
        load(flags={setting: value})


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            MonitoringConfig(metrics="0"),
            "--metrics takes the library prometheus_client, which is not installed: ",
        ),
        (MonitoringConfig(traces="http://127.0.0.1:1"), "--traces takes the library opentelemetry"),
    ],
)
def test_a_missing_library_is_told_of_before_anything_begins(
    monkeypatch: pytest.MonkeyPatch, config: MonitoringConfig, told: str
) -> None:
    def none(_: str) -> Any:
        return None

    monkeypatch.setattr("crawler.run.monitor.find_spec", none)
    with pytest.raises(UsageError, match=told), Monitor(config, watches=True):
        pass
    assert importlib.util.find_spec("prometheus_client") is not None
