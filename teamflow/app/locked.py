"""`teamflow.lock` beside a team file: the versions, models and files that somebody has found to work together.

Decides what stands in it and what counts as a difference. It is written by `teamflow lock` alone, so that a run changes
nothing that is committed; `plan` tells differences, `run --locked` refuses them. The team file itself is not in it, nor
are env files, whose digests would tell of secrets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from teamflow.app.installed import Installed
from teamflow.core.chain import works_as
from teamflow.core.named import NamedTuple
from teamflow.core.plan import PROMPT, Plan


class LockedEngine(NamedTuple):
    """`models`: as steps name them. `answers`: by these names, empty for the engine's own choice, the id of the model
    that answered, where a run has told it."""

    version: str
    models: tuple[str, ...] = ()
    answers: Mapping[str, str] = {}


class LockedFile(NamedTuple):
    """`personas`: the names of those whose file it is."""

    sha256: str
    personas: tuple[str, ...] = ()


class Locked(NamedTuple):
    """Of one team file. `files`: by path, as in `Plan.files`."""

    engines: Mapping[str, LockedEngine]
    files: Mapping[str, LockedFile]


def locked_of(
    plan: Plan,
    installed: Mapping[str, Installed],
    personas: Mapping[str, str],
    answered: Mapping[str, Mapping[str, str]],
) -> Locked:
    """What a plan uses now. `personas`: their files by name. `answered`: engine → model as it is named → its id."""
    engines = {
        name: LockedEngine(
            installed[name].version,
            tuple(sorted(models - {""})),
            {model: id for model, id in answered.get(name, {}).items() if model in models},
        )
        for name, models in sorted(models_of(plan).items())
        if name in installed and installed[name].version
    }
    besides = (plan.file, *plan.env_files)
    files = {
        path: LockedFile(digest, tuple(sorted(name for name, file in personas.items() if file == path)))
        for path, digest in sorted(plan.files.items())
        if digest and path not in besides
    }
    return Locked(engines, files)


def models_of(plan: Plan) -> dict[str, set[str]]:
    """Engines that are built in, with the models that steps name for them; an empty name where a step names none."""
    found: dict[str, set[str]] = {}
    for step in plan.steps:
        own = (step.engine, step.model, step.custom)
        chain = (own, *((other.engine, other.model, other.custom) for other in step.fallbacks))
        for name, model, custom in chain if step.kind == PROMPT else ():
            built_in = works_as(name, custom)
            if built_in is not None:
                found.setdefault(built_in, set()).add(model or "")
    return found


def differences(
    old: Locked, new: Locked, *, whole: bool, used: Collection[str] = (), unknown: str = "is new"
) -> list[str]:
    """In words, one each. `whole`: whether `new` is of all steps, so that what it lacks has gone; but for engines that
    are `used`, whose versions are not known then. `unknown`: what is said of that which `old` has not."""
    found: list[str] = []
    for name in sorted({*old.engines, *new.engines}):
        found += _of_engine(
            name, old.engines.get(name), new.engines.get(name), whole=whole, used=name in used, unknown=unknown
        )
    for path in sorted({*old.files, *new.files}):
        before, after = old.files.get(path), new.files.get(path)
        called = _called(path, (before or after or LockedFile("")).personas)
        if before is None or after is None:
            found.append(f"{called} {unknown if before is None else 'is not used any more'}")
        elif before.sha256 != after.sha256:
            found.append(f"{called} changed")
    return found


def _of_engine(
    name: str, was: LockedEngine | None, now: LockedEngine | None, *, whole: bool, used: bool, unknown: str
) -> Iterator[str]:
    if now is None or was is None:
        if now is not None:
            yield f"{name} {now.version} {unknown}"
        elif was is not None and used:
            yield f"{name} was {was.version}, and its version here is not known"
        elif was is not None and whole:
            yield f"{name} {was.version} is not used any more"
        return
    if was.version != now.version:
        yield f"{name} {was.version} → {now.version}"
    for model in sorted(was.answers.keys() & now.answers.keys()):
        before, after = was.answers[model], now.answers[model]
        if before != after:
            yield f"{name}: {_model(model)} is {after} now, and was {before}"
    for model in sorted(set(now.models) - set(was.models)):
        yield f"{name}: model {model} {unknown}"
    for model in sorted(set(was.models) - set(now.models)) if whole else ():
        yield f"{name}: model {model} is not used any more"


def news(old: Locked, new: Locked) -> list[str]:
    """Ids of models that are known now, in words; no difference, for nobody knew them before. One that is called as
    its id is no news."""
    return [
        f"{name}: {_model(model)} is {id}"
        for name, engine in sorted(new.engines.items())
        for model, id in sorted(engine.answers.items())
        if id != model and (name not in old.engines or model not in old.engines[name].answers)
    ]


def _model(name: str) -> str:
    return f"model {name}" if name else "its own choice of a model"


def _called(path: str, personas: tuple[str, ...]) -> str:
    return f"{'persona' if len(personas) == 1 else 'personas'} {', '.join(personas)} ({path})" if personas else path
