"""compose.yaml and the Dockerfile: what they say to the program, it understands; who gets which key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import click
import pytest
import yaml

from crawler.cli import cli, main
from crawler.config import AUTHKEY_VARIABLE, SETTINGS, Config, load
from crawler.run.endpoints import demand, parse_address, read_access
from crawler.run.worker_pool import STOP_GRACE_S

CHECKOUT = Path(__file__).parents[3]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (CHECKOUT / "compose.yaml").read_text(encoding="utf-8")
SEED = "https://example.org/a?b=c&d"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")


def substituted(**variables: str) -> dict[str, Any]:
    """compose.yaml, its variables replaced as Compose does; KeyError with its message for one that has to be set."""

    def value(match: re.Match[str]) -> str:
        name, kind, text = match.group("name", "kind", "text")
        if name in variables:
            return variables[name]
        if kind == "-":
            return text
        raise KeyError(text)

    def walked(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: walked(item) for key, item in node.items()}
        if isinstance(node, list):
            return [walked(item) for item in node]
        return VARIABLE.sub(value, node) if isinstance(node, str) else node

    found: dict[str, Any] = walked(yaml.safe_load(COMPOSE))
    return found


SERVICES: dict[str, dict[str, Any]] = substituted(SEED=SEED)["services"]
SERVING, WORKING, MAKING_KEYS = SERVICES["manager"], SERVICES["downloader"], SERVICES["keygen"]
RENDERING = SERVICES["renderer"]
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
each_role = pytest.mark.parametrize(
    "service", [SERVING, WORKING, RENDERING], ids=["manager", "downloader", "renderer"]
)
each_worker = pytest.mark.parametrize("service", [WORKING, RENDERING], ids=["downloader", "renderer"])
STAGES = dict(re.findall(r"^FROM \S+(?: AS (\w+))?\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
"""By name; what is built by default has none."""


def parsed(service: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of its command, as the command line reads them."""
    assert re.search(r'^ENTRYPOINT \["image-crawler"\]$', DOCKERFILE, re.MULTILINE)
    name, *arguments = service["command"]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"there is no command {name}"
    with command.make_context(name, arguments) as context:
        return context.params


def settings_of(service: Mapping[str, Any]) -> Config:
    flags = {key: value for key, value in parsed(service).items() if key in SETTINGS and value != ()}
    return load(environment=service.get("environment", {}), flags=flags)


def mounts(service: Mapping[str, Any]) -> dict[str, PurePosixPath]:
    """On the host, as seen from compose.yaml -> in the container, as seen from its working directory."""
    working_directory = re.findall(r"^WORKDIR (\S+)$", DOCKERFILE, re.MULTILINE)[-1]
    return {
        mount["source"]: PurePosixPath(mount["target"]).relative_to(working_directory)
        for mount in service["volumes"]
    }


# --- commands and settings ---


def test_each_command_is_understood() -> None:
    assert [service["command"][0] for service in SERVICES.values()] == ["keygen", "serve", "work", "render"]
    assert parsed(SERVING)["seeds"] == (SEED,)
    assert settings_of(SERVING).storage.storage == "manager"
    for service in SERVICES.values():
        parsed(service)


@each_service
def test_each_setting_in_an_environment_is_one(service: dict[str, Any]) -> None:
    names = {setting.environment for setting in SETTINGS.values()}
    assert service.get("environment", {}).keys() <= names
    assert all(isinstance(value, str) for value in service.get("environment", {}).values()), "YAML's idea"
    settings_of(service)


def test_settings_in_comments_are_some_too() -> None:
    names = {setting.environment for setting in SETTINGS.values()}
    assert set(re.findall(r"IMAGE_CRAWLER_\w+", COMPOSE)) <= names


def test_without_a_site_it_says_what_to_set() -> None:
    with pytest.raises(KeyError, match=r"SEED=https://"):
        substituted()


@each_worker
def test_workers_find_the_manager(service: dict[str, Any]) -> None:
    host, port = parse_address(parsed(service)["address"])
    assert SERVICES[host] is SERVING
    bound, listening = parse_address(settings_of(SERVING).manager.bind)
    assert (bound, listening) == ("0.0.0.0", port)


@each_worker
def test_there_is_time_to_finish_what_is_in_hand(service: dict[str, Any]) -> None:
    needed_s = Config().fetch.total_timeout_s + STOP_GRACE_S
    assert int(service["stop_grace_period"].removesuffix("s")) > needed_s
    assert service["depends_on"] == ["manager"], "so it is stopped before"
    assert re.search("^STOPSIGNAL SIGINT$", DOCKERFILE, re.MULTILINE)


# --- keys ---


def test_what_keygen_makes_is_what_each_side_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = tmp_path / "host"
    (host / "keys").mkdir(parents=True)
    (host / "data").mkdir()
    for name, service in SERVICES.items():
        for source, target in mounts(service).items():
            assert (host / source).is_dir(), f"{name} would find no {source}"
            inside = tmp_path / name / target
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.symlink_to(host / source)
        monkeypatch.chdir(tmp_path / name)
        if service is MAKING_KEYS:
            assert main(service["command"]) == 0
            continue
        access = read_access(settings_of(service).access, manager=service is SERVING)
        assert access is not None
        assert access.tls is not None
        demand(access, "192.0.2.7", insecure_plaintext=False)


@each_role
def test_each_side_sees_its_own_keys_only_and_can_not_change_them(service: dict[str, Any]) -> None:
    own = "manager" if service is SERVING else "worker"
    keys = [mount for mount in service["volumes"] if "keys" in mount["source"]]
    assert [(mount["source"], mount["read_only"]) for mount in keys] == [(f"./keys/{own}", True)]


def test_all_run_as_who_has_made_the_keys() -> None:
    (uid,) = re.findall(r"useradd --uid (\d+)", DOCKERFILE)
    assert {service["user"] for service in SERVICES.values()} == {f"{uid}:{uid}"}
    others = substituted(SEED=SEED, CRAWLER_USER="7:8")["services"]
    assert {service["user"] for service in others.values()} == {"7:8"}


def test_no_secret_stands_in_it() -> None:
    for text in (COMPOSE, DOCKERFILE):
        assert AUTHKEY_VARIABLE not in text
        assert not re.search(r"[0-9a-fA-F]{32}|BEGIN|password|token", text)
    assert "\n*\n" in (CHECKOUT / ".dockerignore").read_text(encoding="utf-8"), "only what is named gets in"
    assert "!keys" not in (CHECKOUT / ".dockerignore").read_text(encoding="utf-8")


def test_the_image_has_what_every_extra_needs() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "pip install --no-cache-dir --require-hashes -r requirements.lock" in DOCKERFILE
    locked = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    needed = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = [re.split("[^a-z0-9.-]", requirement)[0].replace(".", "-") for requirement in needed]
    assert "cryptography" in names
    assert [name for name in names if not re.search(rf"^{name}==", locked, re.MULTILINE)] == []


# --- who may do what ---


@each_service
def test_nothing_is_open_to_others_and_nothing_more_is_allowed_than_needed(service: dict[str, Any]) -> None:
    assert "ports" not in service
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    shut_in = ["no-new-privileges:true"]
    assert service["security_opt"] == ([*shut_in, "seccomp=unconfined"] if service is RENDERING else shut_in)
    assert not service.get("privileged")


@each_role
def test_what_has_failed_is_started_again_and_what_has_ended_is_not(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"on-failure:\d", service["restart"])
    assert "restart" not in MAKING_KEYS
    assert MAKING_KEYS["profiles"], "up does not start it"


# --- a browser ---


def test_who_does_not_ask_for_a_browser_gets_none() -> None:
    assert RENDERING["profiles"] == ["render"]
    assert RENDERING["build"]["target"] == "render"
    assert {service["build"] for service in (SERVING, WORKING, MAKING_KEYS)} == {"."}
    assert list(STAGES) == ["build", "program", "render", ""], "the last one is built by default"
    assert STAGES[""].strip() == "", "it is the program alone"
    assert [name for name, text in STAGES.items() if "chromium" in text] == ["render"]


def test_nothing_runs_as_root() -> None:
    for name in ("program", "render"):
        assert re.findall(r"^USER (\w+)$", STAGES[name], re.MULTILINE)[-1] == "crawler"
