"""The chart in config/helm: Helm's own engine lints and renders it, Kubernetes' schemas take what comes of it, and each
argument, setting, path and series in it is one that there is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from crawler.cli import cli
from crawler.config import SETTINGS
from crawler.metrics.series import series
from crawler.models import TaskKind
from crawler.run.endpoints import PORT

CHART = Path(__file__).parents[3] / "config" / "helm" / "image-crawler"
SEEDS: dict[str, Any] = {"seeds": ["https://example.org/"]}
ALL_ROLES = {
    role: {"enabled": True, "autoscaling": {"enabled": True}} for role in ("work", "harvest", "render")
}
ON_REDIS = {
    **SEEDS,
    "queue": {"url": "rediss://redis.example/0#shop", "passwordSecret": "redis"},
    "storage": "s3://bucket/shop",
    "storageSecret": "store",
    "workers": ALL_ROLES,
    "autoscaling": {"prometheusAddress": "http://prometheus.monitoring:9090"},
    "metrics": {"podMonitor": True},
    "settings": {"delay_s": "1", "images": "all"},
    "imagePullSecrets": [{"name": "registry"}],
    "volume": {"existingClaim": "pictures"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
}
VALUES = {"usual": SEEDS, "all roles": {**SEEDS, "workers": ALL_ROLES}, "redis": ON_REDIS}
OUR_KINDS = {"ScaledObject", "PodMonitor"}
"""Resources of others, whose schemas are not Kubernetes' own."""
_VERSION = "1.30"

pytestmark = pytest.mark.slow
helm = pytest.importorskip("helm_python.chart", reason="helm-python-sdk is not installed (group test-all)")
HelmError = pytest.importorskip("helm_python").HelmError


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    with helm.Chart.load(CHART) as chart:
        files: dict[str, str] = chart.render(values=values, name="shop", namespace="crawls", revision=3)
    return [found for text in files.values() for found in yaml.safe_load_all(text) if found]


def of_kind(kind: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    return [found for found in rendered(values) if found["kind"] == kind]


def containers(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By name; each has its pod's spec as ``pod``."""
    return {
        container["name"]: {**container, "pod": found["spec"]["template"]["spec"]}
        for found in rendered(values)
        if found["kind"] in {"Job", "Deployment"}
        for container in found["spec"]["template"]["spec"]["containers"]
    }


each_way = pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)


@each_way
def test_helm_lints_it(values: dict[str, Any]) -> None:
    told = helm.lint(CHART, values=values, strict=True, namespace="crawls")
    assert told["errors"] == []
    assert [message["error"] for message in told["messages"]] == ["icon is recommended"]


@each_way
def test_kubernetes_takes_what_comes_of_it(values: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    found = rendered(values)
    for resource in found:
        if resource["kind"] not in OUR_KINDS:
            validate.validate(resource, _VERSION, strict=True)
    names = [(resource["kind"], resource["metadata"]["name"]) for resource in found]
    assert len(set(names)) == len(names)
    assert max(len(name) for _, name in names) <= 63


def test_the_schemas_would_find_a_fault() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    [job] = of_kind("Job", SEEDS)
    job["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "Always"
    with pytest.raises(validate.ValidationError):
        validate.validate(job, _VERSION, strict=True)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "say which site to crawl"),
        ({**SEEDS, "storage": "local"}, "storage"),
        ({**SEEDS, "queue": {"url": "http://redis.example"}}, "queue"),
        ({**SEEDS, "settings": {"delay_s": 1}}, "settings"),
        ({**SEEDS, "workers": {"work": {"autoscaling": {"tasksPerPod": 0}}}}, "tasksPerPod"),
    ],
)
def test_values_that_will_not_do_are_refused(values: dict[str, Any], told: str) -> None:
    with helm.Chart.load(CHART) as chart, pytest.raises(HelmError, match=told):
        _checked(chart, values)


def _checked(chart: Any, values: dict[str, Any]) -> None:
    chart.validate_schema(chart.merge_values(values))
    chart.render(values=values, name="shop", namespace="crawls")


@each_way
def test_each_command_line_parses(values: dict[str, Any]) -> None:
    for name, container in containers(values).items():
        command = cli.get_command(click.Context(cli), container["args"][0])
        assert command is not None, name
        with click.Context(command) as context:
            command.parse_args(context, container["args"][1:])
        for variable in container["env"]:
            if variable["name"].startswith("IMAGE_CRAWLER_"):
                assert variable["name"].removeprefix("IMAGE_CRAWLER_").lower() in SETTINGS, variable


@each_way
def test_health_is_asked_for_where_it_is_served(values: dict[str, Any]) -> None:
    for container in containers(values).values():
        [port] = container["ports"]
        served = {one["name"]: one["value"] for one in container["env"]}["IMAGE_CRAWLER_METRICS"]
        assert served == f"0.0.0.0:{port['containerPort']}"
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}


@each_way
def test_a_scaler_asks_for_one_number_that_there_is(values: dict[str, Any]) -> None:
    names = {one.full_name: one for one in series()}
    deployments = {found["metadata"]["name"]: found for found in of_kind("Deployment", values)}
    for scaled in of_kind("ScaledObject", values):
        assert "replicas" not in deployments[scaled["spec"]["scaleTargetRef"]["name"]]["spec"], (
            "two would decide"
        )
        assert scaled["spec"]["minReplicaCount"] == 0
        [trigger] = scaled["spec"]["triggers"]
        query = trigger["metadata"].get("valueLocation") or trigger["metadata"]["query"]
        [(name, kind)] = re.findall(r'(image_crawler_\w+)\{kind="(\w+)"', query)
        assert names[name].labels == ("kind",)
        role = scaled["metadata"]["labels"]["app.kubernetes.io/component"]
        assert kind == {"work": TaskKind.IMAGE, "harvest": TaskKind.PAGE, "render": TaskKind.RENDER}[role]


@each_way
def test_nobody_has_more_rights_than_needed(values: dict[str, Any]) -> None:
    for name, container in containers(values).items():
        pod, mine = container["pod"], container["securityContext"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert (mine["readOnlyRootFilesystem"], mine["allowPrivilegeEscalation"]) == (True, False)
        assert mine["capabilities"] == {"drop": ["ALL"]}
        assert (mine.get("seccompProfile") is not None) == (name == "render")
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}
    text = json.dumps(rendered(values))
    assert not re.search(r"password\W+[a-z0-9]{8,}|BEGIN [A-Z ]*KEY", text)


def test_time_is_given_for_what_finishing_takes() -> None:
    most_s = SETTINGS["total_timeout_s"].default + 10
    for name, container in containers(VALUES["all roles"]).items():
        assert container["pod"]["terminationGracePeriodSeconds"] >= (75 if name == "serve" else most_s)


def test_workers_find_the_manager() -> None:
    [service] = of_kind("Service", SEEDS)
    assert service["spec"]["ports"][0]["port"] == PORT
    assert containers(SEEDS)["work"]["args"][1] == f"{service['metadata']['name']}:{PORT}"
    assert f"--bind=0.0.0.0:{PORT}" in containers(SEEDS)["serve"]["args"]


def test_the_values_are_told_of_with_their_schema() -> None:
    schema: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    known: Callable[[str], bool] = values.__contains__
    assert all(map(known, schema["properties"]))
