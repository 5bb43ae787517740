"""img2dataset: crawls no pages, but is given the URLs of all images; it decodes each, and keeps the bytes of many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers.tools.base import Job, Tool

_THREADS = 32
_PNG = ("--encode_format=png", "--encode_quality=1")  # the least compression: the quickest


class Img2dataset(Tool):
    """Two processes. What has an alpha channel, or another format than most, is encoded anew."""

    decodes = reencodes = True
    requirements = ("img2dataset>=1.45", "setuptools<81")

    def command(self, job: Job) -> Sequence[str | Path]:
        return (
            self.python.with_name("img2dataset"),
            f"--url_list={job.image_urls}",
            f"--output_folder={job.folder}",
            "--output_format=files",
            "--resize_mode=no",
            "--skip_reencode=True",
            *(_PNG if job.suffix == ".png" else ()),
            "--processes_count=2",
            f"--thread_count={self.connections or _THREADS}",
            "--number_sample_per_shard=500",
            "--enable_wandb=False",
        )

    def environment(self, job: Job) -> dict[str, str]:
        return {**super().environment(job), "NO_ALBUMENTATIONS_UPDATE": "1"}
