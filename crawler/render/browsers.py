"""The browsers of one renderer, one after the other: started when needed, replaced when worn or dead."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.errors import BrowserFailed, PageCrashed
from crawler.logs.events import (
    BROWSER_ENDED,
    BROWSER_KILLED,
    BROWSER_PAGE_KILLED,
    BROWSER_REPLACED,
    BROWSER_STARTED,
    INFO,
    WARNING,
    tell,
)
from crawler.render import memory
from crawler.render.browser import Browser, Context
from crawler.render.devtools_messages import BrowserGone, DevToolsError, DevToolsTimeout, TabCrashed
from crawler.render.launch import NAMESPACES
from crawler.render.tab import MEMORY, Tab
from crawler.text.plain_errors import plain

log = logging.getLogger(__name__)
isolation_log = logging.getLogger("crawler.render.namespaces")

PAGES_PER_CONTEXT = 50
"""A context ages: a navigation in a worn one takes four times as long as in a new one."""
PAGES_PER_BROWSER = 1_000
IDLE_CONTEXTS = 4
FAILURES = 3
PAUSE_S = 60.0
SAMPLE_S = 0.15
"""Seconds between two looks at memory. An allocation bomb takes 500 MB/s."""
IDLE_S = 2.0
"""Seconds without a page after which blank tabs are closed: each holds 24 MiB."""
SHARE = 4
"""A browser that holds the memory of so many pages over their limit is replaced; at twice that it is killed."""


class Lent:
    """A browser that is in use, with its contexts."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.pages = 0
        self.open = 0
        self.is_worn = False
        """It gets no more pages, and ends with its last one."""
        self.contexts: list[Context] = []
        """Its contexts, the most recently used last."""

    def take(self, host: str, most: int) -> Context | None:
        """A context of *host* that is not worn, counted as having one page more; None without one."""
        for context in reversed(self.contexts):
            if context.host == host and context.pages < most:
                context.pages += 1
                context.open += 1
                self.contexts.remove(context)
                self.contexts.append(context)
                return context
        return None

    def give_back(self, context: Context | None, most: int) -> list[Context]:
        """Note that a page of *context* is closed. Returns the contexts that nobody needs any more."""
        if context:
            context.open -= 1
            self.contexts.remove(context)
            self.contexts.append(context)
        idle = [known for known in self.contexts if known.open == 0]
        worn = [known for known in idle if known.pages >= most]
        fresh = [known for known in idle if known.pages < most]
        dropped = worn + fresh[: max(0, len(fresh) - IDLE_CONTEXTS)]
        self.contexts = [known for known in self.contexts if known not in dropped]
        return dropped


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
        self._ends: list[threading.Thread] = []

    @contextmanager
    def tab(self, host: str) -> Iterator[Tab]:
        """A new page, closed at the end. Its context is shared with other pages of *host* only.

        Raises BrowserFailed if there is no browser, or it ends. Raises PageCrashed if the page's process does, and its
        user has let TabCrashed pass.
        """
        lent = self._lend()
        context: Context | None = None
        tab: Tab | None = None
        try:
            context = self._context(lent, host)
            tab = lent.browser.open_tab(context)
            yield tab
        except TabCrashed as exc:
            if tab is None or not tab.crashed:  # another tab's
                raise
            why = "took more memory than it may" if tab.crashed == MEMORY else "broke down"
            raise PageCrashed(f"the page {why} in the browser") from exc
        except BrowserGone as exc:
            raise BrowserFailed(f"the browser has ended: {plain(exc)}") from exc
        except DevToolsError as exc:
            if tab is None:
                self._give_up(lent, exc)
                raise BrowserFailed(f"the browser opens no page: {plain(exc)}") from exc
            raise
        except BrowserFailed as exc:
            self._give_up(lent, exc.__cause__)
            raise
        finally:
            if tab is not None and context is not None:
                if context.pages < self._pages_per_context:
                    lent.browser.leave_tab(tab, context)
                else:  # no other page will come
                    lent.browser.close_tab(tab)
            self._give_back(lent, context)

    def close(self) -> None:
        """End all browsers, whatever is open. Returns once their processes have ended."""
        self._is_closed.set()
        with self._lock:
            self._current = None
            for lent in list(self._all):
                self._end(lent)
            self._at_work.notify_all()
            ends = list(self._ends)
        for end in ends:
            end.join()

    def _lend(self) -> Lent:
        with self._starting:  # others wait for the one that starts it
            lent = self._usable() or self._started()
            with self._lock:
                lent.pages += 1
                lent.open += 1
                self._at_work.notify_all()
            return lent

    @staticmethod
    def _give_up(lent: Lent, error: BaseException | None) -> None:
        """Replace the browser: one page can block the process that all pages share.

        200 addresses of a megabyte each, by history.pushState, blocked it for ten seconds.
        """
        if isinstance(error, DevToolsTimeout) and not lent.is_worn:
            tell(log, BROWSER_REPLACED, reason=error, size_mib=0)
            lent.is_worn = True

    def _usable(self) -> Lent | None:
        with self._lock:
            lent = self._current
            if lent is None:
                return None
            is_alive = lent.browser.is_alive
            if is_alive and not lent.is_worn and lent.pages < self._pages_per_browser:
                return lent
            if not is_alive:
                tell(log, BROWSER_ENDED)
            lent.is_worn = True
            self._current = None
            if lent.open == 0:
                self._end(lent)
            return None

    def _started(self) -> Lent:
        if self._failures >= FAILURES and self._clock() - self._failed_at < PAUSE_S:
            raise BrowserFailed(self._failure)
        if self._is_closed.is_set():
            raise BrowserFailed("the renderer is ending")
        try:
            browser = self._start(self._program)
        except BrowserFailed as exc:
            self._failures += 1
            self._failed_at, self._failure = self._clock(), exc.detail
            raise
        self._failures = 0
        isolation, level = browser.isolation, INFO if browser.isolation == NAMESPACES else WARNING
        tell(isolation_log, BROWSER_STARTED, level=level, browser=browser.version, isolation=isolation)
        with self._lock:
            lent = Lent(browser)
            self._all.append(lent)
            if self._is_closed.is_set():
                self._end(lent)
                raise BrowserFailed("the renderer is ending")
            self._current = lent
            if self._watch is None:
                self._watch = threading.Thread(target=self._watch_memory, name="chromium-memory", daemon=True)
                self._watch.start()
        return lent

    def _end(self, lent: Lent) -> None:
        """End the browser in a thread: that takes a moment, and nobody waits for it."""
        if lent in self._all:
            self._all.remove(lent)
            end = threading.Thread(target=lent.browser.close, name="chromium-end", daemon=True)
            self._ends = [other for other in self._ends if other.is_alive()] + [end]
            end.start()

    def _context(self, lent: Lent, host: str) -> Context:
        """The context of *host*, or a new one. Raises DevToolsError."""
        with self._lock:
            context = lent.take(host, self._pages_per_context)
        if context is None:
            context = lent.browser.new_context(host)
            with self._lock:
                lent.contexts.append(context)
                lent.take(host, self._pages_per_context)
        return context

    def _give_back(self, lent: Lent, context: Context | None) -> None:
        with self._lock:
            dropped = lent.give_back(context, self._pages_per_context)
            lent.open -= 1
            if lent.is_worn and lent.open == 0:
                if lent is self._current:
                    self._current = None
                self._end(lent)
                return
        for known in dropped:
            lent.browser.drop_context(known)

    def _watch_memory(self) -> None:
        while not self._is_closed.wait(SAMPLE_S):
            with self._lock:
                is_idle = not self._at_work.wait_for(self._has_work, IDLE_S)
                lents = [lent for lent in self._all if is_idle or lent.open]
            for lent in lents:
                if is_idle:
                    lent.browser.close_blank_tabs()
                else:
                    self._look_at(lent)

    def _has_work(self) -> bool:
        return self._is_closed.is_set() or any(lent.open for lent in self._all)

    def _look_at(self, lent: Lent) -> None:
        if not lent.browser.is_alive:
            return  # its number may be another's by now
        processes = lent.browser.processes
        total = 0
        for pid in processes.look():
            size_bytes = memory.own_bytes(pid)
            total += size_bytes
            if size_bytes > self._page_memory_bytes and memory.is_renderer(pid) and processes.kill(pid):
                tell(log, BROWSER_PAGE_KILLED, size_mib=size_bytes >> 20)
        if total > 2 * SHARE * self._page_memory_bytes:
            tell(log, BROWSER_KILLED, size_mib=total >> 20)
            with self._lock:
                lent.is_worn = True
                self._end(lent)
        elif total > SHARE * self._page_memory_bytes and not lent.is_worn:
            tell(log, BROWSER_REPLACED, reason="it has grown too large", size_mib=total >> 20)
            lent.is_worn = True
