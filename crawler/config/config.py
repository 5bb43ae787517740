"""All sections together."""

from __future__ import annotations

import msgspec

from crawler.config.fetching import FetchConfig, ObeyConfig
from crawler.config.images import ImagesConfig, StorageConfig
from crawler.config.machine import AccessConfig, LogConfig, MachineConfig
from crawler.config.pages import HarvestConfig, RenderConfig, ScopeConfig
from crawler.config.queue import ManagerConfig, QueueConfig, RunConfig
from crawler.config.section import Section


class Config(Section):
    """All sections; what a crawl runs with, and what crawl.toml keeps."""

    scope: ScopeConfig = ScopeConfig()
    harvest: HarvestConfig = HarvestConfig()
    render: RenderConfig = RenderConfig()
    obey: ObeyConfig = ObeyConfig()
    fetch: FetchConfig = FetchConfig()
    images: ImagesConfig = ImagesConfig()
    storage: StorageConfig = StorageConfig()
    queue: QueueConfig = QueueConfig()
    run: RunConfig = RunConfig()
    manager: ManagerConfig = ManagerConfig()
    access: AccessConfig = AccessConfig()
    machine: MachineConfig = MachineConfig()
    log: LogConfig = LogConfig()

    @property
    def keeps_cookies(self) -> bool:
        """Whether anybody remembers what servers set: those of a file may be renewed."""
        return self.fetch.keep_cookies or bool(self.run.cookies)

    def of_the_crawl(self) -> Config:
        """Without what is the business of one machine."""
        fetch = self.fetch
        if self.keeps_cookies:
            fetch = msgspec.structs.replace(fetch, keep_cookies=True)
        return msgspec.structs.replace(
            self,
            fetch=fetch,
            manager=ManagerConfig(),
            access=AccessConfig(),
            machine=MachineConfig(),
            log=LogConfig(),
        )

    def for_workers(self) -> Config:
        """… nor the business of one run: what every worker of the crawl is told."""
        return msgspec.structs.replace(self.of_the_crawl(), run=RunConfig())
