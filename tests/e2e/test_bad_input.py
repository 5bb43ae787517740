"""What can be wrong from the start: one line that says what to do, the documented code, and nothing touched."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import Outcome, image_crawler, running, saved_digests, wait_until_recorded
from tests.support.sites import HELD_S, SiteServer, make_site, serving

FEW = ("--quiet", "--downloaders", "1")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    folder = tmp_path_factory.mktemp("site")
    make_site(folder, pages=2, images_per_page=2)
    (folder / "data.json").write_text('{"not": "a page"}', encoding="utf-8")
    with serving(folder) as server:
        yield server


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(outcome: Outcome, *, code: int, says: str) -> None:
    assert outcome.code == code, outcome.err
    assert says in outcome.error


# --- the seed ---


def test_a_seed_whose_server_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = image_crawler(
        "crawl", f"http://127.0.0.1:{port}/", "-o", "crawl", *FEW, "--tries", "1", "--max-attempts", "2",
        "--retry-delay-s", "0.1", folder=tmp_path,
    )  # fmt: skip
    refused(outcome, code=1, says=f"nothing to start from: 127.0.0.1 port {port} does not accept connections")
    assert "no image was saved" in outcome.out
    assert "1 not read (" in outcome.out


def test_a_seed_that_comes_back_is_visited_by_the_same_command(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=1, images_per_page=2)
    index = tmp_path / "site" / "index.html"
    index.rename(tmp_path / "site" / "away.html")
    with serving(tmp_path / "site") as server:
        command = ("crawl", server.url + "start.html", "-o", "crawl", *FEW)
        refused(image_crawler(*command, folder=tmp_path), code=1, says="the server answered 404 Not Found")
        (tmp_path / "site" / "away.html").rename(tmp_path / "site" / "start.html")
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert saved_digests(tmp_path / "crawl", server.url) == digests


def test_a_seed_that_is_no_page(site: SiteServer, tmp_path: Path) -> None:
    outcome = image_crawler("crawl", site.url + "data.json", "-o", "crawl", *FEW, folder=tmp_path)
    refused(outcome, code=1, says="nothing to start from: it is data (JSON)")


@pytest.mark.parametrize(
    ("seed", "says"),
    [
        ("urls.txt", "'urls.txt' looks like the name of a file: to crawl the pages whose URLs are in it, say -i"),
        ("example", "if 'example' is a host of your network, http://example/"),
        ("ftp://example.org/", "the seed 'ftp://example.org/' is not an http or https URL"),
        ("http://", "is not an http or https URL; give one such as https://example.org/"),
    ],
)  # fmt: skip
def test_a_seed_that_is_no_url(seed: str, says: str, tmp_path: Path) -> None:
    refused(image_crawler("crawl", seed, folder=tmp_path), code=2, says=says)
    assert list(tmp_path.iterdir()) == []


def test_no_seed_at_all(tmp_path: Path) -> None:
    outcome = image_crawler("crawl", folder=tmp_path)
    refused(outcome, code=2, says="a crawl needs something to begin with: a URL, -i FILE")


# --- the folder ---


def test_an_output_folder_that_is_a_file(site: SiteServer, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    outcome = image_crawler("crawl", site.url, "-o", "notes", folder=tmp_path)
    refused(outcome, code=2, says="the output folder notes is a file; choose another with -o")
    below = image_crawler("crawl", site.url, "-o", "notes/crawl", folder=tmp_path)
    refused(
        below,
        code=2,
        says="can't make the output folder notes/crawl: a part of its path is a file, and no folder",
    )
    assert tree(tmp_path) == {"notes": b"mine"}


@pytest.mark.parametrize("flags", [(), ("--fresh",)])
def test_images_of_ones_own(site: SiteServer, tmp_path: Path, flags: tuple[str, ...]) -> None:
    """``--fresh`` removes what a crawl has made, never what only looks like it."""
    (tmp_path / "holiday" / "images").mkdir(parents=True)
    (tmp_path / "holiday" / "images" / "beach.jpg").write_bytes(b"dear to me")
    outcome = image_crawler("crawl", site.url, "-o", "holiday", *flags, folder=tmp_path)
    refused(outcome, code=2, says="holiday has an images folder that belongs to no crawl")
    assert tree(tmp_path) == {"holiday/images/beach.jpg": b"dear to me"}


def test_the_folder_of_another_crawl(site: SiteServer, tmp_path: Path) -> None:
    assert image_crawler("crawl", site.url, "-o", "crawl", *FEW, folder=tmp_path).code == 0
    before = {name: data for name, data in tree(tmp_path).items() if "images" in name or "toml" in name}
    outcome = image_crawler("crawl", site.url + "page1.html", "-o", "crawl", *FEW, folder=tmp_path)
    refused(outcome, code=2, says=f"crawl belongs to another crawl, of {site.url}; choose another folder")
    assert "--fresh" in outcome.error
    assert {name: data for name, data in tree(tmp_path).items() if name in before} == before


def test_a_folder_that_a_crawl_is_using(site: SiteServer, tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=10, images_per_page=10)
    with serving(tmp_path / "site", delay_s=0.2) as server:
        command = ("crawl", server.url, "-o", "crawl", *FEW, "--per-host", "1")
        with running(*command, folder=tmp_path) as first:
            wait_until_recorded(first, tmp_path / "crawl", 1)
            server.delay_s = HELD_S
            second = image_crawler(*command, "--fresh", folder=tmp_path)
            refused(second, code=2, says="crawl is in use by a running crawl; wait for it, or stop it first")
            assert image_crawler("pause", "crawl", folder=tmp_path).code == 0, "it can still be reached"
            assert image_crawler("stop", "crawl", folder=tmp_path).code == 0
            server.delay_s = 0.0
            outcome = first.outcome()
        assert outcome.code == 130, "the first one has not noticed"
        assert saved_digests(tmp_path / "crawl", server.url)


def test_a_parent_folder_that_nobody_may_write_to(site: SiteServer, tmp_path: Path) -> None:
    parent = Path("/proc/self") if os.geteuid() == 0 else tmp_path / "locked"
    if os.geteuid() == 0:
        if not parent.is_dir():
            pytest.skip("root may write everywhere, and there is no /proc")
    else:
        parent.mkdir(mode=0o555)
    outcome = image_crawler("crawl", site.url, "-o", parent / "crawl", folder=tmp_path)
    refused(outcome, code=2, says=f"can't make the output folder {parent / 'crawl'}: ")


@pytest.mark.parametrize("command", ["inspect", "status", "export", "retry"])
def test_a_folder_without_a_crawl(command: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(image_crawler(command, "empty", folder=tmp_path), code=2, says="empty holds no crawl")
    assert list((tmp_path / "empty").iterdir()) == []


# --- the settings ---


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[scope]\nmax_depht = 3\n", "settings.toml, [scope]: unknown key 'max_depht'; did you mean 'max_depth'?"),
        ("[scop]\nmax_depth = 3\n", "settings.toml: unknown section [scop]; did you mean 'scope'?"),
        ("[queue]\nmax_depth = 3\n", "max_depth does not belong below [queue] but below [scope]"),
        ("[scope]\nmax_depth = -1\n", "[scope]: max_depth = -1 won't do: expected a whole number of 0 or more"),
        ("[scope]\nmax_depth = '3 links'\n", "max_depth = '3 links' won't do: expected a whole number"),
        ("[scope\n", "settings.toml is not valid TOML"),
        ("\xff", "settings.toml is not valid TOML"),
    ],
)  # fmt: skip
def test_a_configuration_file_with_a_mistake(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_bytes(text.encode("latin-1"))
    outcome = image_crawler("crawl", "http://127.0.0.1/", "--config", "settings.toml", folder=tmp_path)
    refused(outcome, code=2, says=says)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.toml"]


def test_a_configuration_file_that_is_not_there(tmp_path: Path) -> None:
    outcome = image_crawler("crawl", "http://127.0.0.1/", "--config", "none.toml", folder=tmp_path)
    refused(
        outcome, code=2, says="can't read the configuration file none.toml: there is no such file or folder"
    )


def test_an_environment_variable_with_a_mistake(tmp_path: Path) -> None:
    unknown = image_crawler("crawl", "http://127.0.0.1/", folder=tmp_path, IMAGE_CRAWLER_MAX_DEPHT="3")
    refused(
        unknown,
        code=2,
        says="environment variable IMAGE_CRAWLER_MAX_DEPHT: unknown key 'max_depht'; did you mean 'max_depth'?",
    )
    bad = image_crawler("crawl", "http://127.0.0.1/", folder=tmp_path, IMAGE_CRAWLER_MAX_DEPTH="deep")
    refused(bad, code=2, says="environment variable IMAGE_CRAWLER_MAX_DEPTH: max_depth = 'deep' won't do")
    assert list(tmp_path.iterdir()) == []


def test_a_flag_with_a_mistake(tmp_path: Path) -> None:
    unknown = image_crawler("crawl", "http://127.0.0.1/", "--max-depht", "3", folder=tmp_path)
    refused(unknown, code=2, says="No such option: --max-depht; did you mean --max-depth?")
    bad = image_crawler("crawl", "http://127.0.0.1/", "--per-host", "0", folder=tmp_path)
    refused(
        bad, code=2, says="option --per-host: per_host = '0' won't do: expected a whole number of 1 or more"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_url_in_place_of_a_command(tmp_path: Path) -> None:
    outcome = image_crawler("https://example.org/", folder=tmp_path)
    refused(outcome, code=2, says="to crawl a site, say: image-crawler crawl https://example.org/")
