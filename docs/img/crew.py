"""Makes docs/img/crew.svg, crew.txt and the screens of it in README.md: a team of real agents, as tmux saw it.

    .venv/bin/python docs/img/crew.py

The CLIs are the real ones, of the versions that the tests use; what their models say is played by the model server of
the tests, so that it costs nothing and comes out the same. The runner is killed with SIGKILL while two agents build.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from docs.img.capture import HEIGHT, ROOT, WIDTH, drawn, plain
from tests.fakes import clis
from tests.fakes.models import Models, answer, run, say, write

HERE = Path(__file__).parent
COMMAND = "teamflow run crew.yaml"


def play(models: Models) -> None:
    models.play(
        write("PLAN.md", "# A greeting\n\nOne module answers, one page asks.\n"),
        answer({"tasks": ["Write api/greet.py, which prints a greeting.", "Write page/index.html, which shows it."]}),
        answer({"approved": False, "findings": "greet.py says good bye."}, gate="review"),
        answer({"approved": True, "findings": "It greets, and the page shows it."}),
        agent="claude",
    )
    models.play(
        write("api/greet.py", 'print("good bye")\n'),
        say("The API prints its greeting.", gate="api"),
        run("printf 'print(\"hello\")\\n' > api/greet.py"),
        say("It says hello now."),
        agent="codex",
    )
    models.play(
        write("page/index.html", "<h1>hello</h1>\n"),
        say("The page shows the greeting.", gate="page"),
        agent="opencode",
    )


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, Models() as models:
        play(models)
        project = made(Path(scratch, "greeting"))
        env = environment(models, Path(scratch, "home"))
        tmux = ["tmux", "-S", str(Path(scratch, "tmux")), "-f", os.devnull]
        try:
            screens = taken(tmux, project, env, models)
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)
    (HERE / "crew.svg").write_text(drawn(screens[0], title=COMMAND, name="crew"), encoding="utf-8")
    told = f"{plain(screens[0])}\n\n(its runner is killed: kill -9; the agents work on)\n\n{plain(screens[1])}\n"
    (HERE / "crew.txt").write_text(told, encoding="utf-8")
    readme = ROOT / "README.md"
    block = f"\\1\n```text\n{plain(screens[1])}\n```\n\\2"
    text = re.sub(r"(?s)(<!-- crew:begin [^\n]*-->).*?(<!-- crew:end -->)", block, readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")


def made(project: Path) -> Path:
    project.mkdir()
    (project / "crew.yaml").write_text((HERE / "crew.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (project / ".gitignore").write_text(".teamflow/\n", encoding="utf-8")
    who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    return project


def environment(models: Models, home: Path) -> dict[str, str]:
    env: dict[str, str] = {}
    for name in ("claude", "codex", "opencode"):
        clis.program(name)
        env |= clis.ENVIRONMENTS[name](models, home, agent=name)
    env.pop("IS_SANDBOX", None)
    # A key by the name that steps of codex inherit.
    settings = Path(env["CODEX_HOME"], "config.toml")
    settings.write_text(settings.read_text().replace("SCRIPTED_KEY", "OPENAI_API_KEY"))
    env["OPENAI_API_KEY"] = env.pop("SCRIPTED_KEY")
    path = f"{clis.place()}/node_modules/.bin:{os.environ['PATH']}"
    return {**env, "PATH": path, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "GIT_AUTHOR_NAME": "Ana",
            "GIT_AUTHOR_EMAIL": "ana@example.org", "GIT_COMMITTER_NAME": "Ana",
            "GIT_COMMITTER_EMAIL": "ana@example.org"}  # fmt: skip


def taken(tmux: list[str], project: Path, env: dict[str, str], models: Models) -> tuple[str, str]:
    """The screen while two build, and the last one."""
    runner = f"{shlex.quote(sys.executable)} -m teamflow"
    inner = f'cd {shlex.quote(str(project))}; teamflow() {{ {runner} "$@"; }}; clear; '
    first = f"{inner} echo '$ {COMMAND}'; exec {runner} run crew.yaml"
    again = f"{inner} echo '$ {COMMAND}'; teamflow run crew.yaml; touch ../ended; sleep 60"
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "sh", "-c", "sleep 600"], check=True
    )
    screens = []
    for number, command in enumerate((first, again)):
        pane = [*tmux, "new-window", "-P", "-F", "#{pane_id} #{pane_pid}", "env", "-i",
                *(f"{name}={value}" for name, value in env.items()), "sh", "-c", command]  # fmt: skip
        pane_id, pid = subprocess.run(pane, check=True, capture_output=True, text=True).stdout.split()

        def shown(pane_id: str = pane_id) -> str:
            look = [*tmux, "capture-pane", "-e", "-p", "-t", pane_id]
            return subprocess.run(look, check=True, capture_output=True, text=True).stdout.rstrip()

        if number == 0:
            until(lambda: models.gate("api").reached.is_set() and models.gate("page").reached.is_set())
            time.sleep(1.0)  # the table is drawn several times a second
            screens.append(shown())
            os.kill(int(pid), signal.SIGKILL)
            models.gate("api").open()
            models.gate("page").open()
        else:
            until(lambda: models.gate("review").reached.is_set())
            models.gate("review").open()
            until(lambda: (project.parent / "ended").exists())
            screens.append(shown())
    return screens[0], screens[1]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("it did not come so far within two minutes")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
