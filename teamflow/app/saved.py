"""Saved plans: written by `plan -o`, and executed by `run PLAN` exactly as they are, or refused.

Refused is what is damaged or of another version, what belongs to another project, and what is stale: then the defining
files that changed are named. Only contents count, so a file that is as it was again makes its plan fresh again. What
cannot be settled anew (`-i`, STEP, `--set`, …) is refused as well. Which run the plan goes on with, and what of it
runs again, is decided as for any other plan.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping

from teamflow import __version__
from teamflow.app.compile import Compiled
from teamflow.app.files import ProjectFiles
from teamflow.app.launch import Front, RunOptions, open_database, run_plan
from teamflow.app.project import NoTeamFile, find_team_file, is_saved_plan, project_around, project_of
from teamflow.app.trusted import trust_own
from teamflow.core.shell import quoted, shown
from teamflow.plan.saved import Asked, SavedPlan, Unusable, saved_from_text, saved_to_text
from teamflow.plan.stored import plan_to_json
from teamflow.store.errors import StoreError
from teamflow.workspaces.top_level import is_repository

_SETTLED: Mapping[str, str] = {
    "steps": "STEP",
    "inputs": "-i",
    "since": "--from",
    "until": "--until",
    "overrides": "--set",
    "force": "--force",
    "new": "--new",
    "use_cache": "--no-cache",
}
"""Options that `plan` takes as well: a saved plan has them in it."""


class SavedPlanError(Exception):
    """A saved plan that is not executed, or a file that is not overwritten; the message says why and what to do."""


# -- plan -o -----------------------------------------------------------------------------------------------------


def save_plan(
    path: str, compiled: Compiled, options: RunOptions, *, root: str, directory: str, environ: Mapping[str, str]
) -> None:
    """Writes the plan in place of `path` (as seen from `directory`) in one step, for its owner only, who trusts it.

    SavedPlanError where something else than a saved plan is there, StoreError where it cannot be written.
    """
    plan = compiled.plan
    assert plan is not None, "there is no plan to save"
    asked = Asked(options.file, *(getattr(options, name) for name in Asked._fields[1:]))
    saved = SavedPlan(plan, root, is_repository(root), asked, compiled.given)
    target = os.path.realpath(os.path.join(directory, path))
    _check_place(path, target)
    text = saved_to_text(saved, version=__version__)
    try:
        _write(target, text.encode("ascii"))
    except OSError as error:
        raise StoreError(
            "unwritable",
            place=path,
            fact=f"the plan cannot be saved: {error.strerror}",
            remedy="make room or make it writable, or name another place behind -o",
        ) from error
    trust_own(plan, target, root=root, directory=directory, environ=environ, stored=compiled.stored)


def _check_place(path: str, target: str) -> None:
    """Nothing is overwritten but a saved plan, or an empty file such as mktemp makes."""
    try:
        found = os.stat(target)
    except OSError:
        return  # writing tells
    if stat.S_ISREG(found.st_mode) and (found.st_size == 0 or is_saved_plan(target)):
        return
    kind = "a directory" if stat.S_ISDIR(found.st_mode) else "no saved plan"
    raise SavedPlanError(
        f"{path}: this is {kind}, and is not overwritten\n  name another file behind -o, or move it away"
    )


def _write(target: str, data: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=".teamflow-plan-", dir=os.path.dirname(target))  # 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


# -- run PLAN ----------------------------------------------------------------------------------------------------


def run_saved(path: str, options: RunOptions, front: Front, *, environ: Mapping[str, str], directory: str) -> int:
    """Executes the saved plan at `path`; the exit code. SavedPlanError, StoreError."""
    word = options.file or path
    saved = _read(path, word)
    _refuse_settled(saved, options, word, directory)
    root = _root(saved, word, directory)
    changes = list(_changes(saved, root))
    if changes:
        raise SavedPlanError(
            "\n".join(
                [
                    f"{word}: this plan is stale: what it was made from has changed",
                    *(f"  {change}" for change in changes),
                    f"  make a new one: {_again(saved, word, root=root, directory=directory)}",
                ]
            )
        )
    asked, plan = saved.asked, saved.plan
    compiled = Compiled(plan, None, {}, None, saved.given, hashlib.sha256(plan_to_json(plan).encode()).hexdigest())
    with open_database(root, environ) as database:
        chosen = options._replace(force=asked.force, new=asked.new, use_cache=asked.use_cache, saved=word)
        return run_plan(database, compiled, chosen, front, environ, directory)


def _read(path: str, word: str) -> SavedPlan:
    try:
        with open(path, encoding="ascii") as file:
            return saved_from_text(file.read(), version=__version__)
    except UnicodeDecodeError as error:
        fact = "this saved plan is damaged: it is not ASCII"
        cause: Exception = error
    except Unusable as error:
        fact, cause = str(error), error
    raise SavedPlanError(f"{word}: {fact}\n  make a new one: `teamflow plan FILE -o {quoted(word)}`") from cause


def _refuse_settled(saved: SavedPlan, options: RunOptions, word: str, directory: str) -> None:
    if options.watch:
        raise SavedPlanError(
            f"{word} is a saved plan, which is executed as it is and not watched\n"
            f"  run it without --watch, or watch its file: `teamflow watch {quoted(saved.plan.file)}`"
        )
    plain = RunOptions()
    given = [name for field, name in _SETTLED.items() if getattr(options, field) != getattr(plain, field)]
    if given:
        again = _again(saved, word, root=saved.root, directory=directory)
        raise SavedPlanError(
            f"{word} is a saved plan, in which {', '.join(given)} {'is' if len(given) == 1 else 'are'} settled\n"
            f"  leave that out, or make a new plan with it: as {again}"
        )


def _root(saved: SavedPlan, word: str, directory: str) -> str:
    """The project that the plan is for: the one it was made in, or that one in the place that it has moved to."""
    here, file = os.path.realpath(directory), saved.plan.file
    if os.path.isdir(saved.root) and (_within(here, saved.root) or _within(saved.root, here)):
        return saved.root
    around = project_around(here).root
    if os.path.isfile(f"{saved.root}/{file}"):
        raise SavedPlanError(
            f"{word}: this is a plan of the project {saved.root}, and here is {around}\n"
            "  run it there, or make a plan of this project"
        )
    for root in (*_found_again(saved, here), around):
        if os.path.isfile(f"{root}/{file}"):
            return root
    raise SavedPlanError(
        f"{word}: this is a plan of the project {saved.root}, which is not there, and {around} has no {file}\n"
        "  run it in its project, wherever that is now, or make a plan of this one"
    )


def _within(path: str, root: str) -> bool:
    return f"{path}/".startswith(f"{root.rstrip('/')}/")


def _found_again(saved: SavedPlan, here: str) -> Iterator[str]:
    """The project, by the words that found its team file when the plan was made."""
    try:
        yield project_of(os.path.dirname(find_team_file(saved.asked.file, here))).root
    except NoTeamFile:
        return


def _changes(saved: SavedPlan, root: str) -> Iterator[str]:
    """What is not as it was when the plan was made, one line each."""
    now = project_of(os.path.dirname(f"{root}/{saved.plan.file}"))
    if now.root != root:
        yield f"{saved.plan.file} belongs to the project {now.root} now, no longer to {root}"
    elif now.git != saved.git:
        yield f"{root} is {'in a git repository now' if now.git else 'no longer in a git repository'}"
    files = ProjectFiles(root)
    for path, digest in saved.plan.files.items():
        try:
            data = files.read_any(path)
        except FileNotFoundError:
            if digest:
                yield f"{path} is gone"
        except OSError as error:
            yield f"{path} cannot be read: {error.strerror}"
        else:
            if hashlib.sha256(data).hexdigest() != digest:
                yield f"{path} {'has changed' if digest else 'is new'}"


def _again(saved: SavedPlan, word: str, *, root: str, directory: str) -> str:
    """The command that makes the plan anew, to be called from `directory`."""
    asked = saved.asked
    words = [os.path.relpath(f"{root}/{saved.plan.file}", os.path.realpath(directory)), *asked.steps]
    for option, values in (("-i", asked.inputs), ("--from", asked.since), ("--until", asked.until)):
        words += [each for value in values for each in (option, value)]
    words += [each for path, value in asked.overrides for each in ("--set", f"{path}={value}")]
    words += [each for step in asked.force for each in ("--force", step)]
    words += ["--new"] * asked.new + ["--no-cache"] * (not asked.use_cache)
    return f"`{shown(('teamflow', 'plan', *words, '-o', word))}`"
