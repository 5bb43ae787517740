"""Pending peers: connections whose peer has not proved yet that it knows the authkey. Pure bookkeeping, thread-safe."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

_Peer = TypeVar("_Peer", bound=Hashable)
_IPV6_PREFIX_BITS = 64  # what one customer has at the least (RFC 6177)


class PendingPeers(Generic[_Peer]):
    """Bounds pending peers: *most* in all, and *most_of_one_address*. The oldest makes room for a new one.

    A peer that knows the key is pending for milliseconds: silent peers crowd out each other, and never an honest one.
    Invariant: each pending peer is in ``_waiting``, and in ``_of_address`` under its neighbourhood.
    """

    def __init__(self, *, most: int, most_of_one_address: int) -> None:
        self._most = most
        self._most_of_one_address = most_of_one_address
        self._mutex = threading.Lock()
        self._waiting: dict[_Peer, str] = {}  # by age, the oldest first
        self._of_address: dict[str, dict[_Peer, None]] = {}

    def enter(self, peer: _Peer, address: str) -> list[_Peer]:
        """Add *peer*, connected from *address*; return the peers to be closed for it."""
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
        """Remove *peer*, which was authenticated or closed; it may have been removed before."""
        with self._mutex:
            self._forget(peer)

    def crowd_out(self) -> _Peer | None:
        """Remove the oldest peer, to be closed when the system has no room for another; None without one."""
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
    """The address as it is counted; of IPv6 its /64 network, in which every host has billions of addresses."""
    if ":" not in address:
        return address
    ip = ipaddress.IPv6Address(address.partition("%")[0])
    if ip.ipv4_mapped is not None:  # at a socket that takes both
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip, _IPV6_PREFIX_BITS), strict=False))
