"""Makes docs/img/run.svg, run.txt and the screen in README.md: a real run of teams/ship.yaml, as tmux saw it.

    .venv/bin/python docs/img/capture.py

Plays in a clone of this repository, so that run numbers begin at 1. rich draws the picture from the captured screen;
nothing is typed in by hand.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent.parent
WIDTH, HEIGHT = 100, 32


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch, "clone")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        screens = run_in_tmux("teamflow run ship", clone, socket=Path(scratch, "tmux"))
    middle = next(screen for screen in screens if plain(screen).count(" running ") >= 3)
    here = Path(__file__).parent
    (here / "run.svg").write_text(drawn(middle), encoding="utf-8")
    screens_apart = f"{plain(middle)}\n\n(2 seconds later)\n\n{plain(screens[-1])}\n"
    (here / "run.txt").write_text(screens_apart, encoding="utf-8")
    readme = ROOT / "README.md"
    block = f"\\1\n```text\n{plain(screens[-1])}\n```\n\\2"
    text = re.sub(r"(?s)(<!-- run:begin [^\n]*-->).*?(<!-- run:end -->)", block, readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")


def run_in_tmux(command: str, directory: Path, *, socket: Path) -> list[str]:
    """Screens with their colours, one per tenth of a second, until the command has ended. The last is the final one."""
    tmux = ["tmux", "-S", str(socket), "-f", os.devnull]
    python = shlex.quote(sys.executable)
    inner = (
        f"teamflow() {{ {python} -m teamflow \"$@\"; }}; clear; echo '$ {command}'; {command}; touch ended; sleep 60"
    )
    start = ["new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "-c", str(directory), "sh", "-c", inner]
    subprocess.run([*tmux, *start], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    screens = []
    try:
        for _ in range(300):
            ended = (directory / "ended").exists()
            shown = subprocess.run([*tmux, "capture-pane", "-e", "-p"], check=True, capture_output=True, text=True)
            screens.append(shown.stdout.rstrip())
            if ended:
                return screens
            time.sleep(0.1)
        raise SystemExit(f"`{command}` did not end within 30 seconds")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def plain(screen: str) -> str:
    return "\n".join(line.rstrip() for line in Text.from_ansi(screen).plain.splitlines())


def drawn(screen: str, *, title: str = "teamflow run ship", name: str = "run") -> str:
    with open(os.devnull, "w", encoding="utf-8") as nothing:
        console = Console(record=True, width=WIDTH, file=nothing, force_terminal=True, color_system="truecolor")
        console.print(Text.from_ansi(screen), no_wrap=True, overflow="crop")
        # Without rich's font faces: the picture loads nothing from the network.
        style = re.sub(r"(?s)@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT)
        return console.export_svg(title=title, code_format=style, unique_id=name)


if __name__ == "__main__":
    main()
