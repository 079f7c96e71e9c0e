"""One case of a test file: a copy of the project, a staged recording, `run --replay` in it, and what came of it.

The copy lies in a directory of its own, with a state directory of its own: nothing of the project's `.teamflow` is
read or written, and no other run is told anything.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from teamflow.app.fixture import FORMAT, KEY, MANIFEST, FixtureError, read_fixture
from teamflow.app.inspect import Inspected, now, open_run
from teamflow.app.outputs import text_of
from teamflow.app.trusted import lend
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, Succeeded
from teamflow.core.shell import shown
from teamflow.core.state import StepState
from teamflow.core.status import Status
from teamflow.core.takes import ALWAYS, Take
from teamflow.store.sqlite import Database
from teamflow.views.testing import Difference, Got, Verdict, differences
from teamflow.views.why import why

if TYPE_CHECKING:
    from teamflow.team.source import Path
    from teamflow.team.testfile import Case

_AGAIN: Final = frozenset({"retry", "repair", "resume", "relaunch"})
"""Why an attempt begins that is no new stop of the route."""
_MOST_FAILED: Final = 5
_KEPT: Final = 4000
"""Characters of what a broken run said."""
_HOOKS_OFF: Final = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgsign=false", "-c", "gc.auto=0")


class Job(NamedTuple):
    """`file`: the test file as people call it. `team`: the team file, relative to `root`; `base`: the directory that
    names in the test file are relative to; `place`: where a part of the test file stands."""

    file: str
    name: str
    case: Case
    root: str
    team: str
    base: str
    place: Callable[[Path], str]


class CaseError(Exception):
    """The case cannot be run; the message says why. `path`: of the key in the case that is to blame."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.path = path


def run_case(job: Job, *, environ: Mapping[str, str], keep: bool = False) -> Verdict:
    """Never raises for what a case does. `keep`: the copy is left where it is."""
    begun = time.monotonic()
    place = tempfile.mkdtemp(prefix="teamflow-test-")
    failed: tuple[str, ...] = ()
    try:
        (found, failed), error = _run(job, place, environ), ""
    except CaseError as refusal:
        found, error = [], f"{job.place(('cases', job.name, *refusal.path))}: {refusal}"
    except OSError as trouble:
        found, error = [], f"{trouble.filename or 'the copy of the project'}: {trouble.strerror}"
    finally:
        if not keep:
            shutil.rmtree(place, ignore_errors=True)
    line = int(job.place(("cases", job.name)).rsplit(":", 2)[1])
    seconds = time.monotonic() - begun
    return Verdict(
        job.file, job.name, seconds, tuple(found), error, job.team, line, failed, f"{place}/project" if keep else ""
    )


def _run(job: Job, place: str, environ: Mapping[str, str]) -> tuple[list[Difference], tuple[str, ...]]:
    """What is not as expected, and why steps failed then."""
    project = f"{place}/project"
    for name in ("state", "runtime"):
        os.mkdir(f"{place}/{name}", 0o700)
    env = _environment(place, environ)
    lend(environ, env)
    _copy(job.root, project, env)
    fixture = f"{project}/.teamflow/recording"  # in the project: it is trusted as that is
    os.makedirs(fixture, mode=0o700)
    _Stage(job, fixture).write()
    words, played = ["run", job.team, *(job.case.steps or ())], ("--replay", fixture)
    code, said = _teamflow([*words, *played, "--no-input", "--progress", "quiet"], project, env, job.case.timeout)
    # What it says to type would be about the copy.
    said = said.replace(f" {shown(played)}", "")
    database = Database.find(project, allow_network=True)
    row = database.newest_run() if database is not None else None
    if database is None or row is None:
        raise CaseError(f"the run did not begin (exit code {code})\n{said[-_KEPT:].strip()}")
    with database:
        inspected = open_run(database, row.number)
        found, failed = got(inspected, code), _failed(inspected)
        unplayed = not_played(job.case, found)
    if code == 70:
        raise CaseError(f"teamflow itself failed\n{said[-_KEPT:].strip()}")
    expected = differences(job.case.expect.model_dump(exclude_unset=True), found)
    at = ("cases", job.name)
    differing = [
        *(each._replace(place=job.place((*at, "expect", *each.path))) for each in expected),
        *(each._replace(place=job.place((*at, *each.path))) for each in unplayed),
    ]
    return differing, failed if differing else ()


def _failed(inspected: Inspected) -> tuple[str, ...]:
    """Why steps failed, as `teamflow why` says it."""
    state = inspected.state
    steps = [step for step, known in state.steps.items() if known.status is Status.FAILED]
    lines = [why(state, step, inspected.records, now(), run=inspected.row.number) for step in steps[:_MOST_FAILED]]
    left = len(steps) - len(lines)
    return (*lines, f"and {left} more failed") if left else tuple(lines)


def not_played(case: Case, found: Got) -> list[Difference]:
    """Faults of attempts that there were none of: a test that expects something of them has tested nothing."""
    out = []
    for name, faults in (case.faults or {}).items():
        tried = {step: len(each) for step, each in found.attempts.items() if name in (step, step.partition("/")[0])}
        most = max(tried.values(), default=0)
        for number, fault in faults.items():
            if int(number) > most:
                word = next(iter(fault.model_dump(exclude_none=True)))
                count = f"{most} attempt{'' if most == 1 else 's'} of {name}" if tried else f"{name} did not run"
                out.append(Difference(("faults", name, number), f"{word} in attempt {number}", count))
    return out


def _environment(place: str, environ: Mapping[str, str]) -> dict[str, str]:
    env = {name: value for name, value in environ.items() if not name.startswith(("TEAMFLOW_", "GIT_"))}
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO}
    return {**env, **who, "XDG_STATE_HOME": f"{place}/state", "XDG_RUNTIME_DIR": f"{place}/runtime"}


_WHO: Final = (("NAME", "teamflow test"), ("EMAIL", "test@localhost"))


def _teamflow(words: list[str], directory: str, env: Mapping[str, str], seconds: float) -> tuple[int, str]:
    """Exit code, and what it said."""
    argv = [sys.executable, "-P", "-m", "teamflow", *words] if sys.version_info >= (3, 11) else []
    with subprocess.Popen(
        argv,
        cwd=directory,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            said = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
                process.send_signal(number)
                try:
                    process.communicate(timeout=10.0)
                    break
                except subprocess.TimeoutExpired:
                    continue
            raise CaseError(f"it has not ended within {seconds:g} s (timeout)") from None
    return process.returncode, said


def _copy(root: str, project: str, env: Mapping[str, str]) -> None:
    """The project as it is now, uncommitted changes and all; in git without what it ignores, in one commit."""
    if not os.path.exists(f"{root}/.git"):
        ignored = shutil.ignore_patterns(".teamflow", ".git")
        shutil.copytree(root, project, symlinks=True, ignore=ignored)
        return
    listed = _git(("ls-files", "-z", "--cached", "--others", "--exclude-standard"), root, env)
    os.mkdir(project)
    for name in dict.fromkeys(listed.split(b"\0")):
        path = os.fsdecode(name)
        source, target = f"{root}/{path}", f"{project}/{path}"
        if (
            not path
            or path.startswith(".teamflow/")
            or not os.path.lexists(source)
            or (os.path.isdir(source) and not os.path.islink(source))
        ):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    for words in (("init", "-q", "-b", "main"), ("add", "-A", "-f"), ("commit", "-q", "--allow-empty", "-m", "copy")):
        _git(words, project, env)


def _git(words: tuple[str, ...], directory: str, env: Mapping[str, str]) -> bytes:
    done = subprocess.run(
        ["git", *_HOOKS_OFF, *words],
        cwd=directory,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise CaseError(f"git {words[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


class _Stage:
    """Writes the staged recording of a case: its scripts, the recordings that it names, its faults and answers."""

    def __init__(self, job: Job, directory: str) -> None:
        self._job = job
        self._directory = directory
        self._steps: dict[str, list[dict[str, Any]]] = {}
        self._answers: list[dict[str, Any]] = []
        self._count = 0

    def write(self) -> None:
        case = self._job.case
        scripts = dict[str, Any]()
        if case.recording is not None:
            self._take_over(case.recording, None, None, ("recording",))
        for step, played in (case.agents or {}).items():
            if played.recording is not None:
                directory, _, source = played.recording.partition("#")
                self._take_over(directory, source or step, step, ("agents", step, "recording"))
            else:
                scripts[step] = self._script(played.script, ("agents", step, "script"))
        for step, answer in (case.answers or {}).items():
            words = {"step": step, "nth": ALWAYS, "answer": answer, "note": "", "by": "the test"}
            self._answers += [{**words, "about": about} for about in ("approval", "question", "permission", "failure")]
        manifest = {
            KEY: FORMAT,
            "staged": True,
            "inputs": case.inputs or {},
            "steps": self._steps,
            "scripts": scripts,
            "faults": self._faults(),
            "answers": self._answers,
        }
        with open(f"{self._directory}/{MANIFEST}", "w", encoding="utf-8") as file:
            json.dump(manifest, file)

    def _script(self, script: Any, path: Path) -> Any:
        if not isinstance(script, str):
            return script
        from teamflow.app.files import ProjectFiles
        from teamflow.core.script import check_script, shown_path
        from teamflow.team.source import parse_value

        name = os.path.relpath(os.path.join(self._job.base, script), self._job.root)
        try:
            data = ProjectFiles(self._job.root).read(name)
        except OSError as error:
            raise CaseError(f"{script}: {error.strerror}", path) from error
        actions, problems = parse_value(data, file=script)
        if problems:
            raise CaseError(f"{script}: {problems[0].message}", path)
        for complaint in check_script(actions):
            raise CaseError(f"{script}: script{shown_path(complaint.path)}: {complaint.message}", path)
        return actions

    def _take_over(self, directory: str, source: str | None, step: str | None, path: Path) -> None:
        try:
            recorded = read_fixture(os.path.join(self._job.base, directory), name=directory)
        except FixtureError as error:
            raise CaseError(str(error), path) from error
        takes = recorded.recording.takes
        if source is None:
            for name, found in takes.items():
                self._steps[name] = [self._entry(take) for take in found]
            self._answers += [answer._asdict() for answer in recorded.recording.answers]
        elif source not in takes:
            raise CaseError(f"{directory} has no step {source}: it has {', '.join(takes) or 'none'}", path)
        elif step is not None:
            self._steps[step] = [self._entry(take) for take in takes[source]]

    def _entry(self, take: Take) -> dict[str, Any]:
        entry: dict[str, Any] = {"attempt": take.attempt, "engine": take.engine, "brief": take.brief}
        entry |= {"patch": self._file(take.patch)} if take.patch else {}
        if take.result is not None:
            return {**entry, "result": _result(take.result)}
        end = take.exit
        entry |= {"log": self._file(take.log)} | ({"err": self._file(take.err)} if take.err else {})
        if take.told:
            lines = [json.dumps(told._asdict()) + "\n" for told in take.told]
            entry["inputs"] = self._name()
            with open(f"{self._directory}/{entry['inputs']}", "w", encoding="utf-8", errors="surrogateescape") as file:
                file.writelines(lines)
        entry["exit"] = {"code": end.code, "signal": end.signal, "cause": end.cause, "at": end.at}
        return entry

    def _file(self, path: str) -> str:
        name = self._name()
        shutil.copyfile(path, f"{self._directory}/{name}")
        return name

    def _name(self) -> str:
        self._count += 1
        return f"{self._count}.part"

    def _faults(self) -> dict[str, dict[str, Any]]:
        out: dict[str, dict[str, Any]] = {}
        for step, faults in (self._job.case.faults or {}).items():
            for attempt, fault in faults.items():
                (word, told), *_ = fault.model_dump(exclude_none=True).items()
                argument = told.get("reset", True) if word == "usage_limit" else told
                if word == "crash_after" and "events" in told and step in self._steps:
                    argument = {"bytes": self._bytes(step, int(attempt), told["events"])}
                out.setdefault(step, {})[attempt] = {word: argument}
        return out

    def _bytes(self, step: str, attempt: int, events: int) -> int:
        """How many bytes so many lines of a recording are."""
        faults = (self._job.case.faults or {}).get(step, {})
        before = sum(1 for number in range(1, attempt) if str(number) in faults and not faults[str(number)].conflict)
        takes = self._steps[step][attempt - before - 1 :]
        name = takes[0].get("log") if takes else None
        if name is None:
            return 0
        with open(f"{self._directory}/{name}", "rb") as file:
            return sum(len(line) for _, line in zip(range(events), file, strict=False))


def _result(outcome: Succeeded | Failed) -> dict[str, Any]:
    usage = outcome.usage._asdict() if outcome.usage is not None else None
    if isinstance(outcome, Succeeded):
        return {"text": outcome.text, "outputs": outcome.outputs, "usage": usage}
    after = outcome.retry_after
    return {"failure": outcome.failure.value, "reason": outcome.reason, "retry_after": after, "usage": usage}


def got(inspected: Inspected, code: int) -> Got:
    """What a run came to, in the words of a test file."""
    state = inspected.state
    starts: list[tuple[int, str]] = []
    for step, known in state.steps.items():
        starts += [(attempt.began, step) for attempt in known.attempts if attempt.cause not in _AGAIN]
    ended = state.ended
    return Got(
        status=ended.status if ended is not None else "interrupted",
        exit=code,
        reason=ended.reason if ended is not None else "",
        route=tuple(step for _, step in sorted(starts)),
        steps={step: known.status.value for step, known in state.steps.items()},
        reasons={step: known.reason for step, known in state.steps.items() if known.reason},
        attempts={step: tuple(map(_ending, known.attempts)) for step, known in state.steps.items()},
        outputs={step: dict(known.outputs or {}) for step, known in state.steps.items()},
        texts={step: _text(inspected, known) for step, known in state.steps.items()},
    )


def _text(inspected: Inspected, known: StepState) -> str | None:
    """Also of one whose text nobody asked for."""
    if known.text is not None or not known.attempts:
        return known.text
    return text_of(inspected, known.step.id, known.attempts[-1].number)


def _ending(attempt: Any) -> str:
    match attempt.outcome:
        case Succeeded():
            return "succeeded"
        case Failed(failure=failure):
            return str(failure.value)
        case _:
            return "stopped"
