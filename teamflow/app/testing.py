"""`teamflow test`: which test files and cases there are, and their runs side by side. Decides no verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from teamflow.app.files import ProjectFiles
from teamflow.app.plugins import spare_plugins
from teamflow.app.project import NoTeamFile, project_around, project_of
from teamflow.app.testcase import Job, run_case
from teamflow.core.diagnostics import Diagnostics
from teamflow.core.named import NamedTuple
from teamflow.views.testing import Verdict

_SUFFIXES = (".test.yaml", ".test.yml")


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
    for path in _paths(files, directory):
        root = project_of(os.path.dirname(path)).root
        shown = os.path.relpath(path, directory)
        data = ProjectFiles(root).read(os.path.relpath(path, root))
        sources[shown] = data.decode("utf-8", "replace")
        mine = Diagnostics()
        tests = load_tests(data, file=shown, found=mine)
        found.extend(mine)
        if tests is None:
            continue
        for name, case in tests.cases.items():
            team = _team(path, case.team or tests.team, shown)
            job = Job(shown, name, case, root, os.path.relpath(team, root), os.path.dirname(path))
            jobs += [job] if word.lower() in name.lower() else []
    return Found(tuple(jobs), found, sources)


def run_cases(
    jobs: Sequence[Job], *, environ: Mapping[str, str], parallel: int, told: Callable[[Verdict], None]
) -> list[Verdict]:
    """In their order; `told` of each as soon as those before it are done, too."""
    verdicts = []
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="case") as pool:
        for verdict in pool.map(lambda job: run_case(job, environ=environ), jobs):
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
            raise NoTeamFile(f"{word}: there is no such test file: name NAME.test.yaml, or its team file NAME.yaml")
        yield os.path.realpath(there)


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


def _team(path: str, named: str | None, shown: str) -> str:
    """The team file that a test file is for, absolute."""
    if named is not None:
        team = os.path.normpath(os.path.join(os.path.dirname(path), named))
    else:
        team = next((name for name in (f"{_stem(path)}.yaml", f"{_stem(path)}.yml") if os.path.isfile(name)), "")
        team = team or f"{_stem(path)}.yaml"
    if not os.path.isfile(team):
        raise NoTeamFile(f"{shown}: there is no team file {os.path.basename(team)} beside it: name it with `team:`")
    return team
