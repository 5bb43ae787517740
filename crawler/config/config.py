"""All sections together."""

from __future__ import annotations

import msgspec

from crawler.config.fetching import FetchConfig, ObeyConfig
from crawler.config.images import ImagesConfig, StorageConfig
from crawler.config.machine import AccessConfig, LogConfig, MachineConfig, MonitoringConfig
from crawler.config.pages import HarvestConfig, RenderConfig, ScopeConfig
from crawler.config.queue import ManagerConfig, QueueConfig, RunConfig
from crawler.config.section import Section


class Config(Section):
    """All settings, by section; crawl.toml keeps those of a crawl."""

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
    monitoring: MonitoringConfig = MonitoringConfig()

    @property
    def keeps_cookies(self) -> bool:
        """Whether cookies that servers set are kept; with a file of cookies they are, as servers may renew them."""
        return self.fetch.keep_cookies or bool(self.run.cookies)

    def of_the_crawl(self) -> Config:
        """The same without the settings that each machine has for itself."""
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
            monitoring=MonitoringConfig(),
        )

    def for_workers(self) -> Config:
        """The settings that every worker is told: those of the crawl without the limits of one run."""
        return msgspec.structs.replace(self.of_the_crawl(), run=RunConfig())
