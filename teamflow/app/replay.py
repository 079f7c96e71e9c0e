"""`run --replay`: a new run through the real executor in which agents are played, and nothing of them is started.

Decides what of the recorded plan holds: agents get no login, and no secrets but those of their checks; nothing comes
from the cache or goes there, no hook runs (they tell the world), and no budget of the day counts it. Commands and
checks run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping

from teamflow.app.compile import Compiled, Request, compile_team
from teamflow.app.launch import USAGE, Front, RunOptions, open_database, run_plan
from teamflow.app.project import NoTeamFile, find_team_file, is_saved_plan, project_around, project_of
from teamflow.app.recorded import Recorded, of_run, unplayed
from teamflow.app.replaying import Note, Played, left_before_its_end, note_of, read_note
from teamflow.core.plan import NO_CAPS, PROMPT, Plan, Step
from teamflow.core.takes import Recording
from teamflow.plan.digest import plan_digest
from teamflow.plan.stored import plan_to_json
from teamflow.store.sqlite import Database


def run_replay(options: RunOptions, front: Front, *, environ: Mapping[str, str], directory: str) -> int:
    """The exit code. StoreError, NoTeamFile."""
    refusal = _refused(options)
    if refusal:
        front.complain(refusal)
        return USAGE
    root, file = _project(options, directory)
    with open_database(root, environ) as database:
        recorded = _recorded(database, options.replay, directory)
        if isinstance(recorded, str):
            front.complain(recorded)
            return USAGE
        if file is None and recorded.plan is None:
            front.complain(f"--replay {options.replay}: it has no plan of its own: name the team file that it is for")
            return USAGE
        compiled = _compiled(database, file, options, recorded)
        if compiled.diagnostics:
            front.diagnostics(compiled)
        if compiled.plan is None:
            return USAGE
        missing = unplayed(compiled.plan, recorded.recording.takes)
        for note in (*recorded.recording.notes, *([missing] if missing else ())):
            front.complain(f"replay of {recorded.recording.name}: {note}")
        word = _word(options.replay, recorded.recording, directory)
        plan = played(_with_fixture(compiled.plan, recorded.recording, word))
        stored = hashlib.sha256(plan_to_json(plan).encode()).hexdigest()
        what = note_of(recorded.recording, word=word, plan=stored, file=file)
        chosen = _chosen(database, options, what)
        if isinstance(chosen, str):
            front.complain(chosen)
            return USAGE
        chosen = chosen._replace(use_cache=False, no_input=options.no_input or recorded.no_input)
        compiled = compiled._replace(plan=plan, stored=stored)
        playing = Played(recorded.recording, what, as_it_is=options.number is not None)
        return run_plan(database, compiled, chosen, front, environ, directory, playing)


def _chosen(database: Database, options: RunOptions, note: Note) -> RunOptions | str:
    """The replay that is gone on with, else a new one; a text says why that cannot be."""
    number = options.number
    if number is None and not options.new:
        number = left_before_its_end(database, note)
    elif number is not None and read_note(database.layout, number) != note:
        return f"run {number} is no replay of that, or what it plays has changed meanwhile: replay it anew"
    return options._replace(new=number is None, number=number)


def _refused(options: RunOptions) -> str:
    if options.force:
        return "--force is for what the cache has, which a replay does not ask: leave it out"
    if options.file is None and (options.steps or options.since or options.until or options.overrides):
        return "a recorded run is played as it was planned: name its team file to select steps or set keys"
    if options.file is None and options.inputs:
        return "a recorded run is played with its own inputs: name its team file to give others"
    return ""


def _project(options: RunOptions, directory: str) -> tuple[str, str | None]:
    """The project's root, and the team file relative to it, where one is named."""
    if options.file is None:
        return project_around(directory).root, None
    path = find_team_file(options.file, directory)
    if is_saved_plan(path):
        raise NoTeamFile(f"{options.file}: this is a saved plan: name a team file to replay")
    root = project_of(os.path.dirname(path)).root
    return root, os.path.relpath(path, root)


def _recorded(database: Database, word: str, directory: str) -> Recorded | str:
    """A text says why there is nothing to be played."""
    place = os.path.join(directory, word)
    if os.path.isdir(place):
        from teamflow.app.fixture import FixtureError, read_fixture

        try:
            return read_fixture(place, name=word)
        except FixtureError as error:
            return str(error)
    if not (word.isascii() and word.isdecimal() and len(word) < 10):
        return f"--replay {word}: there is no such directory; name a run or a fixture of `teamflow record`"
    row = database.run(int(word))
    if row is None:
        return f"--replay {word}: there is no run {word} in {database.layout.root}\n  `teamflow runs` lists them"
    if row.replay:
        return f"--replay {word}: run {word} is a replay itself, of {row.replay}: replay that"
    return of_run(database, row.number)


def _word(said: str, recording: Recording, directory: str) -> str:
    """What is replayed, as it can be said in any directory."""
    return os.path.realpath(os.path.join(directory, said)) if recording.source is None else str(recording.source)


def _with_fixture(plan: Plan, recording: Recording, place: str) -> Plan:
    """A fixture is one of the files that the run is made of: one from outside of the project asks for trust, too."""
    if recording.source is not None:
        return plan
    from teamflow.app.fixture import MANIFEST

    return plan._replace(files={**plan.files, f"{place}/{MANIFEST}": _digest(place)})


def _compiled(database: Database, file: str | None, options: RunOptions, recorded: Recorded) -> Compiled:
    if file is None and recorded.plan is not None:
        return Compiled(recorded.plan, None, {}, None, recorded.inputs)
    assert file is not None, "it was refused"
    words = (options.steps, options.since, options.until, options.overrides)
    request = Request(file, options.inputs, recorded.inputs, *words)
    return compile_team(database.layout.root, request, directory=None)


def played(plan: Plan) -> Plan:
    """The plan as it is replayed."""
    steps = tuple(_played(step) for step in plan.steps)
    wanted = {name for step in steps for name in step.secrets}
    secrets = tuple(source for source in plan.secrets if source.name in wanted or source.kind == "value_file")
    whole = plan._replace(steps=steps, secrets=secrets, hooks=(), limits=plan.limits._replace(day=NO_CAPS), digest="")
    return whole._replace(digest=plan_digest(whole))


def _played(step: Step) -> Step:
    step = step._replace(cache=False, any_time=False)
    if step.kind != PROMPT or step.setup is not None or step.verify:
        return step  # Its checks run, in its environment.
    return step._replace(secrets=(), inherit_env=(), env=())


def _digest(directory: str) -> str:
    """Of all that lies directly in it: what is trusted is that, and nothing that comes in its place. OSError."""

    digest = hashlib.sha256()
    for name in sorted(os.listdir(directory)):
        path = f"{directory}/{name}"
        if os.path.isfile(path):
            with open(path, "rb") as file:
                inner = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(json.dumps([name, inner]).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
