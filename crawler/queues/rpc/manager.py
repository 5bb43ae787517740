"""The queues through ``multiprocessing.managers.BaseManager``: an address, an authkey, a registry.

Only its surface is BaseManager's. Its server and its proxies unpickle what a peer sends, wait without deadlines and
never reconnect, so that calls go over our own RPC instead (client.py, server.py).
"""

from __future__ import annotations

from multiprocessing import managers
from typing import NoReturn, cast

from crawler.queues import ResultQueue, TaskQueue
from crawler.queues.rpc.calls import SERVED
from crawler.queues.rpc.client import RpcClient, RpcProxy
from crawler.queues.rpc.server import RpcServer
from crawler.queues.rpc.tls import Tls
from crawler.queues.rpc.transport import Address, RpcTransport
from crawler.storage import Inbox


class QueueManager(managers.BaseManager):
    """Both ends of a manager: ``server(…)`` serves the queues, ``connect()`` and ``get_…`` use them from elsewhere.

    With *tls* connections are encrypted and both sides show certificates. Calls try for *reconnect_s* seconds, see
    RpcClient.

    >>> manager = QueueManager(("192.0.2.7", 9733), authkey)
    >>> manager.connect()
    >>> manager.get_task_queue().stats()
    """

    def __init__(
        self, address: Address, authkey: bytes, *, tls: Tls | None = None, reconnect_s: float = 60.0
    ) -> None:
        super().__init__(address, authkey)
        self._key = authkey
        self._transport = RpcTransport(tls)
        self.rpc = RpcClient(address, authkey, self._transport, reconnect_s=reconnect_s)

    def server(
        self, tasks: TaskQueue, results: ResultQueue, inbox: Inbox | None = None, *, crawl: str = ""
    ) -> RpcServer:
        """A server for the queues of *crawl* (its plan's id); it listens at its address when this returns."""
        served: dict[str, object] = {"get_task_queue": tasks, "get_result_queue": results}
        if inbox is not None:
            served["get_inbox"] = inbox
        return RpcServer(served, self.rpc.address, self._key, self._transport, crawl=crawl)

    def connect(self) -> None:
        """Return once the manager has let us in. Raises QueueUnreachable, AuthenticationFailed, VersionMismatch."""
        self.rpc.connect()

    def get_task_queue(self) -> TaskQueue:
        return cast("TaskQueue", RpcProxy(self.rpc, "get_task_queue"))

    def get_result_queue(self) -> ResultQueue:
        return cast("ResultQueue", RpcProxy(self.rpc, "get_result_queue"))

    def get_inbox(self) -> Inbox:
        return cast("Inbox", RpcProxy(self.rpc, "get_inbox"))

    @property
    def reconnect_s(self) -> float:
        """Seconds that a call is repeated without an answer; may be set at any time."""
        return self.rpc.patience.patience_s

    @reconnect_s.setter
    def reconnect_s(self, seconds: float) -> None:
        self.rpc.patience.patience_s = seconds

    @property
    def crawl(self) -> str:
        """The id of the plan that a worker goes by; once it is set, a manager with another one is CrawlReplaced."""
        return self.rpc.crawl

    @crawl.setter
    def crawl(self, plan_id: str) -> None:
        self.rpc.crawl = plan_id

    def abandon(self) -> None:
        """Wait for no answer any more: calls under way, and later ones, raise QueueUnreachable."""
        self.rpc.abandon()

    def disconnect(self) -> None:
        """Close the connections; no call may be under way."""
        self.rpc.disconnect()

    def start(self, *_: object, **__: object) -> NoReturn:
        """Not offered, as ``get_server``: BaseManager's own server unpickles what it is sent."""
        raise NotImplementedError("a QueueManager serves by server(tasks, results)")

    get_server = start


for _ident in SERVED:
    QueueManager.register(_ident, proxytype=RpcProxy, create_method=False)
