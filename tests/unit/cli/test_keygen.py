"""keygen: what it makes, and what it says to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from cryptography import x509

from crawler.cli import cli, main
from crawler.extras import install
from crawler.run import keygen
from tests.support import certificates


def commands(out: str) -> list[list[str]]:
    """The command lines among what was printed, as words."""
    return [shlex.split(line) for line in out.splitlines() if line.startswith("    image-crawler ")]


def parses(words: Sequence[str]) -> bool:
    program, name, *arguments = words
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"there is no command {name}"
    with command.make_context(name, arguments):
        return program == "image-crawler"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_it_makes_a_folder_for_each_side_and_says_what_to_do_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "the keys"
    assert main(["keygen", str(folder)]) == 0
    streams = capsys.readouterr()
    four = ("authkey", "ca.pem", "cert.pem", "key.pem")
    assert names(folder) == [f"{side}/{name}" for side in ("manager", "worker") for name in four]
    for side in ("manager", "worker"):
        certificates.held_in(folder / side).check(server_side=side == "manager")
        assert str(folder / side) in streams.out
    assert commands(streams.out) == [
        ["image-crawler", "serve", "URL", "--bind", "0.0.0.0", "--keys", str(folder / "manager")],
        ["image-crawler", "work", "HOST", "--keys", str(folder / "worker")],
    ]
    assert streams.err == ""


def test_no_key_is_ever_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert (tmp_path / "manager" / "authkey").read_text().strip() not in out
    assert "PRIVATE" not in out


def test_without_certificates_it_says_what_that_means(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keygen", str(tmp_path), "--authkey-only"]) == 0
    out = capsys.readouterr().out
    assert names(tmp_path) == ["manager/authkey", "worker/authkey"]
    serve, work = commands(out)
    assert serve[-3:] == ["--authkey-file", str(tmp_path / "manager" / "authkey"), "--insecure-plaintext"]
    assert work[-3:] == ["--authkey-file", str(tmp_path / "worker" / "authkey"), "--insecure-plaintext"]
    assert "can read along" in out


@pytest.mark.parametrize("options", [[], ["--authkey-only"]], ids=" ".join)
def test_what_it_says_to_do_can_be_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert main(["keygen", str(tmp_path / "it's"), *options]) == 0
    lines = commands(capsys.readouterr().out)
    assert len(lines) == 2
    assert all(parses(words) for words in lines)


def test_names_and_days_go_into_the_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["keygen", str(tmp_path), "--name", "a.example", "--name", "192.0.2.7", "--days", "9"]
    assert main(arguments) == 0
    cert = x509.load_pem_x509_certificate((tmp_path / "manager" / "cert.pem").read_bytes())
    alternatives = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "a.example" in alternatives.get_values_for_type(x509.DNSName)
    assert "192.0.2.7" in map(str, alternatives.get_values_for_type(x509.IPAddress))
    assert f"until {cert.not_valid_after_utc:%Y-%m-%d}" in capsys.readouterr().out
    assert (cert.not_valid_after_utc - cert.not_valid_before_utc).days == 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--name", "a b"], "'a b'"),
        (["--days", "0"], "--days"),
        (["--days", "36501"], "--days"),
        (["--name", "a.example", "--authkey-only"], "--name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_makes_no_sense_ends_with_2_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["keygen", str(tmp_path / "keys"), *options]) == 2
    streams = capsys.readouterr()
    assert said in streams.err
    assert streams.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_second_time_it_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", str(tmp_path), "--authkey-only"]) == 0
    before = (tmp_path / "worker" / "authkey").read_bytes()
    capsys.readouterr()
    assert main(["keygen", str(tmp_path)]) == 2
    streams = capsys.readouterr()
    assert f"{tmp_path / 'manager'} exists" in streams.err
    assert streams.out == ""
    assert (tmp_path / "worker" / "authkey").read_bytes() == before
    assert names(tmp_path) == ["manager/authkey", "worker/authkey"]


def test_without_the_library_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: object) -> None:
        raise ModuleNotFoundError("No module named 'cryptography'")

    monkeypatch.setattr(keygen, "_Authority", missing)
    assert main(["keygen", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert install("tls") in said
    assert "--authkey-only" in said
    assert "Traceback" not in said
    assert main(["keygen", str(tmp_path), "--authkey-only"]) == 0


def test_its_help_says_that_nobody_can_make_further_certificates(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", "--help"]) == 0
    assert "can make further ones" in " ".join(capsys.readouterr().out.split())
