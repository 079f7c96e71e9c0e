"""`teamflow test`: which test files and cases there are, and their runs side by side. Decides no verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from teamflow.app.files import ProjectFiles
from teamflow.app.plugins import spare_plugins
from teamflow.app.project import NoTeamFile, project_around, project_of
from teamflow.app.testcase import Job, run_case
from teamflow.core.diagnostics import Diagnostics, Severity
from teamflow.core.named import NamedTuple
from teamflow.views.testing import Verdict

if TYPE_CHECKING:
    from teamflow.team.loaded import LoadedTeam
    from teamflow.team.testfile import Case, ReadTests

_SUFFIXES: Final = (".test.yaml", ".test.yml")


class Found(NamedTuple):
    """`sources`: texts for excerpts."""

    jobs: tuple[Job, ...]
    diagnostics: Diagnostics
    sources: Mapping[str, str]


def find_cases(files: Sequence[str], directory: str, *, word: str = "") -> Found:
    """The cases whose name has `word` in it. No `files`: all test files of the project. NoTeamFile."""
    spare_plugins()
    from teamflow.team.testfile import load_tests

    found, sources, jobs = Diagnostics(), dict[str, str](), list[Job]()
    teams = _Teams(found, sources)
    for path in dict.fromkeys(_paths(files, directory)):
        root = project_of(os.path.dirname(path)).root
        shown = os.path.relpath(path, directory)
        try:
            data = ProjectFiles(root).read_any(path)
        except OSError as error:
            raise NoTeamFile(f"{shown}: {error.strerror}") from error
        sources[shown] = data.decode("utf-8", "replace")
        mine = Diagnostics()
        tests = load_tests(data, file=shown, found=mine)
        found.extend(mine)
        if tests is None:
            continue
        for name, case in tests.file.cases.items():
            team = _team(path, case.team or tests.file.team)
            if not os.path.isfile(team):
                _no_team(name, case, tests, os.path.relpath(team, directory), found)
                continue
            teams.check(name, case, tests, root, os.path.relpath(team, root))
            job = Job(shown, name, case, root, os.path.relpath(team, root), os.path.dirname(path), tests.place)
            jobs += [job] if word.lower() in name.lower() else []
    return Found(tuple(jobs), found, sources)


class _Teams:
    """The team files that cases are for, each read once."""

    def __init__(self, found: Diagnostics, sources: dict[str, str]) -> None:
        self._found = found
        self._sources = sources
        self._known: dict[str, LoadedTeam | None] = {}

    def check(self, name: str, case: Case, tests: ReadTests, root: str, file: str) -> None:
        from teamflow.team.testnames import check_names

        team = self._team(root, file)
        if team is not None:
            check_names(name, case, team, tests.source, self._found)

    def _team(self, root: str, file: str) -> LoadedTeam | None:
        """None after at least one complaint."""
        path = f"{root}/{file}"
        if path not in self._known:
            from teamflow.app.brought import Brought
            from teamflow.team.load import load

            files = ProjectFiles(root)
            loaded = load(file, sources=files, anywhere=files.anywhere, others=Brought())
            if loaded.team is None:
                self._found.extend(item for item in loaded.diagnostics if item.severity is Severity.ERROR)
                self._sources.update(loaded.sources)
            self._known[path] = loaded.team
        return self._known[path]


def _no_team(name: str, case: Case, tests: ReadTests, shown: str, found: Diagnostics) -> None:
    path = ("cases", name, "team") if case.team is not None else ("team",)
    named = case.team is not None or tests.file.team is not None
    at = tests.source.value_span(path if named else ("cases", name))
    hint = None if named else "Name the team file: team: FILE."
    found.error("file-unreadable", f"there is no team file {shown}", at, hint=hint)


def run_cases(
    jobs: Sequence[Job],
    *,
    environ: Mapping[str, str],
    parallel: int,
    told: Callable[[Verdict], None],
    keep: bool = False,
) -> list[Verdict]:
    """In their order; `told` of each as soon as those before it are done, too. `keep`: their copies are left."""
    verdicts = []
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="case") as pool:
        for verdict in pool.map(lambda job: run_case(job, environ=environ, keep=keep), jobs):
            told(verdict)
            verdicts.append(verdict)
    return verdicts


def _paths(files: Sequence[str], directory: str) -> Iterator[str]:
    if not files:
        yield from _all(directory)
        return
    for word in files:
        path = os.path.join(os.path.realpath(directory), word)
        names = (path, *(f"{_stem(path)}{suffix}" for suffix in _SUFFIXES))
        there = next((name for name in names if name.endswith(_SUFFIXES) and os.path.isfile(name)), None)
        if there is None:
            raise NoTeamFile(f"{word}: {_not_there(word)}")
        yield os.path.realpath(there)


def _not_there(word: str) -> str:
    if word.endswith(_SUFFIXES):
        return "there is no such test file"
    return f"its cases would be in {_stem(word)}{_SUFFIXES[0]}, and there is no such file"


def _all(directory: str) -> list[str]:
    root = project_around(directory).root
    found: list[str] = []
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in (".git", ".teamflow", "node_modules", ".venv"))
        found += [f"{place}/{name}" for name in sorted(names) if name.endswith(_SUFFIXES)]
    if not found:
        raise NoTeamFile(f"no test file in {root}: write a team.test.yaml beside a team.yaml")
    return found


def _stem(path: str) -> str:
    for suffix in (*_SUFFIXES, ".yaml", ".yml"):
        if path.endswith(suffix):
            return path[: -len(suffix)]
    return path


def _team(path: str, named: str | None) -> str:
    """The team file that a test file is for, absolute; it may not be there."""
    if named is not None:
        return os.path.normpath(os.path.join(os.path.dirname(path), named))
    beside = (f"{_stem(path)}.yaml", f"{_stem(path)}.yml")
    return next((name for name in beside if os.path.isfile(name)), beside[0])
