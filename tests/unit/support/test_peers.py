"""What the benchmark of peers counts, finds and prints."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.benchmarks.peers import corpora, measure, servers
from tests.benchmarks.peers.__main__ import available
from tests.benchmarks.peers.bench import Bench
from tests.benchmarks.peers.corpora import Corpus, Missing
from tests.benchmarks.peers.report import DECODED, MEMORY_ROUND, Results, Run, ratio
from tests.benchmarks.peers.servers import Served
from tests.benchmarks.peers.tools import TOOLS, Job, Tool, defaults, tool
from tests.support.queues import wait_until

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="a subreaper and /proc are needed")
BURN = "import time\nend = time.process_time() + {s}\nwhile time.process_time() < end: pass\n"
DAEMON = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {burn}
        os._exit(0)
    os._exit(0)
"""
"""It ends at once; its grandchild works on, and has no parent but whoever takes it in."""


def usage(
    *, wall_s: float = 1.0, cpu_s: float = 1.0, foreign: float = 0.0, code: int | None = 0, pss: int = 0
) -> measure.Usage:
    return measure.Usage(
        code=code, wall_s=wall_s, cpu_s=cpu_s, foreign=foreign, peak_rss_bytes=1, peak_pss_bytes=pss
    )


def run(tool_name: str, number: int, used: measure.Usage, *, images: int = 10) -> Run:
    return Run(corpus="photo", tool=tool_name, round=number, usage=used, images=images, total=10)


# --- measuring


@needs_linux
def test_a_process_that_nobody_waits_for_is_counted(tmp_path: Path) -> None:
    burn = "\n        ".join(BURN.format(s=0.3).splitlines())
    told = measure.run(
        [sys.executable, "-c", DAEMON.format(burn=burn)], folder=tmp_path, environment=dict(os.environ)
    )
    assert told.code == 0
    assert told.cpu_s >= 0.3
    assert told.left == 0


@needs_linux
def test_the_exit_code_and_the_output_are_kept(tmp_path: Path) -> None:
    told = measure.run(
        [sys.executable, "-c", "import sys; print('well'); sys.exit(3)"], folder=tmp_path, environment={}
    )
    assert (told.code, told.output) == (3, "well\n")


@needs_linux
def test_what_takes_too_long_is_killed(tmp_path: Path) -> None:
    told = measure.run(["sleep", "60"], folder=tmp_path, environment=dict(os.environ), timeout_s=0.1)
    assert (told.code, told.left) == (None, 1)
    assert told.wall_s < 30


@needs_linux
def test_whoever_stops_measuring_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object, timeout: float | None = None) -> int:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    command = ["sh", "-c", "sleep 60 & echo $! >pid; wait"]
    with pytest.raises(KeyboardInterrupt):
        measure.run(command, folder=tmp_path, environment=dict(os.environ))
    process = Path("/proc", (tmp_path / "pid").read_text().strip())
    # whoever adopts it may take its time to notice its end
    wait_until(lambda: not process.exists(), within_s=60.0)


@needs_linux
def test_memory_is_that_of_all_processes_and_of_the_largest(tmp_path: Path) -> None:
    script = (
        "import os, time\nchild = os.fork()\nkept = bytes(range(256)) * (4096 * (50 if child else 20))\n"
        "time.sleep(1)\nos.waitpid(child, 0) if child else None\n"
    )
    told = measure.run(
        [sys.executable, "-c", script], folder=tmp_path, environment=dict(os.environ), memory=True
    )
    assert told.peak_process_pss_bytes >= 50 * 2**20
    assert told.peak_pss_bytes >= told.peak_process_pss_bytes + 20 * 2**20
    assert told.peak_rss_bytes >= 50 * 2**20


def test_idle_time_is_no_work() -> None:
    stat = "cpu  100 20 30 4000 500 6 7 8 90 0\ncpu0 1 2 3\n"
    assert measure.busy_s(stat) * os.sysconf("SC_CLK_TCK") == 100 + 20 + 30 + 6 + 7 + 8


def test_two_runs_one_after_the_other() -> None:
    both = usage(wall_s=1, cpu_s=2, foreign=0.4).followed_by(usage(wall_s=3, cpu_s=1, foreign=0.0))
    assert (both.wall_s, both.cpu_s) == (4, 3)
    assert both.foreign == pytest.approx(0.1)
    assert not both.is_disturbed
    assert usage().followed_by(usage(code=1)).code == 1


# --- corpora


def test_photos_are_the_same_each_time_and_all_different(tmp_path: Path) -> None:
    for name in ("one", "other"):
        corpora.make_photos(tmp_path / name, images=6)
    one, other = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "other")
    )
    assert one == other
    names = [f"images/{n:05}.jpg" for n in range(6)]
    assert sorted(map(str, one)) == [*names, "index.html", "page0.html", "page4.html"]
    photos = {data for path, data in one.items() if path.suffix == ".jpg"}
    assert len(photos) == 6
    assert all(80_000 < len(data) < 130_000 for data in photos)


def test_a_photo_with_a_comment_is_another_one_for_little() -> None:
    first, again = corpora.commented(0), corpora.commented(25)
    assert first != again
    with Image.open(io.BytesIO(first)) as one, Image.open(io.BytesIO(again)) as other:
        assert one.tobytes() == other.tobytes()
        assert (one.info["comment"], other.info["comment"]) == (b"photo 0", b"photo 25")


def site(folder: Path) -> Corpus:
    for name, data in {"a.png": b"1", "b.png": b"2", "copy of b.PNG": b"2", "page.html": b"3"}.items():
        (folder / name).write_bytes(data)
    (folder / "fonts").mkdir()
    (folder / "fonts" / "sans.svg").write_bytes(b"4")
    return Corpus(name="site", folder=folder)


def test_an_image_is_found_by_its_bytes_whatever_its_name(tmp_path: Path) -> None:
    there, saved = tmp_path / "there", tmp_path / "saved"
    there.mkdir()
    (saved / "deep").mkdir(parents=True)
    corpus = site(there)
    assert len(corpus.images) == 3
    assert corpus.digests[hashlib.sha256(b"2").hexdigest()] == 2
    (saved / "deep" / "0001").write_bytes(b"2")
    (saved / "page.html").write_bytes(b"3")
    assert corpora.found(corpus, saved, reencoded=False) == 2
    assert corpora.found(corpus, saved, reencoded=True) == 0
    (saved / "x.jpg").write_bytes(b"another")
    assert corpora.found(corpus, saved, reencoded=True) == 1


def test_a_corpus_that_is_not_there_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with pytest.raises(Missing, match="apt-get install gimp-help-en"):
        corpora.corpus("gimp", tmp_path, images=1)


# --- servers


def test_each_corpus_is_served_in_its_way(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    plain, slow, secret = (
        servers.server_block(Corpus(name="x", folder=tmp_path, delay_s=delay_s, tls=tls), 8000, key, key)
        for delay_s, tls in ((0.0, False), (0.05, False), (0.0, True))
    )
    assert "listen 127.0.0.1:8000 " in plain
    assert f'root "{tmp_path}"' in plain
    assert "echo" not in plain + secret
    assert "echo_sleep 0.05" in slow
    assert "listen 127.0.0.1:8000 ssl" in secret
    assert "ssl" not in plain + slow


# --- tools


@pytest.mark.parametrize("name", TOOLS)
def test_each_tool_is_called_with_the_url_or_the_list(name: str, tmp_path: Path) -> None:
    made = TOOLS[name](name, 7)
    assert made.name == f"{name}:7"
    job = Job(
        url="http://127.0.0.1:1/",
        folder=tmp_path / "saved",
        image_urls=tmp_path / "urls.txt",
        suffix=".jpg",
        ca=tmp_path / "ca.pem",
    )
    words = " ".join(map(str, made.command(job)))
    assert job.url in words or str(job.image_urls) in words
    assert str(job.folder) in words
    assert "7" in words.replace(str(tmp_path), "").replace(job.url, "")
    assert not any("proxy" in variable.lower() for variable in made.environment(job))


@pytest.mark.parametrize("name", ["wget3", "ours:", "ours:many", "ours:1:2", ""])
def test_a_tool_that_there_is_not(name: str, tmp_path: Path) -> None:
    with pytest.raises(Missing, match="there is no tool"):
        tool(name, tmp_path)


@pytest.mark.parametrize("corpus", corpora.NAMES)
def test_the_default_tools_are_known_ones(corpus: str) -> None:
    names = defaults(corpus)
    assert "ours" in names
    assert {name.partition(":")[0] for name in names} <= TOOLS.keys()


def test_what_is_missing_is_said_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    def make(name: str) -> str:
        if name == "b":
            raise Missing("there is no b: install it")
        return name.upper()

    assert available(["a", "b", "c"], make) == ["A", "C"]
    assert capsys.readouterr().err == "left out: there is no b: install it\n"


# --- the rounds


@needs_linux
def test_a_tool_that_does_not_decode_is_measured_alone_and_with_the_decoding(tmp_path: Path) -> None:
    corpora.make_photos(tmp_path / "site", images=3)
    corpus = Corpus(name="photo", folder=tmp_path / "site")
    served = Served({"photo": "http://127.0.0.1:1/"}, tmp_path / "ca.pem", os.getpid())
    bench = Bench(
        tools={corpus: [Copying("one", None), Copying("two", None)]},
        served=served,
        scratch=tmp_path,
        output=tmp_path / "output",
    )
    runs = [*bench.round(1), *bench.round(2)]
    assert [one.tool for one in runs] == [
        *("two", "two" + DECODED, "one", "one" + DECODED),
        *("one", "one" + DECODED, "two", "two" + DECODED),
    ]
    assert all((one.images, one.total, one.usage.code) == (3, 3, 0) for one in runs)
    assert all(
        alone.usage.cpu_s < both.usage.cpu_s for alone, both in zip(runs[::2], runs[1::2], strict=True)
    )
    assert runs[1].usage.output.endswith("3 0\n"), "three were decoded, none is broken"
    assert not list((tmp_path / "output").rglob("*.jpg"))
    assert (tmp_path / "photo.txt").read_text().splitlines()[0] == "http://127.0.0.1:1/images/00000.jpg"


class Copying(Tool):
    """It has the site from the disk."""

    def command(self, job: Job) -> Sequence[str | Path]:
        return ("cp", "-r", job.image_urls.parent / "site", job.folder)


# --- the report


def test_ratios_are_of_the_same_round() -> None:
    ours = [run("ours", 1, usage(wall_s=1)), run("ours", 2, usage(wall_s=2)), run("ours", 3, usage(wall_s=4))]
    its = [run("it", 1, usage(wall_s=2)), run("it", 2, usage(wall_s=4)), run("it", 3, usage(wall_s=8))]
    assert ratio(ours, its, lambda one: one.rate) == 2
    assert ratio(ours, [run("it", 9, usage())], lambda one: one.rate) is None


def test_a_disturbed_round_is_told_apart() -> None:
    noisy = usage(wall_s=100, foreign=0.5)
    ours = [run("ours", 1, usage(wall_s=2)), run("ours", 2, noisy)]
    its = [run("it", 1, usage(wall_s=1)), run("it", 2, usage(wall_s=1))]
    assert ratio(ours, its, lambda one: one.rate) == 0.5
    rows = rows_of([*ours, *its])
    assert rows["ours"]["images/s"] == "5"
    assert rows["ours"]["rounds"] == "1/2"
    assert rows_of([run("ours", 1, noisy)])["ours"]["rounds"] == "0/1 disturbed"


def test_the_round_of_memory_is_not_timed() -> None:
    rows = rows_of([run("ours", MEMORY_ROUND, usage(wall_s=90, pss=3 * 2**20)), run("ours", 1, usage())])
    assert rows["ours"]["wall s"] == "1.00"
    assert rows["ours"]["PSS MiB"] == "3"


def test_a_failed_run_gives_no_figure() -> None:
    rows = rows_of([run("ours", 1, usage()), run("it", 1, usage(code=1)), run("none", 1, usage(), images=0)])
    assert rows["it"]["images/s"] == rows["none"]["images/s"] == "failed"
    assert rows["it"]["ours/it: speed"] == "-"
    assert rows["none"]["found"] == "0/10"


def test_what_is_only_counted_is_marked() -> None:
    again = Run(corpus="photo", tool="it", round=1, usage=usage(), images=9, total=10, is_counted=True)
    assert rows_of([again])["it"]["found"] == "~9/10"


def test_the_tables_for_a_document_and_for_a_program() -> None:
    results = Results(versions={"ours": "1.2"}, storage="disk")
    results.runs += [run("ours", 1, usage()), run("it" + DECODED, 1, usage(wall_s=2))]
    text = results.markdown()
    assert "output on disk; ours 1.2" in text
    assert "| it + decode | 5 | 2.00 | 100.00 |" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert results.as_json()["runs"][0]["usage"]["wall_s"] == 1.0


def rows_of(runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    results = Results(versions={}, storage="disk")
    results.runs += runs
    head, rows = results.rows("photo")
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}
