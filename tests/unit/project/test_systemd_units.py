"""The unit files in config/systemd: what they say to systemd and to the program, both understand."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from crawler.cli import cli
from crawler.config import SETTINGS, Config, load
from crawler.process_end import EXIT_INTERRUPTED, EXIT_TERMINATED
from crawler.run.endpoints import read_access
from crawler.run.keygen import make_keys
from crawler.run.worker_pool import STOP_GRACE_S

CHECKOUT = Path(__file__).parents[3]
FILES = sorted((CHECKOUT / "config/systemd").iterdir())
each_unit = pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])


def values(file: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)


def command(file: Path, credentials: str) -> tuple[str, dict[str, object]]:
    """The command of ExecStart, and its parameters as the command line reads them."""
    (line,) = values(file, "ExecStart")
    words = line.replace("$SEEDS", "https://a.example/ https://b.example/").replace("%i", "192.0.2.7").split()
    program, name, *arguments = [word.replace("${CREDENTIALS_DIRECTORY}", credentials) for word in words]
    assert program == "/usr/local/bin/image-crawler"
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    with found.make_context(name, arguments) as context:
        return name, context.params


def test_there_is_one_for_each_role() -> None:
    assert [file.name for file in FILES] == [
        f"image-crawler-{role}@.service" for role in ("harvest", "render", "serve", "work")
    ]


@each_unit
def test_its_command_is_understood_and_finds_its_keys(file: Path, tmp_path: Path) -> None:
    keys = make_keys(tmp_path / "keys", tls=True)
    name, params = command(file, str(tmp_path / "credentials"))
    assert file.name == f"image-crawler-{name}@.service"
    assert params["keys"] == str(tmp_path / "credentials")
    side = keys.manager if name == "serve" else keys.worker
    loaded = dict(credential.split(":") for credential in values(file, "LoadCredential"))
    assert {Path(source).parent.name for source in loaded.values()} == {side.name}
    (tmp_path / "credentials").mkdir()
    for credential, source in loaded.items():
        shutil.copy(side / Path(source).name, tmp_path / "credentials" / credential)
    settings = {key: value for key, value in params.items() if key in SETTINGS and value != ()}
    access = read_access(load(flags=settings).access, manager=name == "serve")
    assert access is not None
    assert access.tls is not None


@each_unit
def test_stopping_is_a_success_and_has_the_time_that_it_takes(file: Path) -> None:
    assert values(file, "SuccessExitStatus") == [f"{EXIT_INTERRUPTED} {EXIT_TERMINATED}"]
    assert values(file, "KillSignal") == ["SIGTERM"]
    assert values(file, "KillMode") == ["mixed"]
    assert values(file, "RestartPreventExitStatus") == ["2"]
    (time_s,) = values(file, "TimeoutStopSec")
    needed_s = 70 if "serve" in file.name else Config().fetch.total_timeout_s + STOP_GRACE_S
    assert int(time_s.removesuffix("s")) > needed_s


@each_unit
def test_no_secret_is_in_it_and_no_right_that_is_not_needed(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"[0-9a-fA-F]{32}|BEGIN|--login|AUTHKEY|PASSWORD", text)
    assert "SetCredential" not in text
    assert values(file, "NoNewPrivileges") == ["yes"]
    assert values(file, "CapabilityBoundingSet") == [""]
    assert values(file, "ProtectSystem") == ["strict"]
    shut_in = values(file, "RestrictNamespaces") == ["yes"]
    assert shut_in == (file.name in {"image-crawler-work@.service", "image-crawler-harvest@.service"}), (
        "a browser makes namespaces of its own"
    )


@each_unit
def test_systemd_finds_nothing_to_complain_about(file: Path, tmp_path: Path) -> None:
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("there is no systemd-analyze here")
    text = file.read_text(encoding="utf-8").replace("/usr/local/bin/image-crawler", "/bin/true")
    unit = tmp_path / file.name.replace("@", "@name")
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False, timeout=60
    )
    own = [
        line for line in done.stderr.splitlines() if unit.name in line
    ]  # of others' units it complains, too
    assert own == []
