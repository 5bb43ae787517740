"""The start of a run: what earlier runs have left to do, and what this one adds.

The manager, or the collector where the queue lies in Redis, calls this with the ledger open.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crawler import __version__
from crawler.config import Config, RenderConfig, settings_of
from crawler.crawlfile.image_paths import on_disk
from crawler.crawlfile.keepers import Here
from crawler.lists import Report, nobody
from crawler.logs.events import CRAWL_REFRESHED, CRAWL_RESUMED, CRAWL_STARTED, IMAGES_MISSING, tell
from crawler.models import NewTask, PageStatus, RunKind, TaskKind
from crawler.queues import Plan
from crawler.run.context import CrawlContext, StartMode
from crawler.scope import Scope
from crawler.seeds import another_crawl, some
from crawler.text.display import counted

if TYPE_CHECKING:
    from crawler.queues.ledger import Ledger

log = logging.getLogger(__name__)


def begin_run(
    ledger: Ledger,
    context: CrawlContext,
    start: StartMode,
    *,
    finished: bool,
    elsewhere: bool = False,
    report: Report = nobody,
) -> bool:
    """Put all that there is to do into *ledger*, the seeds first, and note the run there.

    Images of the lists that *context* is given come last; *report* is told how far they are read. *finished*: nothing
    is left to do, as far as *ledger* knows, and it knows everything. *elsewhere*: a queue elsewhere has more to do.

    Returns whether finished work is to be done once more, or waiting work no more. Raises FolderError when the folder
    is another crawl's; UsageError, with nothing changed, when the new settings can't be applied to what the crawl has.
    """
    folder, seeds, given = context.folder, context.seeds, context.given
    config = context.config.of_the_crawl()
    _check_seeds(ledger, context)
    refreshes = start is StartMode.REFRESH and finished
    is_new = not ledger.seeds() and not ledger.lists()
    rerun = None
    if not is_new:
        from crawler.run.rerun import Rerun  # which knows of links: a first run does without

        rerun = Rerun(ledger, folder=folder, seeds=seeds, config=config, browser=context.browser)
        rerun.check(finished=finished and not refreshes and not given)
    add_seeds(ledger, context)
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


def _check_seeds(ledger: Ledger, context: CrawlContext) -> None:
    """Raise FolderError if the folder is another crawl's; what lists name is added to whatever crawl there is."""
    before, lists, seeds = set(ledger.seeds()), ledger.lists(), set(context.seeds)
    is_another = not before <= seeds if context.given else before != seeds
    if (before or lists) and is_another:
        raise another_crawl(context.folder, ledger.seeds(), otherwise=" ".join(lists), or_fresh=True)


def add_seeds(ledger: Ledger, context: CrawlContext) -> None:
    """Put the seeds into *ledger*; they are tried again if no page was ever harvested. Raises FolderError."""
    _check_seeds(ledger, context)
    ledger.set_seeds(context.seeds)
    ledger.put([NewTask(kind=TaskKind.PAGE, url=seed) for seed in context.seeds])
    stats = ledger.stats()
    if not stats.page_status.get(PageStatus.HARVESTED):
        for reason in stats.page_reasons:
            ledger.retry(kind=TaskKind.PAGE, reason=reason)


def _fetch_missing(ledger: Ledger, *, folder: Path, config: Config) -> None:
    """Have images fetched again that were saved in the crawl's folder and are not there any more."""
    if config.storage.url:
        return
    here = Here(folder)
    if count := ledger.fetch_again(lambda path: os.path.lexists(folder / on_disk(path)), here.keeps):
        told = counted(count, "saved image is", "saved images are")
        tell(log, IMAGES_MISSING, told=told, folder=folder / "images", images=count)


def plan_of(ledger: Ledger, context: CrawlContext) -> Plan:
    """The plan that workers of the crawl go by.

    Its id begins with the crawl's own id and a hyphen, and differs with the settings and with each refresh.
    """
    config = context.config.for_workers()
    settings = hashlib.sha256(msgspec.json.encode(config)).hexdigest()
    return Plan(
        id=f"{ledger.crawl_id()}-{settings[:16]}-{ledger.refreshes()}",
        seeds=context.seeds,
        config=config,
        browser=context.browser,
        networks=context.networks,
    )


def rules_of(config: Config) -> str:
    """A digest of all settings that decide which images and links a page gives."""
    usual = RenderConfig()  # how many renderers there are decides nothing
    render = msgspec.structs.replace(
        config.render, renderers=usual.renderers, renderer_threads=usual.renderer_threads
    )
    sections = (config.scope, config.harvest, render, config.obey, config.images.images, __version__)
    return hashlib.sha256(msgspec.json.encode(sections)).hexdigest()
