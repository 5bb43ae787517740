"""Who may wait at the door, and who has to leave for another: by rule, and against a model."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from crawler.queues.rpc.pending_peers import PendingPeers


def lobby(*, most: int = 4, most_of_one_address: int = 2) -> PendingPeers[object]:
    return PendingPeers(most=most, most_of_one_address=most_of_one_address)


def is_empty(door: PendingPeers[object]) -> bool:
    """Nothing is kept of peers that have left."""
    return not (door._waiting or door._of_address)


# --- the rules, one by one ---


def test_who_finds_room_displaces_nobody() -> None:
    door = lobby()
    assert door.enter("a", "192.0.2.1") == []
    assert door.enter("b", "192.0.2.1") == []
    assert door.enter("c", "192.0.2.2") == []
    assert len(door) == 3


def test_the_oldest_of_an_address_leaves_for_another_of_it() -> None:
    door = lobby()
    for peer in ("first", "second"):
        door.enter(peer, "192.0.2.1")
    assert door.enter("third", "192.0.2.1") == ["first"]
    assert door.enter("fourth", "192.0.2.1") == ["second"]
    assert len(door) == 2


def test_a_crowd_of_one_address_displaces_nobody_elsewhere() -> None:
    door = lobby()
    door.enter("honest", "192.0.2.1")
    displaced = [peer for n in range(100) for peer in door.enter(n, "203.0.113.9")]
    assert displaced == list(range(98))


def test_the_oldest_of_all_leaves_when_there_are_too_many_addresses() -> None:
    door = lobby()
    for n in range(4):
        door.enter(n, f"192.0.2.{n}")
    assert door.enter(4, "192.0.2.4") == [0]
    assert door.enter(5, "192.0.2.5") == [1]
    assert len(door) == 4


def test_the_last_of_its_address_may_leave_for_another_of_the_same() -> None:
    door = lobby(most_of_one_address=1)
    door.enter("first", "192.0.2.1")
    assert door.enter("second", "192.0.2.1") == ["first"]
    door.leave("second")
    assert is_empty(door)


def test_the_last_of_its_address_may_leave_for_another_of_all() -> None:
    door = lobby(most=1, most_of_one_address=2)
    door.enter("first", "192.0.2.1")
    assert door.enter("second", "192.0.2.1") == ["first"]
    door.leave("second")
    assert is_empty(door)


def test_who_has_gone_in_makes_room() -> None:
    door = lobby()
    door.enter("first", "192.0.2.1")
    door.enter("second", "192.0.2.1")
    door.leave("first")
    assert door.enter("third", "192.0.2.1") == []


def test_leaving_twice_or_without_having_come_is_harmless() -> None:
    door = lobby()
    door.enter("a", "192.0.2.1")
    door.leave("a")
    door.leave("a")
    door.leave("never came")
    assert is_empty(door)


def test_who_was_displaced_may_leave_once_more() -> None:
    """Its thread says so when it ends, and must not take another's place away."""
    door = lobby(most_of_one_address=1)
    door.enter("first", "192.0.2.1")
    door.enter("second", "192.0.2.1")
    door.leave("first")
    assert len(door) == 1
    assert door.crowd_out() == "second"


def test_when_the_system_has_no_room_the_oldest_of_all_leaves() -> None:
    door = lobby()
    door.enter("first", "192.0.2.1")
    door.enter("second", "192.0.2.2")
    assert door.crowd_out() == "first"
    assert door.crowd_out() == "second"
    assert door.crowd_out() is None
    assert is_empty(door)


# --- what counts as one address ---


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("2001:db8:1:2::1", "2001:DB8:1:2:0:0:0:2", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::1", "::1", True),
        ("", "", True),
        ("", "192.0.2.1", False),
    ],
)
def test_of_ipv6_the_network_counts(one: str, other: str, alike: bool) -> None:  # noqa: FBT001
    door = lobby(most_of_one_address=1)
    door.enter("first", one)
    assert door.enter("second", other) == (["first"] if alike else [])


@given(*[st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None)] * 2)
def test_two_addresses_of_ipv6_are_one_exactly_if_their_first_64_bits_are(one: object, other: object) -> None:
    door = lobby(most_of_one_address=1)
    door.enter("first", str(one))
    alike = int(one) >> 64 == int(other) >> 64  # type: ignore[call-overload]
    assert door.enter("second", str(other)) == (["first"] if alike else [])


def test_ipv4_is_the_same_at_a_socket_that_takes_both() -> None:
    door = lobby(most_of_one_address=1)
    door.enter("first", "::ffff:192.0.2.7")
    assert door.enter("second", "::ffff:192.0.2.8") == []
    assert door.enter("third", "192.0.2.7") == ["first"]


@given(st.integers(1, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_whoever_has_a_network_of_ipv6_has_one_place(network: int, one: int, other: int) -> None:
    door = lobby(most_of_one_address=1)
    for host in (one, other):
        address = ":".join(f"{(network << 64 | host) >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))
        door.enter(host, address)
    assert len(door) == 1


# --- all of it, at random ---

ADDRESSES = st.sampled_from(
    ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", ""]
)


def network(address: str) -> str:
    """The model's own idea of it, good enough for ADDRESSES."""
    return address.rpartition("::")[0] if ":" in address else address


class LobbyMachine(RuleBasedStateMachine):
    peers = Bundle("peers")

    @initialize(most=st.integers(1, 6), most_of_one_address=st.integers(1, 4))
    def open(self, most: int, most_of_one_address: int) -> None:
        self.most, self.most_of_one_address = most, most_of_one_address
        self.door = lobby(most=most, most_of_one_address=most_of_one_address)
        self.waiting: list[tuple[int, str]] = []  # in the order of their arrival
        self.came = 0

    @rule(target=peers, address=ADDRESSES)
    def enter(self, address: str) -> int:
        self.came += 1
        neighbours = [pair for pair in self.waiting if pair[1] == network(address)]
        leaving = []
        if len(neighbours) == self.most_of_one_address:
            leaving = [neighbours[0]]
        elif len(self.waiting) == self.most:
            leaving = [self.waiting[0]]
        assert self.door.enter(self.came, address) == [peer for peer, _ in leaving]
        for pair in leaving:
            self.waiting.remove(pair)
        self.waiting.append((self.came, network(address)))
        return self.came

    @rule(peer=peers)
    def leave(self, peer: int) -> None:
        """Some have left before, by themselves or for another."""
        self.door.leave(peer)
        self.waiting = [pair for pair in self.waiting if pair[0] != peer]

    @rule()
    def no_room_at_all(self) -> None:
        assert self.door.crowd_out() == (self.waiting[0][0] if self.waiting else None)
        del self.waiting[:1]

    @invariant()
    def limits_hold(self) -> None:
        if not hasattr(self, "door"):
            return
        assert len(self.door) == len(self.waiting) <= self.most
        for address in {address for _, address in self.waiting}:
            alike = [pair for pair in self.waiting if pair[1] == address]
            assert len(alike) <= self.most_of_one_address

    @invariant()
    def books_are_no_longer_than_the_queue(self) -> None:
        if hasattr(self, "door"):
            kept = [peer for peers in self.door._of_address.values() for peer in peers]
            assert sorted(kept) == sorted(peer for peer, _ in self.waiting)
            assert all(self.door._of_address.values()), "an address without peers is kept"

    def teardown(self) -> None:
        if hasattr(self, "door"):
            for peer in range(1, self.came + 1):
                self.door.leave(peer)
            assert is_empty(self.door)


TestLobby = LobbyMachine.TestCase


def test_threads_leave_while_others_come() -> None:
    door = lobby(most=8, most_of_one_address=4)
    wrong: list[BaseException] = []

    def come_and_go(number: int) -> None:
        try:
            for n in range(300):
                peer = (number, n)
                door.enter(peer, f"192.0.2.{n % 3}")
                assert len(door) <= 8
                door.leave(peer)
        except BaseException as exc:  # noqa: BLE001 - the test looks at it
            wrong.append(exc)

    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert is_empty(door)
