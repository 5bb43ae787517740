"""What the contracts of transports share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import transports
from tests.support.faultserver import FaultServer
from tests.support.web_tls import Authority, tls_server


@pytest.fixture(params=transports.KINDS)
def each_transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test with each kind of transport; its name."""
    with transports.chosen(request.param):
        yield request.param


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls_port(authority: Authority) -> Iterator[int]:
    """The port of a server by TLS, with a certificate for localhost and www.site.example."""
    with tls_server(authority.issue("localhost", "www.site.example")) as server:
        yield server._server.server_address[1]
