"""config/grafana/image-crawler.json, a dashboard for Grafana 10 and later: ``python -m tests.generators.dashboard``.

tests/unit/metrics/test_papers.py compares it, and holds every series that it names against crawler/metrics/series.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parents[2] / "config" / "grafana" / "image-crawler.json"
_WIDE = 24
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_ALL = 'instance=~"$instance"'
GREEN, YELLOW, RED, GREY = "green", "yellow", "red", "text"


class Panel(NamedTuple):
    title: str
    about: str
    queries: tuple[tuple[str, str], ...]
    """Each with its legend. ``$s`` stands for the label matcher of the chosen instances."""
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    unit: str = "short"
    stacked: bool = False
    steps: tuple[tuple[str, float | None], ...] = ((GREEN, None),)
    """Colours, each from that value on."""


def _quantiles(stage: str, by: str = "") -> tuple[tuple[str, str], ...]:
    rate = (
        f"sum by (le{by and f', {by}'}) (rate(image_crawler_{stage}_seconds_bucket{{$s}}[$__rate_interval]))"
    )
    legend = f" {{{{{by}}}}}" if by else ""
    shares = (0.5, 0.95, 0.99)
    return tuple((f"histogram_quantile({share}, {rate})", f"p{share * 100:g}{legend}") for share in shares)


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "At a glance",
        (
            Panel(
                "State", "The word of image-crawler status --check.",
                (("max by (state) (image_crawler_state{$s}) == 1", "{{state}}"),), "stat", 4, 5,
            ),
            Panel(
                "Images saved", "", (('sum(image_crawler_records{$s,kind="image",status="saved"})', ""),), "stat", 4, 5,
            ),
            Panel("Saved", "", (("sum(image_crawler_saved_bytes{$s})", ""),), "stat", 4, 5, "bytes"),
            Panel(
                "Images a second", "Settled in the last five minutes.",
                (('sum(rate(image_crawler_results_total{$s,kind="image",status!="retried"}[5m]))', ""),), "stat", 4, 5,
            ),
            Panel(
                "Last settled", "How long ago; red after ten minutes.",
                (("max(image_crawler_unsettled_seconds{$s})", ""),), "stat", 4, 5, "s",
                steps=((GREEN, None), (YELLOW, 120.0), (RED, 600.0)),
            ),
            Panel(
                "Processes ready", "Of those that are scraped.",
                (("sum(image_crawler_ready{$s})", "ready"), ("count(image_crawler_ready{$s})", "of")), "stat", 4, 5,
            ),
        ),
    ),
    (
        "What there is to do",
        (
            Panel(
                "Tasks that wait", "Ready and delayed.",
                (('sum by (kind, state) (image_crawler_tasks{$s,state=~"ready|delayed"})', "{{kind}} {{state}}"),),
                stacked=True,
            ),
            Panel(
                "Due and in work", "Due is what further workers could begin now; a scaler asks for that and what runs.",
                (
                    ("sum by (kind) (image_crawler_tasks_due{$s})", "due {{kind}}"),
                    ('sum by (kind) (image_crawler_tasks{$s,state="leased"})', "leased {{kind}}"),
                    ("sum by (kind) (image_crawler_work{$s})", "for a scaler {{kind}}"),
                ),
            ),
            Panel(
                "Hosts in trouble", "", (("sum by (trouble) (image_crawler_hosts_troubled{$s})", "{{trouble}}"),),
                stacked=True,
            ),
        ),
    ),
    (
        "What is done",
        (
            Panel(
                "Images a second by status", "As their workers tell it.",
                (
                    (
                        'sum by (status) (rate(image_crawler_results_total{$s,kind="image"}[$__rate_interval]))',
                        "{{status}}",
                    ),
                ),
                width=12, stacked=True, unit="ops",
            ),
            Panel(
                "Pages a second", "Read, and opened in a browser.",
                (
                    (
                        'sum by (kind, status) (rate(image_crawler_results_total{$s,kind!="image"}[$__rate_interval]))',
                        "{{kind}} {{status}}",
                    ),
                ),
                width=12, stacked=True, unit="ops",
            ),
            Panel(
                "Why not", "Vain tries included; docs/reasons.md has the words.",
                (
                    (
                        "topk(10, sum by (reason) (rate(image_crawler_failures_total{$s}[$__rate_interval])) > 0)",
                        "{{reason}}",
                    ),
                ),
                width=12, unit="ops",
            ),
            Panel(
                "Bytes a second", "Fetched, and stored.",
                (
                    ("sum(rate(image_crawler_received_bytes_total{$s}[$__rate_interval]))", "received"),
                    ("sum(rate(image_crawler_written_bytes_total{$s}[$__rate_interval]))", "written"),
                ),
                width=12, unit="Bps",
            ),
            Panel(
                "Records by reason", "Of the whole crawl.",
                (("topk(15, sum by (kind, reason) (image_crawler_not_had{$s}))", "{{kind}} {{reason}}"),),
                "bargauge", 8, 9,
            ),
            Panel(
                "Found and not queued", "",
                (("topk(15, sum by (reason) (image_crawler_left_out{$s}))", "{{reason}}"),), "bargauge", 8, 9,
            ),
            Panel(
                "What owners forbid", "robots.txt and opt-outs.",
                (("sum by (signal) (image_crawler_owner_refusals{$s})", "{{signal}}"),), "bargauge", 8, 9,
            ),
        ),
    ),
    (
        "How long it takes",
        (
            Panel("Fetch", "Without waits for a turn.", _quantiles("fetch", "kind"), unit="s", width=12),
            Panel("Read a page", "", _quantiles("read"), unit="s", width=6),
            Panel("Verify an image", "", _quantiles("verify"), unit="s", width=6),
            Panel("Store an image", "", _quantiles("store"), unit="s", width=12),
            Panel("Render a page", "", _quantiles("render"), unit="s", width=12),
        ),
    ),
    (
        "Who works",
        (
            Panel("Workers", "As the queue sees them.", (("sum by (kind) (image_crawler_workers{$s})", "{{kind}}"),)),
            Panel(
                "Threads and tasks in them", "",
                (
                    ("sum by (kind) (image_crawler_running{$s})", "running {{kind}}"),
                    ("sum by (kind) (image_crawler_threads{$s})", "threads {{kind}}"),
                ),
            ),
            Panel(
                "What goes wrong", "In the last 15 minutes.",
                (
                    ("sum(increase(image_crawler_process_deaths_total{$s}[15m]))", "processes died"),
                    ("sum(increase(image_crawler_leases_lost_total{$s}[15m]))", "leases lost"),
                    ("sum(image_crawler_memory_waits{$s})", "wait for memory"),
                    ("sum(image_crawler_storage_away{$s})", "storage away"),
                ),
            ),
            Panel(
                "Silence of the queue", "Age of its figures, and the longest that a worker waits for an answer.",
                (
                    ("max by (instance) (image_crawler_figures_age_seconds{$s})", "figures {{instance}}"),
                    ("max by (instance) (image_crawler_queue_silent_seconds{$s})", "worker {{instance}}"),
                ),
                unit="s", width=12,
            ),
            Panel(
                "Held back", "Images that wait for a larger size; 1 while images wait in excess.",
                (
                    ("sum(image_crawler_held_images{$s})", "held images"),
                    ("max(image_crawler_backlogged{$s})", "backlogged"),
                ),
                width=6,
            ),
            Panel(
                "Versions", "",
                (("count by (version, protocol, python) (image_crawler_build_info{$s})", "{{version}} py {{python}}"),),
                "bargauge", 6,
            ),
        ),
    ),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        panels.append(
            {
                "type": "row", "title": title, "collapsed": False, "panels": [], "id": len(panels) + 1,
                "gridPos": {"h": 1, "w": _WIDE, "x": 0, "y": y},
            }
        )  # fmt: skip
        y, x, tallest = y + 1, 0, 0
        for panel in row:
            if x + panel.width > _WIDE:
                y, x, tallest = y + tallest, 0, 0
            panels.append(_panel(panel, len(panels) + 1, x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return {
        "title": "image-crawler",
        "uid": "image-crawler",
        "description": "A crawl and its workers: docs/metrics.md has every series.",
        "tags": ["image-crawler"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "templating": {
            "list": [
                {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "instance", "label": "Instance", "type": "query", "datasource": _SOURCE,
                    "query": {"query": "label_values(image_crawler_build_info, instance)", "refId": "instances"},
                    "refresh": 2, "multi": True, "includeAll": True, "allValue": ".*", "sort": 1,
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": panels,
    }  # fmt: skip


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": _SOURCE,
                "expr": query.replace("$s", _ALL),
                "legendFormat": legend or "__auto",
                "instant": panel.kind != "timeseries",
            }
            for at, (query, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"color": colour, "value": value} for colour, value in panel.steps],
                },
            },
            "overrides": [],
        },
    }
    if panel.kind == "timeseries":
        made["fieldConfig"]["defaults"]["custom"] = {
            "fillOpacity": 20 if panel.stacked else 0,
            "lineWidth": 1,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none"},
        }
        made["options"] = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    elif panel.kind == "stat":
        made["options"] = {
            "reduceOptions": {"calcs": ["lastNotNull"]},
            "textMode": "name" if panel.title == "State" else "auto",
            "graphMode": "none",
            "colorMode": "value",
        }
    else:
        made["options"] = {
            "orientation": "horizontal", "displayMode": "basic", "reduceOptions": {"calcs": ["lastNotNull"]},
        }  # fmt: skip
    return made


def text() -> str:
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
