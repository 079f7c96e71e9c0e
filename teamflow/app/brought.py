"""Engines that other packages bring, for who reads a team file that names one: looked for, and tried, only then.

Decides that one is sound: it can be loaded, and is what `ports.Engine` says, as far as that shows before it runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from teamflow.core.capabilities import Capabilities
from teamflow.core.plan import PROMPT, Plan
from teamflow.core.shell import excerpt


class Brought:
    """`team/scope.Others` over the entry points of this Python."""

    def names(self) -> Collection[str]:
        # Imported here: few team files name an engine that is not there.
        from teamflow.engines.registry import brought

        return brought().keys()

    def problem(self, name: str) -> str:
        from teamflow.engines.registry import brought, engine

        try:
            made = engine(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 what happens when it is loaded is the other package's affair
            return f"{brought()[name]}: {type(error).__name__}: {excerpt(str(error), width=120)}"
        capabilities = getattr(made, "capabilities", None)
        if not isinstance(capabilities, Capabilities):
            return f"{brought()[name]} has no capabilities"
        lacking = [part for part in ("invoke", "session") if not callable(getattr(made, part, None))]
        return f"{brought()[name]} lacks {' and '.join(lacking)}" if lacking else ""


def foreign_engines(plan: Plan) -> list[str]:
    """Those of its engines, sorted, that are neither this teamflow's nor the team file's."""
    from teamflow.engines.registry import ENGINES

    prompts = [step for step in plan.steps if step.kind == PROMPT]
    own = {step.engine for step in prompts if step.custom is None}
    others = {other.engine for step in prompts for other in step.fallbacks if other.custom is None}
    return sorted((own | others) - ENGINES.keys())


def engine_problem(name: str) -> str:
    """Why an engine of that name cannot be used, also where there is none; empty: it can."""
    from teamflow.engines.registry import known

    if not known(name):
        return "there is no such engine here; perhaps a package that brought it is gone"
    return Brought().problem(name)


class _Runnable(Mapping[str, Capabilities]):
    """Looked for when somebody asks, which few runs see."""

    def __getitem__(self, name: str) -> Capabilities:
        if engine_problem(name):
            raise KeyError(name)
        from teamflow.engines.registry import engine

        return engine(name).capabilities

    def __iter__(self) -> Iterator[str]:
        from teamflow.engines.registry import ENGINES, brought

        return (name for name in {**ENGINES, **brought()} if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


RUNNABLE: Final[Mapping[str, Capabilities]] = _Runnable()
"""What every engine can do that is to be had here and that no team file defines, by name."""
