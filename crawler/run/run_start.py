"""The start of a run: what earlier runs left, and what this one is to do with it.

Called with the crawl's file open, by the manager, or by the collector where the queue lies in Redis.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crawler import __version__
from crawler.config import Config, RenderConfig, settings_of
from crawler.crawlfile.image_paths import on_disk
from crawler.crawlfile.keepers import Here
from crawler.lists import NOTHING, Given, Report, nobody
from crawler.logs.events import CRAWL_REFRESHED, CRAWL_RESUMED, CRAWL_STARTED, IMAGES_MISSING, tell
from crawler.models import NewTask, PageStatus, RunKind, TaskKind
from crawler.queues import Plan
from crawler.run.context import CrawlContext, StartMode
from crawler.scope import Scope
from crawler.seeds import another_crawl, some
from crawler.text.display import counted

if TYPE_CHECKING:
    from crawler.queues.ledger import Ledger
    from crawler.run.rerun import Rerun

log = logging.getLogger(__name__)


def begin_run(
    ledger: Ledger,
    *,
    folder: Path,
    seeds: Sequence[str],
    config: Config,
    start: StartMode,
    finished: bool,
    elsewhere: bool = False,
    browser: bool = False,
    given: Given = NOTHING,
    report: Report = nobody,
) -> bool:
    """Have all that there is to do in *ledger*, the seeds at first, and note the run in it; *config* is the crawl's.
    Then come the images of the lists that it is *given*, and *report* is told how far they are read.

    *finished*: all that *ledger* knows of has been done, and it knows all. *elsewhere*: there is more to do that only
    a queue elsewhere knows. *browser*: this machine has one. Returns whether something that was done is to be done once
    more, or what waited is to be done no more. Raises FolderError when *folder* is another crawl's; UsageError, with
    nothing changed, when what *config* asks for can't be done to what the crawl has.
    """
    check_seeds(ledger, folder=folder, seeds=seeds, given=given)
    refreshes = start is StartMode.REFRESH and finished
    is_new = not ledger.seeds() and not ledger.lists()
    rerun = None if is_new else _rerun(ledger, folder=folder, seeds=seeds, config=config, browser=browser)
    if rerun is not None:
        rerun.check(finished=finished and not refreshes and not given)
    add_seeds(ledger, folder=folder, seeds=seeds, given=given)
    rules = rules_of(config)
    refreshed = ledger.refresh(rules) if refreshes else 0
    if not refreshed:
        ledger.note_rules(rules)
    anew: list[str] = []
    if rerun is not None and not refreshed:
        anew = rerun.begin_anew() if elsewhere else [*rerun.take_up(), *rerun.leave_out()]
    goes_on = ["it has not finished, and goes on first: say --refresh once more then"]
    told = rerun.told if rerun is not None else []
    notes = [*told, *anew, *(goes_on if start is StartMode.REFRESH and not refreshed else [])]
    if start is StartMode.GO_ON:
        _fetch_missing(ledger, folder=folder, config=config)
    if given:
        # few crawls have lists, and what reads them takes a while to come
        from crawler.lists.tasks import take

        take(ledger, given, Scope(seeds, config.scope), config.scope, report)
    stats = ledger.stats()
    if elsewhere or not stats.drained:
        tell(
            log,
            CRAWL_STARTED if is_new else CRAWL_REFRESHED if refreshed else CRAWL_RESUMED,
            seeds=some(seeds, otherwise=" ".join(ledger.lists())),
            folder=folder,
            waiting=stats.pages.unsettled + stats.images.unsettled + stats.renders.unsettled,
            version=__version__,
        )
        ledger.begin_run(
            kind=RunKind.REFRESH if refreshed else RunKind.CRAWL,
            settings=settings_of(config),
            notes=notes,
        )
    return refreshed > 0 or bool(anew)


def _rerun(ledger: Ledger, *, folder: Path, seeds: Sequence[str], config: Config, browser: bool) -> Rerun:
    from crawler.run.rerun import Rerun  # it knows of links, as few others here do: a first run does without

    return Rerun(ledger, folder=folder, seeds=seeds, config=config, browser=browser)


def check_seeds(ledger: Ledger, *, folder: Path, seeds: Sequence[str], given: Given = NOTHING) -> None:
    """Raise FolderError when it is another crawl's. What lists name is added to whatever crawl there is."""
    before = ledger.seeds()
    lists = ledger.lists()
    is_another = not set(before) <= set(seeds) if given else set(before) != set(seeds)
    if (before or lists) and is_another:
        raise another_crawl(folder, before, otherwise=" ".join(lists), or_fresh=True)


def add_seeds(ledger: Ledger, *, folder: Path, seeds: Sequence[str], given: Given = NOTHING) -> None:
    """See to it that the seeds are in *ledger*. Raises FolderError when it is another crawl's."""
    check_seeds(ledger, folder=folder, seeds=seeds, given=given)
    ledger.set_seeds(seeds)
    ledger.put([NewTask(kind=TaskKind.PAGE, url=seed) for seed in seeds])
    stats = ledger.stats()
    if not stats.page_status.get(PageStatus.HARVESTED):
        for reason in stats.page_reasons:  # nothing came of an earlier start: the seeds get another chance
            ledger.retry(kind=TaskKind.PAGE, reason=reason)


def _fetch_missing(ledger: Ledger, *, folder: Path, config: Config) -> None:
    """Have images fetched again that were saved in the crawl's folder, and that somebody has removed from it."""
    if config.storage.storage not in {"local", "manager"}:
        return
    here = Here(folder)
    if count := ledger.fetch_again(lambda path: os.path.lexists(folder / on_disk(path)), here.keeps):
        told = counted(count, "saved image is", "saved images are")
        tell(log, IMAGES_MISSING, told=told, folder=folder / "images", images=count)


def plan_id(ledger: Ledger, config: Config) -> str:
    """Begins with the crawl's own id, and a hyphen; differs with its settings and with each refresh."""
    settings = hashlib.sha256(msgspec.json.encode(config)).hexdigest()
    return f"{ledger.crawl_id()}-{settings[:16]}-{ledger.refreshes()}"


def plan_of(ledger: Ledger, context: CrawlContext) -> Plan:
    """The plan that workers of *context*'s crawl go by."""
    config = context.config.for_workers()
    return Plan(
        id=plan_id(ledger, config),
        seeds=context.seeds,
        config=config,
        browser=context.browser,
        networks=context.networks,
    )


def rules_of(config: Config) -> str:
    """Of everything that decides which images and links a page gives."""
    usual = RenderConfig()  # how many renderers there are decides nothing
    render = msgspec.structs.replace(
        config.render, renderers=usual.renderers, renderer_threads=usual.renderer_threads
    )
    sections = (config.scope, config.harvest, render, config.obey, config.images.images, __version__)
    return hashlib.sha256(msgspec.json.encode(sections)).hexdigest()
