"""A crawl that is run again with other settings: what they let in is added, what they keep out leaves the queue.

Nothing that was saved is ever removed. New settings that concern nothing else are refused, with nothing changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler.config import Config, ImagesConfig, settings_of, values_in
from crawler.config.changes import Reads, SettingChanges, changes_between
from crawler.config.changes import told as told_of
from crawler.crawlfile.layout import CrawlFolder
from crawler.download.filters import unwanted
from crawler.download.formats import EXTENSIONS, ImageInfo
from crawler.errors import NoBrowser, UsageError
from crawler.harvest.links import ATTACHED, FROM_ANYWHERE
from crawler.models import KIND_OF, ImageRecord, ImageStatus, NewTask, PageRecord, TaskKind
from crawler.scope import Scope
from crawler.text.display import counted

if TYPE_CHECKING:
    from crawler.queues.ledger import Ledger

_LIMITS = frozenset({"max-pages", "max-images", "max-links-per-page"})
_OF_PAGES = {"scope", "include", "exclude", "max_depth", "max_pages"}


class Rerun:
    """A further run of the crawl in *folder* and its *ledger*, with the settings of *config*.

    *browser*: this machine has one. All methods are for the start of the run, when nobody else uses the ledger.
    """

    def __init__(
        self, ledger: Ledger, *, folder: Path, seeds: Sequence[str], config: Config, browser: bool = False
    ) -> None:
        self._ledger = ledger
        self._browser = browser
        self._folder = folder
        self._config = config
        self._scope = Scope(seeds, config.scope)
        before = self._settings_before()
        self._changes = changes_between(before, settings_of(config)) if before else SettingChanges()

    @property
    def told(self) -> list[str]:
        """A note of the settings that have changed; none if none have."""
        return [f"other settings than last time: {told_of(self._changes.all)}"] if self._changes.all else []

    def _settings_before(self) -> dict[str, Any]:
        """The settings of the last run; empty if there was none, or if nothing is known of it."""
        if not (self._ledger.seeds() or self._ledger.lists()):
            return {}
        if (last := self._ledger.latest_run()) is not None:
            return last.settings
        # versions that kept no table of runs wrote the settings of the last one there
        return values_in(CrawlFolder(self._folder).settings)

    def check(self, *, finished: bool) -> None:
        """Raise UsageError when the new settings contradict what the crawl has, and leave nothing else to do.

        *finished*: nothing is left to do with the settings as they were.
        """
        changes = self._changes
        stats = self._ledger.stats()
        images = sum(
            stats.image_status.get(status, 0) for status in (ImageStatus.SAVED, ImageStatus.DUPLICATE)
        )
        elsewhere = "choose another folder with -o, or start over with --fresh"
        if changes.fixed and images:
            raise UsageError(
                f"{told_of(changes.fixed)} is not possible for the crawl in {self._folder}: the"
                f" {counted(images, 'image')} that it has would be kept once more under other names; {elsewhere}"
            )
        if not (finished and changes.keeps_out) or self._lets_in():
            return
        against = f"would keep out {found}" if (found := self._against()) else ""
        if images and not (against or changes.is_checkable):
            against = f"may keep out some of the {counted(images, 'image')} that it has"
        if against:
            raise UsageError(
                f"the crawl in {self._folder} has finished, and nothing is taken away from a crawl:"
                f" {told_of(changes.keeps_out)} {against}; {elsewhere}"
            )

    def take_up(self) -> list[str]:
        """Put what the new settings let in into the ledger; returns notes of that."""
        return [*self._with_browser(), *self._read_again(self._changes.reads), *self._tried_again()]

    def _with_browser(self) -> list[str]:
        """Retry the pages for which an earlier run had no browser, if there is one now: the user was told to do so."""
        if not self._browser:
            return []
        count = self._ledger.take_up((), Reads.NONE, unrendered=True)
        count += self._ledger.retry(kind=TaskKind.RENDER, reason=NoBrowser.reason)
        pages = counted(count, "page")
        return [f"{pages} to be tried in the browser that was not there before"] if count else []

    def begin_anew(self) -> list[str]:
        """As take_up() and leave_out(), for a queue that lies elsewhere: it is to be made anew without what the new
        settings keep out. Reading the pages again finds once more what still waits.
        """
        if not (self._changes.lets_in or self._changes.keeps_out):
            return []
        return ["the queue is made anew", *self._read_again(Reads.ALL), *self._tried_again()]

    def _read_again(self, reads: Reads) -> list[str]:
        dropped = self._ledger.stats().dropped
        # a limit may let something in if something else is kept out
        slugs_let_in = self._changes.slugs | (_LIMITS if self._changes.keeps_out else frozenset())
        slugs = sorted(slug for slug in slugs_let_in if dropped.get(slug))
        if not (slugs or reads) or not (count := self._ledger.take_up(slugs, reads)):
            return []
        why = f", for what was left out by {', '.join(slugs)}" if slugs else ""
        return [f"{counted(count, 'page')} to be read once more{why}"]

    def _tried_again(self) -> list[str]:
        changes, told = self._changes, []
        for kind, reasons in (
            (TaskKind.IMAGE, changes.images),
            (TaskKind.PAGE, changes.pages),
            (TaskKind.RENDER, changes.pages),
        ):
            for reason in sorted(reasons):
                if count := self._ledger.retry(kind=kind, reason=reason):
                    what = counted(count, "image" if kind is TaskKind.IMAGE else "page")
                    told.append(f"{what} to be tried once more, not had before by {reason}")
        return told

    def leave_out(self) -> list[str]:
        """Drop waiting tasks that the new settings keep out; returns notes of that."""
        if not self._changes.keeps_out:
            return []
        limits = self._config.scope
        most = {TaskKind.PAGE: limits.max_pages}
        if limits.max_images:
            most[TaskKind.IMAGE] = limits.max_images
        gone = self._ledger.leave_out(self._refusal_of_task, most=most)
        return [
            *(f"{count:,} that waited left out by {slug}" for slug, count in sorted(gone.items())),
            "what was saved before stays, and images that were found before are still taken",
        ]

    def _lets_in(self) -> bool:
        """Whether there is anything that the new settings let in."""
        changes, stats = self._changes, self._ledger.stats()
        return bool(
            changes.reads
            or changes.slugs & stats.dropped.keys()
            or changes.images & stats.image_reasons.keys()
            or changes.pages & (stats.page_reasons.keys() | stats.render_reasons.keys())
        )

    def _against(self) -> str:
        """In words, what the crawl has that the new settings would keep out; empty for nothing."""
        against = Counter(KIND_OF[type(record)] for record in self._ledger.kept() if self._is_against(record))
        stats, limits = self._ledger.stats(), self._config.scope
        images, pages = against[TaskKind.IMAGE], against[TaskKind.PAGE]
        if limits.max_images:
            images = max(images, stats.images.discovered - limits.max_images)
        pages = max(pages, stats.pages.discovered - limits.max_pages)
        if not any(change.key in _OF_PAGES for change in self._changes.keeps_out):
            pages = 0
        return " and ".join(
            counted(count, what) for count, what in ((images, "image"), (pages, "page")) if count > 0
        )

    def _is_against(self, record: ImageRecord | PageRecord) -> bool:
        kind = KIND_OF[type(record)]
        if self._refusal(kind=kind, url=record.url, depth=record.depth, found_in=record.found_in):
            return True
        return isinstance(record, ImageRecord) and _is_unwanted(record, self._config.images)

    def _refusal_of_task(self, task: NewTask) -> str:
        found_in = task.origin.found_in if task.origin else ""
        return self._refusal(kind=task.kind, url=task.url, depth=task.depth, found_in=found_in)

    def _refusal(self, *, kind: TaskKind, url: str, depth: int, found_in: str) -> str:
        """The slug of the new setting that keeps out a URL found so; empty if none does."""
        if kind is TaskKind.IMAGE:
            return self._scope.image_refusal(url)
        found = set(found_in.split(", "))
        if not found_in or found & FROM_ANYWHERE:  # a seed; what a page is made of
            return ""
        if refusal := self._scope.refusal(url.partition("#")[0]):
            return refusal
        most = self._config.scope.max_depth
        is_too_far = depth > most or (most == 0 and kind is TaskKind.PAGE)
        return "max-depth" if is_too_far and not found & ATTACHED else ""


def _is_unwanted(one: ImageRecord, images: ImagesConfig) -> bool:
    if one.format not in EXTENSIONS:
        return False
    info = ImageInfo(
        format=one.format,
        extension=EXTENSIONS[one.format],
        width_px=one.width_px,
        height_px=one.height_px,
        frames=1,
    )
    is_refused = one.incomplete and images.incomplete == "reject"
    return is_refused or unwanted(info, one.size_bytes, images) is not None
