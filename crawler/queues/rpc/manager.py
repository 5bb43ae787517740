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


class QueueManager(RpcClient, managers.BaseManager):
    """Both ends of a manager: ``server(…)`` serves the queues, ``connect()`` and ``get_…`` use them from elsewhere.

    With *tls* connections are encrypted and both sides show certificates. See RpcClient for its calls and errors.

    >>> manager = QueueManager(("192.0.2.7", 9733), authkey)
    >>> manager.connect()
    >>> manager.get_task_queue().stats()
    """

    def __init__(
        self, address: Address, authkey: bytes, *, tls: Tls | None = None, reconnect_s: float = 60.0
    ) -> None:
        managers.BaseManager.__init__(self, address, authkey)
        RpcClient.__init__(self, address, authkey, RpcTransport(tls), reconnect_s=reconnect_s)

    def server(
        self, tasks: TaskQueue, results: ResultQueue, inbox: Inbox | None = None, *, crawl: str = ""
    ) -> RpcServer:
        """A server for the queues of *crawl* (its plan's id); it listens at its address when this returns."""
        served: dict[str, object] = {"get_task_queue": tasks, "get_result_queue": results}
        if inbox is not None:
            served["get_inbox"] = inbox
        return RpcServer(served, self._address, self._authkey, self._transport, crawl=crawl)

    def get_task_queue(self) -> TaskQueue:
        return cast("TaskQueue", RpcProxy(self, "get_task_queue"))

    def get_result_queue(self) -> ResultQueue:
        return cast("ResultQueue", RpcProxy(self, "get_result_queue"))

    def get_inbox(self) -> Inbox:
        return cast("Inbox", RpcProxy(self, "get_inbox"))

    def start(self, *_: object, **__: object) -> NoReturn:
        """Not offered, as ``get_server``: BaseManager's own server unpickles what it is sent."""
        raise NotImplementedError("a QueueManager serves by server(tasks, results)")

    get_server = start


for _ident in SERVED:
    QueueManager.register(_ident, proxytype=RpcProxy, create_method=False)
