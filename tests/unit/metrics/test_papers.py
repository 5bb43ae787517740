"""What is made of the series, and what names them: the table, the dashboard and the alerts agree with the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from crawler.metrics.series import Kind, Series, series
from crawler.models import STATUSES, TaskKind, TaskState
from crawler.monitoring.condition import State
from tests.generators import dashboard, metrics_table
from tests.support.documents import ROOT, anchors

RULES = ROOT / "config" / "prometheus" / "rules.yml"
TESTS = RULES.with_name("rules_test.yml")
_ALL = series()
_QUERY = re.compile(r"image_crawler[_:][a-z_:]+(\{[^}]*\})?")
_MATCHER = re.compile(r"(\w+)(=~|!~|!=|=)\"([^\"]*)\"")
_OF_PROMETHEUS = {"instance", "job", "le"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard and of the rules, with where it stands."""
    for panel in dashboard.dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]


def named() -> dict[str, Series]:
    """By each name that a query may have."""
    found = {}
    for one in _ALL:
        if one.kind is Kind.HISTOGRAM:
            found |= {f"{one.full_name}_{part}": one for part in ("bucket", "sum", "count")}
        else:
            found[one.full_name] = one
    return found


VALUES = {
    "kind": {*TaskKind},
    "state": {*TaskState, *State},
    "status": {str(status) for statuses in STATUSES.values() for status in statuses} | {"retried"},
    "trouble": {"backing-off", "only-errors", "down", "recovering", "slowed"},
}


@pytest.mark.parametrize(("where", "query"), [*queries()])
def test_every_series_that_a_query_names_is_there_with_its_labels(where: str, query: str) -> None:
    found = list(_QUERY.finditer(query))
    assert found, where
    for match in found:
        name = match[0].partition("{")[0]
        if name in RECORDED:
            continue
        one = named()[name]
        for label, _, value in _MATCHER.findall(match[1] or ""):
            assert label in {*one.labels, *_OF_PROMETHEUS}, (where, label)
            for word in value.split("|") if label in VALUES else ():
                assert word in VALUES[label], (where, value)
    for label in re.findall(r"\bby \(([^)]*)\)", query):
        labels = {word.strip() for word in label.split(",")}
        known = {label for match in found for label in _labels(match[0].partition("{")[0])}
        assert labels <= known | _OF_PROMETHEUS, (where, labels)


def _labels(name: str) -> set[str]:
    return set() if name in RECORDED else set(named()[name].labels)


def test_every_series_has_a_place_on_the_dashboard() -> None:
    """Nobody looks at what is nowhere: but for those that others are made of."""
    shown = " ".join(query for _, query in queries())
    assert {one.name for one in _ALL if one.full_name not in shown} == {"queue_up_seconds", "processes"}


def test_each_alert_has_a_runbook_a_severity_and_a_test() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    tested = TESTS.read_text("utf-8")
    for rule in alerts:
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor == rule["alert"].lower()
        assert anchor in anchors(file), rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert tested.count(f"alertname: {rule['alert']} ") >= 1, "that it is silent when all is well"
        assert re.search(rf"alertname: {rule['alert']}\n\s+exp_alerts", tested), "that it tells"
    heads = set(
        re.findall(
            r"^### (ImageCrawler\w+)$", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.MULTILINE
        )
    )
    assert heads == {rule["alert"] for rule in alerts}


@pytest.mark.parametrize("command", [("check", "rules", RULES), ("test", "rules", TESTS)])
def test_promtool_agrees(command: tuple[str | Path, ...]) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed: apt install prometheus")
    done = subprocess.run([promtool, *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_promtool_reads_each_query_of_the_dashboard(tmp_path: Path) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed: apt install prometheus")
    asked = [
        query.replace("$__rate_interval", "1m") for where, query in queries() if where.startswith("panel ")
    ]
    group = {
        "name": "dashboard",
        "rules": [{"record": f"q:{at}", "expr": query} for at, query in enumerate(asked)],
    }
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [group]}), encoding="utf-8")
    done = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(asked)} rules found" in done.stdout


def test_the_dashboard_is_made_of_its_generator() -> None:
    assert dashboard.FILE.read_text("utf-8") == dashboard.text(), "run python -m tests.generators.dashboard"
    panels = json.loads(dashboard.text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 25
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in mine) < 24
        assert not mine & cells, f"{panel['title']} lies over another panel"
        cells |= mine


def test_the_table_of_the_page_is_made_of_the_series() -> None:
    text = metrics_table.PAGE.read_text("utf-8")
    assert text == metrics_table.page(text), "run python -m tests.generators.metrics_table"
