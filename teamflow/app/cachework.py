"""The cache and the files of a workspace as the prober sees them: adapters over `store/cache` and `workspaces/`.

Called from the loop's thread before a run and from the disk thread during it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from teamflow.core.outcome import Artifact
from teamflow.plan.key import KeyParts, key_from_json, key_to_json
from teamflow.run.kept import Entry, ReadsChanged
from teamflow.store import cache as kept
from teamflow.workspaces.artifacts import Restored, file_facts, restore
from teamflow.workspaces.digest import ReadsDigester
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.shared import default_reads
from teamflow.workspaces.stats import Stat


class CacheResults:
    """`run/probe.Results` over one project's cache, for one team file."""

    def __init__(self, root: str, *, directory: str, team_file: str, warn: Callable[[str], None]) -> None:
        self._root = root
        self._team_file = team_file
        self._cache = kept.Cache(directory, on_warning=warn)
        self._lock = threading.RLock()
        """One connection for all threads: what one has read of the index, the others need not."""

    def close(self) -> None:
        with self._lock:
            self._cache.close()

    def look_up(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        with self._lock:
            found = self._cache.get(keys, now=time.time())
        return {key: _entry(entry) for key, entry in found.items()}

    def restore(self, artifacts: Sequence[Artifact], root: str) -> str | None:
        for artifact in artifacts:
            try:
                done = restore(
                    root,
                    artifact.path,
                    digest=artifact.digest,
                    mode=artifact.mode,
                    contents=self._cache.open_object,
                )
            except WorkspaceError as error:
                return _one_line(error)
            if done is Restored.DIFFERS:
                return f"{artifact.path} differs from what this step made"
            if done is Restored.GONE:
                return f"{artifact.path} is gone, from the cache too"
        return None

    def store(self, key: str, entry: Entry, *, parts: KeyParts, step: str, root: str) -> None:
        rows = []
        for artifact in entry.artifacts:
            try:
                facts = file_facts(root, artifact.path, keep=self._cache.add_object)
            except WorkspaceError:
                return
            if facts.digest != artifact.digest:
                return
            rows.append(Artifact(artifact.name, artifact.path, artifact.digest, artifact.size, facts.mode))
        outputs = json.dumps(entry.outputs, ensure_ascii=False) if entry.outputs else None
        made = kept.Entry(key, entry.text, outputs, tuple(rows), entry.origin, entry.left)
        with self._lock:
            self._cache.put([made], now=time.time())
            self._cache.set_parts(self._team_file, {step: (key, key_to_json(parts))})

    def last_keys(self, steps: Sequence[str]) -> Mapping[str, str]:
        with self._lock:
            return self._cache.last_keys(self._team_file, steps)

    def drop(self, key: str, step: str) -> None:
        with self._lock:
            self._cache.drop(key)
            self._cache.forget_last(self._team_file, [step])

    def forget_last(self, steps: Sequence[str]) -> None:
        with self._lock:
            self._cache.forget_last(self._team_file, steps)

    def last_parts(self, step: str) -> KeyParts | None:
        with self._lock:
            found = self._cache.parts(self._team_file, step)
        return None if found is None else key_from_json(found[1])

    def stats(self, root: str) -> bytes:
        with self._lock:
            return self._cache.stats(root)

    def save_stats(self, root: str, blob: bytes) -> None:
        with self._lock:
            self._cache.save_stats(root, blob)


class ProjectReads:
    """`run/probe.Reads` over the project directory. What is known by stat is kept from call to call."""

    def __init__(self, root: str, *, results: CacheResults) -> None:
        self._root = root
        self._results = results
        self._lock = threading.Lock()
        self._digester: ReadsDigester | None = None
        self._by_git = False

    def digests(self, patterns: Sequence[str] | None) -> Mapping[str, str]:
        with self._lock:
            digester = self._open()
            try:
                if patterns is None:
                    self._by_git = True
                    return digester.digests_of(default_reads(self._root, self._git))
                return digester.digests(patterns)
            except WorkspaceError as error:
                raise ReadsChanged(_one_line(error)) from error

    def missing(self, artifacts: Iterable[Artifact]) -> list[Artifact]:
        """Those that are not there as they were made; thousands at once."""
        with self._lock:
            digester = self._open()
            return [artifact for artifact in artifacts if not _holds(digester, artifact)]

    def witness(self) -> tuple[dict[str, Stat | None], dict[str, Stat]] | None:
        """What the last look rests on, as stats; None where they prove nothing (see `app/fresh.py`)."""
        with self._lock:
            return None if self._by_git else self._open().witness()

    def places(self, patterns: Iterable[Sequence[str]]) -> frozenset[str]:
        """Directories in which a change can make a difference; patterns that cannot be followed are left out."""
        with self._lock:
            digester = self._open()
            for each in patterns:
                try:
                    digester.digests(each)
                except WorkspaceError:
                    continue
            return digester.places()

    def look_again(self) -> None:
        """Files may have changed since the last look."""
        with self._lock:
            self._open().look_again()

    def save(self) -> None:
        """Keeps what was learnt about files for the next process."""
        with self._lock:
            if self._digester is not None:
                self._digester.save()

    def _git(self, argv: Sequence[str]) -> bytes:
        import subprocess  # slow to import, and only steps without `reads` need it

        try:
            done = subprocess.run(
                list(argv),
                cwd=self._root,
                env=_git_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise ReadsChanged(f"git could not be started: {error.strerror}") from error
        if done.returncode != 0:
            raise ReadsChanged(f"git ls-files failed: {done.stderr.decode('utf-8', 'replace').strip()}")
        return done.stdout

    def _open(self) -> ReadsDigester:
        if self._digester is None:
            self._digester = ReadsDigester(self._root, self._results)
        return self._digester


def _holds(digester: ReadsDigester, artifact: Artifact) -> bool:
    try:
        return digester.holds(artifact.path, artifact.digest)
    except WorkspaceError:
        return False


def file_artifact(root: str, name: str, path: str) -> Artifact | str:
    """An output file as it is now, or what is wrong with it."""
    try:
        facts = file_facts(root, path)
    except WorkspaceError as error:
        return _one_line(error)
    return Artifact(name, path, facts.digest, facts.size, facts.mode)


def _one_line(error: WorkspaceError) -> str:
    """For a reason, which is one line."""
    return f"{error.path}: {error.reason}" + (f" ({error.remedy})" if error.remedy else "")


def _entry(found: kept.Entry) -> Entry:
    outputs = kept.decode_json(found.outputs)[0] if found.outputs else {}
    return Entry(found.text, outputs, found.artifacts, found.origin, found.left)


def _git_environment() -> dict[str, str]:
    """Ours without what would point git at another repository, and without prompts."""
    kept_variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept_variables, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
