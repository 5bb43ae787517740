"""Makes demo.svg, the README's picture, from a real run in a real terminal; needs tmux.

``python -m tests.generators.picture``
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS = 92
TARGET = Path(__file__).parents[2] / ".github" / "demo.svg"
COMMANDS = (
    "image-crawler demo",
    "image-crawler inspect data/demo --failures",
)
THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        (72, 79, 88),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (201, 209, 217),
    ],
)
# rich's own frame without its web font: an SVG in a README may load nothing
FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>image-crawler demo: 51 images discovered, each of them accounted for</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  line-height: {line_height}px; font-variant-east-asian: full-width }}
.{unique_id}-title {{ font: 18px system-ui, sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        screen = photographed(Path(folder))
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(screen), no_wrap=True)
    console.save_svg(
        str(TARGET),
        title="image-crawler",
        theme=THEME,
        code_format=FRAME,
        unique_id="demo",
        font_aspect_ratio=0.602,
    )


def photographed(folder: Path) -> str:
    """The screen after the commands, with its colours as escape sequences."""
    tmux = ["tmux", "-L", f"picture-{os.getpid()}"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = f"env -u PROMPT_COMMAND PS1='\\n$ ' PATH={path} bash --norc --noprofile"
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", str(COLUMNS), "-y", "60", "-c", str(folder), shell], check=True
    )
    try:
        time.sleep(0.5)
        for command in COMMANDS:
            subprocess.run([*tmux, "send-keys", f"{command}; touch done", "Enter"], check=True)
            while not (folder / "done").exists():
                time.sleep(0.1)
            (folder / "done").unlink()
            time.sleep(0.3)
        screen = subprocess.run(
            [*tmux, "capture-pane", "-e", "-p"], check=True, capture_output=True, text=True
        ).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    return screen.replace("; touch done", "").rstrip().removesuffix("$").strip("\n")


if __name__ == "__main__":
    main()
