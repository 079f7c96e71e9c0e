"""What `run` would do now, without doing any of it: the plan, what the newest run left, what the cache holds.

Starts, records, restores and overwrites nothing. The same rules as `run`: `plan/converge.py` and `run/probe.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from teamflow.app.cachework import CacheResults, ProjectReads, file_artifact
from teamflow.app.compile import Compiled, Request, compile_team, inputs_digest
from teamflow.app.launch import RunOptions, compile_run
from teamflow.app.moved import moved_notes
from teamflow.app.preflight import plan_notes
from teamflow.app.project import find_source, project_of
from teamflow.app.session import FINISHED, read_state
from teamflow.app.trees import opener
from teamflow.app.uncommitted import start_notes
from teamflow.app.unset import unset_notes
from teamflow.core.added import effective
from teamflow.core.events import Admitted, Cached, Event, PlanRevised, Record, StepsAdded
from teamflow.core.fold import apply, initial
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Artifact
from teamflow.core.plan import Plan, Step
from teamflow.core.state import RunState
from teamflow.core.status import Status
from teamflow.plan.converge import Converged, reopen
from teamflow.plan.diff import compare
from teamflow.plan.explain import CACHED, SKIP, Preview, Probe, preview
from teamflow.policy.expand import expanded
from teamflow.policy.trees import in_workspace
from teamflow.run.probe import Prober
from teamflow.run.work import Work
from teamflow.store.layout import Layout
from teamflow.store.lock import holder_of
from teamflow.store.sqlite import Database
from teamflow.workspaces.artifacts import file_facts
from teamflow.workspaces.errors import WorkspaceError


class Shown(NamedTuple):
    """`preview` is None when the file has errors; `root`: the project. `note`: what to know besides, for people."""

    compiled: Compiled
    preview: Preview | None
    root: str
    note: str = ""


def preview_team(options: RunOptions, *, environ: Mapping[str, str], directory: str) -> Shown:
    """Raises NoTeamFile, StoreError."""
    path = find_source(options.file, directory)
    root = project_of(os.path.dirname(path)).root
    file = os.path.relpath(path, root)
    database = Database.find(root, allow_network=environ.get("TEAMFLOW_ALLOW_NETWORK_FS") == "1")
    if database is None:
        compiled = compile_team(root, _request(file, options), directory=None, to_run=True)
        if compiled.plan is None:
            return Shown(compiled, None, root)
        return _noted(Shown(compiled, _fresh(compiled.plan, Layout(root), options), root), environ, directory)
    with database:
        compiled = compile_run(database, file, options)
        if compiled.plan is None:
            return Shown(compiled, None, root)
        return _noted(_beside_runs(database, compiled, compiled.plan, options), environ, directory)


def _noted(shown: Shown, environ: Mapping[str, str], directory: str) -> Shown:
    found = shown.preview
    if found is None:
        return shown
    notes = list(start_notes(found.plan, shown.root) if found.has_work else ())
    notes += unset_notes(found.plan, root=shown.root, environ=environ) if found.has_work else []
    notes += plan_notes(found.plan, _to_do(found), root=shown.root, directory=directory, environ=environ)
    return shown._replace(preview=found._replace(notes=(*found.notes, *notes))) if notes else shown


def steps_to_do(database: Database, compiled: Compiled, options: RunOptions) -> list[Step]:
    """The steps that a run may start; not those that are done, or are known from the cache. Empty without a plan."""
    plan = compiled.plan
    shown = None if plan is None else _beside_runs(database, compiled, plan, options).preview
    return [] if shown is None else _to_do(shown)


def _to_do(found: Preview) -> list[Step]:
    return [line.step for line in found.lines if line.action.kind not in (CACHED, SKIP)]


def _request(file: str, options: RunOptions) -> Request:
    return Request(file, options.inputs, {}, options.steps, options.since, options.until, options.overrides)


def _fresh(plan: Plan, layout: Layout, options: RunOptions) -> Preview:
    state = initial(plan)
    looked = _look(state, layout, options)
    return preview(state.plan, probes=looked.probes, expanded=looked.expanded)


def _beside_runs(database: Database, compiled: Compiled, plan: Plan, options: RunOptions) -> Shown:
    layout = database.layout
    row = None if options.new else database.newest_run(file=plan.file, inputs_digest=inputs_digest(plan.inputs))
    if row is None or row.status in FINISHED:
        return Shown(compiled, _fresh(plan, layout, options), layout.root)
    state, plans = read_state(database, row.number)
    converged = _converge(state, plans, plan)
    note = f"goes on with run {row.number} ({'not ended' if row.status in ('created', 'running') else row.status})"
    holder = holder_of(layout, row.number)
    if holder is not None:
        note = f"run {row.number} is alive, held by {holder}: this is what it has left to do"
    looked = _look(state, layout, options)
    shown = preview(state.plan, probes=looked.probes, converged=converged, expanded=looked.expanded)
    return Shown(compiled, shown._replace(notes=moved_notes(state, layout.root)), layout.root, note)


def _converge(state: RunState, plans: dict[int, Plan], plan: Plan) -> Converged:
    """What becomes of the run's steps; `state` is then as `run` would have it before it starts anything."""
    current = plans[max(plans)]
    changes = compare(effective(current, state.added), effective(plan, state.added))
    if current.digest != plan.digest:
        revision = max(plans) + 1
        plans[revision] = plan
        _take(state, PlanRevised(revision, ""), plans)
    converged = reopen(state, state.plan, changes)
    for event in converged.events():
        _take(state, event, plans)
    return converged


def _take(state: RunState, event: Event, plans: dict[int, Plan] | None = None) -> None:
    apply(state, Record(state.seq + 1, 0.0, 0.0, event), plans=plans)


# -- the cache ---------------------------------------------------------------------------------------------------


class _Looking(CacheResults):
    """The cache as it is: what would be put back counts as put back."""

    def restore(self, artifacts: Sequence[Artifact], root: str) -> str | None:
        for artifact in artifacts:
            try:
                facts = file_facts(root, artifact.path)
            except WorkspaceError as error:
                if error.code == "missing":
                    continue
                return str(error)
            if facts.digest != artifact.digest:
                return f"{artifact.path} differs from what this step made"
        return None

    def forget_last(self, steps: Sequence[str]) -> None:
        """Nothing is started."""


class _Looked(NamedTuple):
    """What a look at the cache gives for every step whose key can be known before anything has run; and which steps
    could be expanded, because what their instances depend on is there already."""

    probes: dict[str, Probe]
    expanded: set[str]


def _look(state: RunState, layout: Layout, options: RunOptions) -> _Looked:
    """`state` is then as a run would have it that has started nothing."""
    looked = _Looked({}, set())
    prober = _prober(state, layout, options)
    sweep = prober.sweep() if prober is not None else None
    events: list[Event] = [sweep] if sweep is not None else []
    while True:
        for event in events:
            _take(state, event)
            looked.probes.update(_told(event))
        added = _expanded(state)
        for each in added:
            _take(state, each)
            looked.expanded.add(each.parent)
        ready = _ready(state)
        if prober is not None and ready:
            events = prober.probe_now(ready)
        elif added:
            events = []
        else:
            break
    if prober is None:
        never = (step.id for step in state.plan.steps if step.cache and step.expansion is None)
        looked.probes.update((step_id, Probe(hit=False, reason="never ran")) for step_id in never)
    return looked


def _prober(state: RunState, layout: Layout, options: RunOptions) -> Prober | None:
    """None where there is nothing to look for, or nothing to look at."""
    if not os.path.isdir(layout.cache) or not any(step.cache for step in state.plan.steps):
        return None
    results = _Looking(layout.root, directory=layout.cache, team_file=state.plan.file, warn=lambda message: None)
    return Prober(
        state,
        root=layout.root,
        results=results,
        reads=ProjectReads(layout.root, results=results),
        run={},
        digest_file=file_artifact,
        use_cache=options.use_cache,
        force=frozenset(options.force),
        work=Work(state, opener(layout.root, {}, os.environ)) if any(map(in_workspace, state.plan.steps)) else None,
    )


def _expanded(state: RunState) -> list[StepsAdded]:
    """Steps whose instances are certain: what they depend on has ended, or is unchanged."""
    found: list[StepsAdded] = []
    for step in state.base.steps:
        known = state.steps[step.id]
        if step.expansion is not None and known.status in (Status.PENDING, Status.QUEUED) and step.skip is None:
            event = expanded(state, known, step.expansion, run={})
            if isinstance(event, StepsAdded):
                found.append(event)
    return found


def _ready(state: RunState) -> list[str]:
    """Steps whose turn it is and whose key nobody has looked up; an `if` over results is not settled here."""
    return [
        step_id
        for step_id, known in state.steps.items()
        if known.status is Status.QUEUED and not known.admitted and known.step.cache and known.step.condition is None
    ]


def _told(event: Event) -> dict[str, Probe]:
    match event:
        case Cached(hits=hits):
            return {step_id: Probe(hit=True, reason=hit.reason) for step_id, hit in hits.items()}
        case Admitted(step=step, reason=reason):
            return {step: Probe(hit=False, reason=reason)}
        case _:
            return {}
