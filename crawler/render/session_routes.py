"""Routes the events of sessions to mailboxes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from crawler.render.devtools_messages import EVENT_IDS, DevToolsMessage
from crawler.render.mailbox import Mailbox

_MAX_STRANGERS = 64
_STRANGER_BYTES = 2**20
_MAX_LEFT = 10_000
_MAX_SESSIONS = 100_000
_CHANGES = ("Target.attachedToTarget", "Target.detachedFromTarget")


class SessionRoutes:
    """A session that another one attaches shares its mailbox. Events of unknown sessions are kept until they are
    routed. *refuse* gets each event that no mailbox takes.
    """

    def __init__(self, refuse: Callable[[DevToolsMessage], None]) -> None:
        self._refuse = refuse
        self._lock = threading.RLock()
        self._mailboxes: dict[str, Mailbox] = {}
        self._strangers: OrderedDict[str, Mailbox] = OrderedDict()
        """Mailboxes of unknown sessions, the oldest first."""
        self._left: OrderedDict[str, None] = OrderedDict()
        """The sessions that were removed last."""

    def add(self, session: str, mailbox: Mailbox) -> None:
        with self._lock:
            self._left.pop(session, None)  # another page may be in the same tab
            waiting = self._strangers.pop(session, None)
            for known in [name for name, box in self._mailboxes.items() if box is waiting]:
                self._mailboxes[known] = mailbox
            self._mailboxes[session] = mailbox
            refused = [event for event in (waiting.drain() if waiting else ()) if not mailbox.put(event)]
        for event in refused:
            self._refuse(event)

    def remove(self, mailbox: Mailbox) -> list[DevToolsMessage]:
        """Remove the mailbox and its sessions. Returns the events left in it."""
        with self._lock:
            for session in [name for name, box in self._mailboxes.items() if box is mailbox]:
                del self._mailboxes[session]
                self._leave(session)
            return mailbox.drain()

    def deliver(self, event: DevToolsMessage) -> None:
        with self._lock:
            mailbox = self._of(event.session)
            child = EVENT_IDS.decode(event.params).session_id if event.method in _CHANGES else ""
            if event.method == "Target.attachedToTarget" and child:
                if mailbox is None:
                    self._leave(child)
                elif len(self._mailboxes) < _MAX_SESSIONS:
                    self._mailboxes.setdefault(child, mailbox)
            is_taken = mailbox is not None and mailbox.put(event)
            if event.method == "Target.detachedFromTarget" and child in self._mailboxes:
                del self._mailboxes[child]
                self._leave(child)
        if not is_taken:
            self._refuse(event)

    def close(self, reason: Exception) -> None:
        with self._lock:
            for mailbox in {*self._mailboxes.values()}:
                mailbox.close(reason)

    def _of(self, session: str) -> Mailbox | None:
        if session in self._left:
            return None
        mailbox = self._mailboxes.get(session)
        if mailbox is None:
            mailbox = self._mailboxes[session] = self._strangers[session] = Mailbox(_STRANGER_BYTES)
            if len(self._strangers) > _MAX_STRANGERS:
                for event in self.remove(self._strangers.popitem(last=False)[1]):
                    self._refuse(event)
        return mailbox

    def _leave(self, session: str) -> None:
        self._left[session] = None
        if len(self._left) > _MAX_LEFT:
            self._left.popitem(last=False)
