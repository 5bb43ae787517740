"""Coverage of the processes that a test starts, which is not measured as a rule: they would run half as fast."""

from __future__ import annotations

from pathlib import Path

import coverage

_CONFIG = """
[tool.coverage.run]
source_pkgs = ["crawler"]
branch = true
parallel = true
data_file = {data_file!r}
patch = ["subprocess", "fork", "_exit"]
disable_warnings = ["no-data-collected"]
"""


def environment(folder: Path) -> dict[str, str]:
    """What has processes measured that get it, and all below them; empty where this one is not measured itself.

    Their data goes where that of this process goes. *folder* takes their configuration.
    """
    measures = coverage.Coverage.current()
    if measures is None:
        return {}
    config = folder / "coverage.toml"
    config.write_text(
        _CONFIG.format(data_file=str(Path(measures.config.data_file).absolute())), encoding="utf-8"
    )
    return {"COVERAGE_PROCESS_START": str(config)}
