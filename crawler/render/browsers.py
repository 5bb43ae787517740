"""The browsers of one renderer, one after the other: started when needed, replaced when worn or dead."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.errors import BrowserFailed, PageCrashed
from crawler.render import memory
from crawler.render.browser import Browser, Context
from crawler.render.devtools import BrowserGone, DevToolsError, DevToolsTimeout, TabCrashed
from crawler.render.launch import NAMESPACES
from crawler.render.tab import MEMORY, Tab

log = logging.getLogger(__name__)
isolation_log = logging.getLogger("crawler.render.isolation")

PAGES_PER_CONTEXT = 50
"""What ages is the context: a navigation in one that is worn takes four times as long as in a new one."""
PAGES_PER_BROWSER = 1_000
IDLE_CONTEXTS = 4
FAILURES = 3
PAUSE_S = 60.0
SAMPLE_S = 0.15
"""An allocation bomb takes 500 MB/s."""
SHARE = 4
"""Pages over their limit that a browser may have the memory of: then it is replaced, and at twice that, killed."""


class Lent:
    """A browser, and what is going on in it."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.pages = 0
        self.open = 0
        self.is_worn = False
        """No new tabs."""
        self.contexts: list[Context] = []
        """The one that was used last is the last."""


class Browsers:
    """For any number of threads. *page_memory_bytes* is what one page may take.

    Nothing is started before it is needed. Raises BrowserFailed where a tab is asked for.
    """

    def __init__(
        self,
        program: Path,
        *,
        page_memory_bytes: int,
        start: Callable[[Path], Browser] = Browser,
        clock: Callable[[], float] = time.monotonic,
        pages_per_context: int = PAGES_PER_CONTEXT,
        pages_per_browser: int = PAGES_PER_BROWSER,
    ) -> None:
        self._program = program
        self._page_memory_bytes = page_memory_bytes
        self._start = start
        self._clock = clock
        self._pages_per_context = pages_per_context
        self._pages_per_browser = pages_per_browser
        self._lock = threading.RLock()
        self._starting = threading.Lock()
        self._current: Lent | None = None
        self._all: list[Lent] = []
        self._failures = 0
        self._failed_at = 0.0
        self._failure = ""
        self._is_closed = threading.Event()
        self._at_work = threading.Condition(self._lock)
        self._watch: threading.Thread | None = None

    @contextmanager
    def tab(self, host: str) -> Iterator[Tab]:
        """A new page, in a context that it shares with other pages of *host* at most. It is closed at the end.

        Raises BrowserFailed if there is no browser, or it ends; PageCrashed if the page's process does, which
        ``Tab.crashed`` tells the reason of.
        """
        lent, context = self._lend(host)
        tab: Tab | None = None
        try:
            tab = lent.browser.open_tab(context)
            yield tab
        except TabCrashed as exc:
            if tab is None or not tab.crashed:  # another tab's
                raise
            why = "took more memory than it may" if tab.crashed == MEMORY else "broke down"
            raise PageCrashed(f"the page {why} in the browser") from exc
        except BrowserGone as exc:
            raise BrowserFailed(f"the browser has ended: {exc}") from exc
        except DevToolsError as exc:
            if tab is None:
                self._give_up(lent, exc)
                raise BrowserFailed(f"the browser opens no page: {exc}") from exc
            raise
        except BrowserFailed as exc:
            self._give_up(lent, exc.__cause__)
            raise
        finally:
            if tab is not None:
                lent.browser.close_tab(tab)
            self._give_back(lent, context)

    def close(self) -> None:
        """End all of them, whatever is open."""
        self._is_closed.set()
        with self._lock:
            lents, self._all, self._current = self._all, [], None
            self._at_work.notify_all()
        for lent in lents:
            lent.browser.close()

    def _lend(self, host: str) -> tuple[Lent, Context]:
        with self._starting:  # others wait for the one that starts it
            lent = self._usable() or self._started()
            try:
                return lent, self._context(lent, host)
            except DevToolsError as exc:
                self._give_up(lent, exc)
                raise BrowserFailed(f"the browser opens no page: {exc}") from exc

    @staticmethod
    def _give_up(lent: Lent, error: BaseException | None) -> None:
        """One page can keep the process busy that all share: those after it get another browser. 200 addresses of a
        megabyte each, by history.pushState, did so for ten seconds.
        """
        if isinstance(error, DevToolsTimeout) and not lent.is_worn:
            log.info("the browser does not answer in time, and is replaced: %s", error)
            lent.is_worn = True

    def _usable(self) -> Lent | None:
        with self._lock:
            lent = self._current
            if lent and not lent.browser.is_alive:
                log.warning("the browser has ended; another one is started")
                self._retire(lent)
            elif lent and (lent.is_worn or lent.pages >= self._pages_per_browser):
                self._retire(lent)
            return self._current

    def _retire(self, lent: Lent) -> None:
        """It goes when its last tab does."""
        lent.is_worn = True
        self._current = None
        if lent.open == 0:
            self._end(lent)

    def _end(self, lent: Lent) -> None:
        if lent in self._all:
            self._all.remove(lent)
        threading.Thread(target=lent.browser.close, name="chromium-end", daemon=True).start()

    def _started(self) -> Lent:
        if self._is_closed.is_set():
            raise BrowserFailed("the renderer is ending")
        if self._failures >= FAILURES and self._clock() - self._failed_at < PAUSE_S:
            raise BrowserFailed(self._failure)
        try:
            browser = self._start(self._program)
        except BrowserFailed as exc:
            self._failures += 1
            self._failed_at, self._failure = self._clock(), exc.detail
            raise
        self._failures = 0
        weaker = browser.isolation != NAMESPACES
        isolation_log.log(
            logging.WARNING if weaker else logging.INFO,
            "pages are opened in %s, with %s",
            browser.version,
            browser.isolation,
        )
        with self._lock:
            lent = self._current = Lent(browser)
            self._all.append(lent)
            if self._is_closed.is_set():
                self._end(lent)
                raise BrowserFailed("the renderer is ending")
            if self._watch is None:
                self._watch = threading.Thread(target=self._watch_memory, name="chromium-memory", daemon=True)
                self._watch.start()
        return lent

    def _context(self, lent: Lent, host: str) -> Context:
        with self._lock:
            context = next((known for known in lent.contexts if known.host == host), None)
        if context is None:
            context = lent.browser.new_context(host)
        with self._lock:
            if context in lent.contexts:
                lent.contexts.remove(context)
            context.pages += 1
            context.open += 1
            if context.pages < self._pages_per_context:
                lent.contexts.append(context)
            lent.pages += 1
            lent.open += 1
            self._at_work.notify_all()
        return context

    def _give_back(self, lent: Lent, context: Context) -> None:
        with self._lock:
            lent.open -= 1
            context.open -= 1
            idle = [known for known in lent.contexts if known.open == 0]
            dropped = idle[: max(0, len(idle) - IDLE_CONTEXTS)]
            lent.contexts = [known for known in lent.contexts if known not in dropped]
            if context not in lent.contexts and context.open == 0 and context not in dropped:
                dropped.append(context)
            if lent.is_worn and lent.open == 0:
                self._end(lent)
        for known in dropped:
            lent.browser.drop_context(known)

    def _watch_memory(self) -> None:
        while not self._is_closed.wait(SAMPLE_S):
            with self._lock:
                self._at_work.wait_for(
                    lambda: self._is_closed.is_set() or any(lent.open for lent in self._all)
                )
                lents = [lent for lent in self._all if lent.open]
            for lent in lents:
                self._look_at(lent)

    def _look_at(self, lent: Lent) -> None:
        processes = lent.browser.processes
        total = 0
        for pid in processes.look():
            size_bytes = memory.own_bytes(pid)
            total += size_bytes
            if size_bytes > self._page_memory_bytes and memory.is_renderer(pid) and processes.kill(pid):
                log.info("a page has taken %d MiB in the browser, and is killed", size_bytes >> 20)
        if total > 2 * SHARE * self._page_memory_bytes:
            log.warning("the browser has taken %d MiB, and is killed", total >> 20)
            lent.browser.close()
        elif total > SHARE * self._page_memory_bytes and not lent.is_worn:
            log.info("the browser has taken %d MiB, and is replaced", total >> 20)
            lent.is_worn = True
