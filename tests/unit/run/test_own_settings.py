"""A crawl's own crawl.toml, of another version or half written, is in nobody's way; crawl.db has the last run's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.cli import main
from crawler.config import Config, QueueConfig, ScopeConfig, config_of, load, settings_of, values_in
from crawler.crawlfile.file_names import FOLDER_ID
from crawler.crawlfile.keepers import id_of
from crawler.errors import UsageError
from crawler.models import RunKind
from crawler.queues.ledger import Ledger
from crawler.run.rerun import Rerun
from tests.support.queues import page

SEED = page(1).url
OF_BEFORE = """
[fetch]
cookies = true
user_agent = "somebot/1.0 (+https://some.example/)"
no_such_setting = 7
max_redirects = 2000-01-01
headers = [[[1]]]
[storage]
storage = "s3://bucket/pictures"
"""


def a_crawl(folder: Path, *, settings: dict[str, object] | None = None) -> Ledger:
    folder.mkdir(exist_ok=True)
    ledger = Ledger(folder / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    ledger.set_seeds([SEED])
    ledger.put([page(1)])
    if settings is not None:
        ledger.begin_run(kind=RunKind.CRAWL, settings=settings)
    return ledger


@pytest.mark.parametrize("toml", [OF_BEFORE, "", "[fetch", "fetch = 3\n[storage]\nstorage = 3\n", "a" * 9999])
@pytest.mark.parametrize("args", [["inspect"], ["explain", SEED], ["explain", "max-depth"], ["retry"]])
def test_whatever_is_in_it_the_crawl_can_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], toml: str, args: list[str]
) -> None:
    a_crawl(tmp_path).close()
    (tmp_path / "crawl.toml").write_text(toml)
    command, *more = args
    code = main([command, str(tmp_path), *more])
    assert code == 0, capsys.readouterr().err


def test_what_it_says_is_heeded_where_it_can_be() -> None:
    values = values_in(Path("/nowhere/crawl.toml"))
    assert values == {}


def test_the_settings_of_an_earlier_version_are_those_of_the_run_before(tmp_path: Path) -> None:
    (tmp_path / "crawl.toml").write_text(OF_BEFORE)
    values = values_in(tmp_path / "crawl.toml")
    assert values["keep_cookies"] is True
    assert values["storage"] == "s3://bucket/pictures"
    assert "no_such_setting" not in values
    ledger = a_crawl(tmp_path)
    rerun = Rerun(ledger, folder=tmp_path, seeds=[SEED], config=load(flags={"max_depth": 3}))
    assert "--max-depth 3" in rerun.told[0]
    assert "s3://bucket/pictures before" in rerun.told[0]
    ledger.close()


def test_the_last_run_has_the_last_word(tmp_path: Path) -> None:
    settings = settings_of(load(flags={"user_agent": "mine/2.0 (+https://mine.example/)"}))
    a_crawl(tmp_path, settings=settings | {"login": "…", "storage": 7, "newer": True}).close()
    (tmp_path / "crawl.toml").write_text(OF_BEFORE)
    with Catalog(tmp_path) as catalog:
        config = catalog.config()
    assert config.fetch.user_agent == "mine/2.0 (+https://mine.example/)"
    assert config.fetch.login == ""


def test_no_value_at_all_is_too_odd() -> None:
    odd = [
        None,
        {},
        {"a": {}},
        [],
        [[]],
        [None],
        "",
        "…",
        "\x00",
        -1,
        2**70,
        float("inf"),
        float("nan"),
        True,
    ]
    usual = settings_of(Config())
    for key in usual:
        for value in odd:
            config_of({key: value})


def test_a_crawl_of_an_earlier_version_is_kept_by_its_settings(tmp_path: Path) -> None:
    """What can't be done to its images is refused as well where the old file has what is no setting any more."""
    from crawler.queues import QueueResults
    from tests.support.queues import Queues, images, saved, take

    (tmp_path / "crawl.toml").write_text("[fetch]\ncookies = true\n[storage]\nlayout = 'flat'\n")
    ledger = a_crawl(tmp_path)
    both = Queues(tasks=ledger, results=QueueResults(ledger), pass_time=lambda _: None)
    both.tasks.put(images(1))
    both.results.put([saved(take(both)[0])])
    with pytest.raises(UsageError, match="--layout"):
        Rerun(ledger, folder=tmp_path, seeds=[SEED], config=Config()).check(finished=False)
    ledger.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_folder_of_somebody_else_may_have_anything_where_settings_and_id_belong(tmp_path: Path) -> None:
    """Each of these would be waited for, or read without an end."""
    (tmp_path / ".index").mkdir()
    os.mkfifo(tmp_path / "crawl.toml")
    os.mkfifo(tmp_path / FOLDER_ID)
    assert values_in(tmp_path / "crawl.toml") == {}
    assert id_of(tmp_path) == ""
    (tmp_path / FOLDER_ID).unlink()
    (tmp_path / FOLDER_ID).symlink_to("/dev/zero")
    assert id_of(tmp_path) == ""
