"""Who may wait at the door: peers that have not proved yet that they know the key. Pure bookkeeping, thread-safe."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

_Peer = TypeVar("_Peer", bound=Hashable)
_IPV6_PREFIX_BITS = 64  # what one customer has at the least (RFC 6177)


class PendingPeers(Generic[_Peer]):
    """So many peers in all at the *most*, and so many of one address.

    When there are more, the one that has been there longest has to leave: whoever knows the key is gone again within
    milliseconds, so that those who only sit there make room for each other and never keep an honest peer out.
    """

    def __init__(self, *, most: int, most_of_one_address: int) -> None:
        self._most = most
        self._most_of_one_address = most_of_one_address
        self._mutex = threading.Lock()
        self._waiting: dict[_Peer, str] = {}  # in the order of their arrival
        self._of_address: dict[str, dict[_Peer, None]] = {}

    def enter(self, peer: _Peer, address: str) -> list[_Peer]:
        """*peer* has come from *address*; returns those that have to leave for it."""
        neighbourhood = _neighbourhood(address)
        with self._mutex:
            neighbours = self._of_address.setdefault(neighbourhood, {})
            crowded_out = []
            if len(neighbours) >= self._most_of_one_address:
                crowded_out.append(next(iter(neighbours)))
            elif len(self._waiting) >= self._most:
                crowded_out.append(next(iter(self._waiting)))
            for other in crowded_out:
                self._forget(other)
            self._waiting[peer] = neighbourhood
            self._of_address.setdefault(neighbourhood, {})[peer] = None
            return crowded_out

    def leave(self, peer: _Peer) -> None:
        """It has gone in, or away; nothing happens if it has left before."""
        with self._mutex:
            self._forget(peer)

    def crowd_out(self) -> _Peer | None:
        """Who has to leave when the system itself has no room for another; None if nobody waits."""
        with self._mutex:
            oldest = next(iter(self._waiting), None)
            if oldest is not None:
                self._forget(oldest)
            return oldest

    def __len__(self) -> int:
        return len(self._waiting)

    def _forget(self, peer: _Peer) -> None:
        neighbourhood = self._waiting.pop(peer, None)
        if neighbourhood is None:
            return
        neighbours = self._of_address[neighbourhood]
        del neighbours[peer]
        if not neighbours:
            del self._of_address[neighbourhood]


def _neighbourhood(address: str) -> str:
    """What counts as one address: of IPv6 the network, for each host has billions there."""
    if ":" not in address:
        return address
    ip = ipaddress.IPv6Address(address.partition("%")[0])
    if ip.ipv4_mapped is not None:  # at a socket that takes both
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip, _IPV6_PREFIX_BITS), strict=False))
