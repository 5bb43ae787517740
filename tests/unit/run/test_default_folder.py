"""The folder of a crawl that was given none: foreseen by a person, found again, and never another crawl's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.config import QueueConfig, ScopeConfig
from crawler.errors import FolderError, SeedError
from crawler.queues.ledger import Ledger
from crawler.run.default_folder import home, remote_home
from crawler.seeds import seed_of, whole


def folder_of(data: Path, *typed: str) -> str:
    return home([seed_of(each) for each in typed], data=data).relative_to(data).as_posix()


def begun(data: Path, name: str, seeds: Sequence[str]) -> None:
    (data / name).mkdir(parents=True)
    ledger = Ledger(data / name / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    ledger.set_seeds(tuple(seed_of(seed).urls[0] for seed in seeds))
    ledger.close()


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (("https://example.org/",), "example.org"),
        (("example.org",), "example.org"),
        (("http://example.org:80/",), "example.org"),
        (("https://example.org/archive/",), "example.org_archive"),
        (("https://example.org/wiki/Cat",), "example.org_wiki_Cat"),
        (("https://example.org/index.php?id=3&x=y",), "example.org_index.php_id-3-x-y"),
        (("https://example.org/%C3%BC%2F..%2F/a",), "example.org_a"),
        (("http://127.0.0.1:8080/",), "127.0.0.1_8080"),
        (("http://[::1]:80/",), "__1"),
        (("http://[::1]:8080/a",), "__1_8080_a"),
        (("bücher.example",), "xn--bcher-kva.example"),
        (("https://a.example/", "https://b.example/"), "a.example_and_1_more"),
        (("a.example/x", "b.example", "c.example"), "a.example_x_and_2_more"),
        (("http://con.example/",), "_con.example"),
        (("https://example.org./",), "example.org"),
    ],
)
def test_a_person_can_foresee_it(tmp_path: Path, typed: tuple[str, ...], name: str) -> None:
    assert folder_of(tmp_path, *typed) == name


def test_two_parts_of_a_site_are_two_crawls_and_each_finds_its_own_again(tmp_path: Path) -> None:
    both = ("http://h.example/", "http://h.example/archive/")
    for seed in both:
        begun(tmp_path, folder_of(tmp_path, seed), [seed])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.example", "h.example_archive"]
    assert [folder_of(tmp_path, seed) for seed in both] == ["h.example", "h.example_archive"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://h.example/archive/", "http://h.example/archive"),
        ("http://h.example/", "https://h.example/"),
        ("http://h.example:8080/", "http://h.example/8080"),
        ("http://h.example/a/b", "http://h.example/a?b"),
        ("http://h.example/ä", "http://h.example/ö"),
        (f"http://h.example/{'a' * 200}1", f"http://h.example/{'a' * 200}2"),
    ],
)
def test_what_would_be_called_alike_is_told_apart(tmp_path: Path, one: str, other: str) -> None:
    begun(tmp_path, first := folder_of(tmp_path, one), [one])
    second = folder_of(tmp_path, other)
    assert second.startswith(f"{first}~") or second != first
    begun(tmp_path, second, [other])
    assert (folder_of(tmp_path, one), folder_of(tmp_path, other)) == (first, second)
    for file in (tmp_path / first).iterdir():
        file.unlink()
    assert folder_of(tmp_path, other) == second, "that the other one has gone changes nothing"


def test_a_host_without_a_scheme_finds_the_crawl_of_either(tmp_path: Path) -> None:
    begun(tmp_path, "h.example", ["http://h.example/"])
    assert folder_of(tmp_path, "h.example") == "h.example"
    assert folder_of(tmp_path, "https://h.example/") != "h.example"


def test_a_crawl_of_an_earlier_version_is_found(tmp_path: Path) -> None:
    """Which named the folder after the host of the first seed, whatever came behind it."""
    begun(tmp_path, "h.example", ["http://h.example/archive/", "http://i.example/"])
    assert folder_of(tmp_path, "http://h.example/archive/", "http://i.example/") == "h.example"
    assert folder_of(tmp_path, "http://h.example/archive/") == "h.example_archive"


def test_a_crawl_that_was_killed_before_it_had_begun_is_gone_on_with(tmp_path: Path) -> None:
    begun(tmp_path, "h.example", [])
    assert folder_of(tmp_path, "http://h.example/") == "h.example"


def test_one_that_cannot_be_read_is_left_to_who_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "h.example").mkdir()
    (tmp_path / "h.example" / "crawl.db").write_bytes(b"\0" * 5000)
    assert folder_of(tmp_path, "http://h.example/") == "h.example"


@pytest.mark.parametrize("seed", ["http://../", "http://./"])
def test_a_host_that_would_lead_elsewhere_names_no_folder(seed: str) -> None:
    """A manager tells its workers the seeds."""
    with pytest.raises(FolderError, match="no folder can be named after"):
        home([whole(seed)])


@given(
    host=st.from_regex(r"[a-z0-9*_.-]{1,20}", fullmatch=True),
    path=st.text(max_size=60) | st.just("x" * 3000),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_name_fits_every_file_system(tmp_path: Path, host: str, path: str) -> None:
    try:
        seed = whole(f"http://{host}/{path}")
        found = home([seed], data=tmp_path)
    except (SeedError, FolderError):
        return
    assert found.parent == tmp_path
    assert found.name.isascii()
    assert len(found.name) <= 120
    assert not set(found.name) & set('/\\:*?"<>|\0')
    assert not found.name.endswith((".", " "))
    assert found.name.strip(".")
    assert home([seed], data=tmp_path) == found


def test_a_machine_that_works_for_a_crawl_of_lists_has_a_folder_for_it(tmp_path: Path) -> None:
    one = remote_home((), "c0ffee-1234-0", data=tmp_path)
    assert one == remote_home((), "c0ffee-9999-1", data=tmp_path), "with other settings it is the same crawl"
    assert one != remote_home((), "c0ffef-1234-0", data=tmp_path)
    assert remote_home((), "../../x", data=tmp_path).parent == tmp_path
    assert remote_home(("https://h.example/a",), "c0ffee-1", data=tmp_path).name == "h.example_a"
