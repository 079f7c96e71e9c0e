"""Where a transcript is recorded: a directory, a home and a model server of its own; and what of the recording is kept.

A transcript is three files in `raw/ENGINE`. `NAME.out`: what the CLI wrote to stdout, as it came. `NAME.in`: what was
written to its stdin, a line of JSON for each write: `{"offset": bytes of stdout that had been read, "data": ...}`.
`NAME.json`: argv, the version of the CLI, its exit code (negative: a signal), and what it wrote to stderr. `read.py`
reads them. The recordings of our own sessions, beside `raw`, are another thing.

Only what is another in every recording, or of this machine, is replaced: directories, the server's port, UUIDs by
numbered ones of the same shape. Nothing is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fakes import clis
from tests.fakes.models import Models
from tests.transcripts.driver import Driven

KEPT = Path(__file__).with_name("raw")

_UUID = re.compile(rb"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


class Stage:
    """One recording: `work` is the CLI's directory, `home` its home."""

    def __init__(self, engine: str, *, program: str) -> None:
        self.engine = engine
        self.program = program
        # Not below /tmp: codex warns of a home there.
        self.root = Path(tempfile.mkdtemp(prefix="recording", dir="/var/tmp"))
        self.work, self.home = self.root / "work", self.root / "home"
        self.work.mkdir()
        self.models = Models()
        self._uuids: dict[bytes, bytes] = {}

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.models.close()
        shutil.rmtree(self.root, ignore_errors=True)
        if kind is None:
            self.models.check()

    def env(self) -> dict[str, str]:
        made: dict[str, str] = clis.ENVIRONMENTS[self.program](self.models, self.home)
        (self.root / "tmp").mkdir(exist_ok=True)
        return {**made, "TMPDIR": str(self.root / "tmp")}

    @contextmanager
    def record(self, name: str, args: Sequence[str], *, env: Mapping[str, str] | None = None) -> Iterator[Driven]:
        """Start the CLI; the block plays with it; then it gets the end of its input, and the transcript is kept."""
        argv = [clis.program(self.program), *args]
        with Driven(argv, env=self.env() if env is None else env, cwd=self.work) as driven:
            yield driven
            code = driven.end()
            self._keep(name, args, driven, code)

    def hold(self, name: str = "hold") -> str:
        """A shell command that ends when it is let go. Not by `cat`: claude reads for itself what a `cat` has read."""
        os.mkfifo(self.work / name)
        return f"echo begun; read -r line < {name}; echo ended"

    def let_go(self, name: str = "hold") -> None:
        with (self.work / name).open("w") as pipe:
            pipe.write("let go\n")

    @contextmanager
    def held(self, name: str = "hold") -> Iterator[None]:
        """Wait until the command is there, and keep it waiting for the block."""
        with (self.work / name).open("w"):
            yield

    def _keep(self, name: str, args: Sequence[str], driven: Driven, code: int) -> None:
        folder = KEPT / self.engine
        folder.mkdir(parents=True, exist_ok=True)
        # Line by line: what was written stands between two of them.
        cleaned, ends, at = b"", {0: 0}, 0
        for line in driven.out.splitlines(keepends=True):
            at += len(line)
            cleaned += self.scrubbed(line)
            ends[at] = len(cleaned)
        (folder / f"{name}.out").write_bytes(cleaned)
        written = [
            json.dumps({"offset": ends[one.offset], "data": self.scrubbed(one.data).decode()}) + "\n"
            for one in driven.written
        ]
        (folder / f"{name}.in").write_text("".join(written))
        told = {
            "cli": self.program,
            "version": clis.versions()[self.program],
            "argv": [self.program, *(self.scrubbed(word.encode()).decode() for word in args)],
            "exit": code,
            "stderr": self.scrubbed(driven.errors().encode()).decode(),
        }
        (folder / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")
        print(f"{self.engine}/{name}: {len(cleaned)} bytes, {len(written)} writes, exit {code}", flush=True)

    def scrubbed(self, data: bytes) -> bytes:
        root = str(self.root)
        for found, instead in (
            (f"{root}/work", "/work"),
            (f"{root}/home", "/home/agent"),
            (root, "/recording"),
            (f"{root[1:]}/work", "work"),
            (re.sub(r"[^A-Za-z0-9]", "-", f"{root}/work"), "-work"),
            (str(clis.place()), "/clis"),
            (f"127.0.0.1:{self.models.port}", "127.0.0.1:8000"),
            (f'"serverName":"{os.uname().nodename}"', '"serverName":"machine"'),
        ):
            data = data.replace(found.encode(), instead.encode())
        data = re.sub(rb"http://127\.0\.0\.1:\d+/mcp", b"http://127.0.0.1:8001/mcp", data)
        return _UUID.sub(self._numbered, data)

    def _numbered(self, found: re.Match[bytes]) -> bytes:
        number = len(self._uuids) + 1
        return self._uuids.setdefault(found[0], b"00000000-0000-4000-8000-%012d" % number)
