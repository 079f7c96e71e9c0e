"""Cache keys against the disk: which steps need not run, why the others must, and what is kept of a success.

Decides by content only. A key is looked up when a step is ready, and stored when it succeeded, unless what it reads
was changed under it. Rules: `docs/team-file.md`, "Cache".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor as Pool

from teamflow.core.events import Admitted, Cached, Event, Hit
from teamflow.core.globs import PatternError, covers
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Artifact, Failed, Succeeded
from teamflow.core.plan import Json, Loop, Step
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.plan.key import NO_DIFFERENCE, KeyParts, aspects, difference, value_digest
from teamflow.policy.context import after_context
from teamflow.policy.trees import in_workspace
from teamflow.run.brief import BriefError, Rendering
from teamflow.run.kept import Entry, Reads, ReadsChanged, Results, Witness
from teamflow.run.keys import Keys
from teamflow.run.made import artifacts_of
from teamflow.run.seen import Seen, levels, upstream_of
from teamflow.run.work import Work


class _Asked(NamedTuple):
    """A step whose key is known: as planned, with its deferred parts by value, and what the key is made of."""

    step: Step
    rendered: Step
    parts: KeyParts
    key: str


class Prober:
    """`sweep` before a run, `probe` while it goes on (off the loop), `keep` after a success."""

    def __init__(
        self,
        state: RunState,
        *,
        root: str,
        results: Results,
        reads: Reads,
        run: Mapping[str, Json],
        digest_file: Callable[[str, str, str], Artifact | str],
        use_cache: bool = True,
        force: frozenset[str] = frozenset(),
        work: Work | None = None,
    ) -> None:
        """`digest_file(root, name, path)` gives the artifact, or what is wrong with it."""
        self._state = state
        self._root = root
        self._results = results
        self._reads = reads
        self._keys = Keys(state, reads=reads, run=run, work=work)
        self._work = work
        self._run = run
        self._digest_file = digest_file
        self._pool: Pool | None = None
        self._use_cache = use_cache
        self._force = force
        self._started: dict[str, _Asked] = {}
        self._kept: dict[str, str] = {}
        """Step → the key under which its newest success was kept; it may have been opened again since."""

    # -- before the run --------------------------------------------------------------------------------------

    def sweep(self) -> Cached | None:
        """Every step that is not started because the same work succeeded before, as far as that is known now.

        Goes through the plan once, in order; a step is reached while all it depends on ended, or is a hit here.
        """
        if not self._use_cache:
            return None
        self._look_again()
        handed: dict[str, Entry] = {}
        hits: dict[str, Hit] = {}
        for level in levels(self._state):
            self._hits_among(level, self._seen, hits, handed)
        return Cached(hits) if hits else None

    @property
    def _seen(self) -> Seen:
        return Seen(self._state.steps, self._state.dependents)

    def _sweep_parts(self, step: Step, seen: Seen, handed: Mapping[str, Entry]) -> KeyParts | None:
        known = seen.steps[step.id]
        if known.status not in (Status.PENDING, Status.QUEUED) or known.admitted or not step.cache:
            return None
        if step.deferred or step.condition is not None or step.skip is not None or known.broken:
            return None
        if step.loop is not None and any(name in handed for name in step.refers):
            # Its `until` names results that the state does not have yet.
            return None
        if not self._may_hit(known):
            return None
        upstream = upstream_of(step, seen, handed)
        if upstream is None:
            return None
        try:
            return self._keys.parts(step, self._keys.definition(step, step), upstream, handed)
        except ReadsChanged:
            return None

    def _look_again(self) -> None:
        self._reads.look_again()

    def _may_hit(self, known: StepState) -> bool:
        """What a loop or a person has opened again runs: by its key it would be found as it was."""
        if not self._use_cache or known.has_to_run:
            return False
        return not self._force or (known.step.id not in self._force and known.step.agent not in self._force)

    # -- while it goes on ------------------------------------------------------------------------------------

    async def probe(self, step_ids: Sequence[str]) -> list[Event]:
        """`Cached` or `Admitted` for each step; the disk is read in the pool's thread."""
        import asyncio

        return await asyncio.get_running_loop().run_in_executor(self._pool, self._probe, tuple(step_ids), self._seen)

    def probe_now(self, step_ids: Sequence[str]) -> list[Event]:
        """As `probe`, in this thread."""
        return self._probe(step_ids, self._seen)

    def _probe(self, step_ids: Sequence[str], seen: Seen) -> list[Event]:
        """One `Cached` for all hits and the hits that follow from them, then an `Admitted` for each other step."""
        self._look_again()
        asked: list[_Asked] = []
        events: list[Event] = []
        for step_id in step_ids:
            one = self._ask(seen.steps[step_id].step, seen)
            if isinstance(one, _Asked):
                asked.append(one)
            else:
                events.append(one)
        found = self._look_up([(one.step, one.key) for one in asked if self._may_hit(seen.steps[one.step.id])])
        hits: dict[str, Hit] = {}
        handed: dict[str, Entry] = {}
        missing = self._missing(found)
        for one in asked:
            hit = self._hit(one.step, one.key, found.get(one.step.id), missing, handed)
            if isinstance(hit, Hit):
                hits[one.step.id] = hit
                handed[one.step.id] = found[one.step.id]._replace(left=hit.left)
            else:
                events.append(self._admitted(one, hit, seen.steps[one.step.id]))
        self._follow(seen, hits, handed)
        # However these end: what lies there is then not what their last success has left.
        started = [event.step for event in events if isinstance(event, Admitted)]
        self._results.forget_last([step for step in started if not seen.steps[step].step.any_time])
        return [Cached(hits), *events] if hits else events

    def _follow(self, seen: Seen, hits: dict[str, Hit], handed: dict[str, Entry]) -> None:
        """Adds the steps after `hits` that are hits for that reason, so that they need no probe of their own."""
        newest = list(hits)
        while newest:
            dependents = (edge.on for step_id in newest for edge in seen.dependents[step_id])
            steps = [seen.steps[name].step for name in dict.fromkeys(dependents) if name not in hits]
            newest = self._hits_among(steps, seen, hits, handed)

    def _hits_among(
        self, steps: Iterable[Step], seen: Seen, hits: dict[str, Hit], handed: dict[str, Entry]
    ) -> list[str]:
        """Looks steps up whose dependencies have ended or are in `handed`; the new hits go into both mappings."""
        wanted: list[tuple[Step, str]] = []
        for step in steps:
            parts = self._sweep_parts(step, seen, handed)
            if parts is not None:
                wanted.append((step, parts.digest()))
        found = self._look_up(wanted)
        missing = self._missing(found)
        new: list[str] = []
        for step, key in wanted:
            hit = self._hit(step, key, found.get(step.id), missing, handed)
            if isinstance(hit, Hit):
                hits[step.id] = hit
                handed[step.id] = found[step.id]._replace(left=hit.left)
                new.append(step.id)
        return new

    def _look_up(self, wanted: Sequence[tuple[Step, str]]) -> Mapping[str, Entry]:
        """By step, what the cache has under its key; of steps that are as their last success left them, that alone."""
        lasting = [step.id for step, _ in wanted if not step.any_time]
        if lasting:
            last = self._results.last_keys(lasting)
            wanted = [(step, key) for step, key in wanted if step.any_time or last.get(step.id) == key]
        found = self._results.look_up([key for _, key in wanted])
        return {step.id: found[key] for step, key in wanted if key in found}

    def _missing(self, found: Mapping[str, Entry]) -> Sequence[Artifact]:
        # What was left in a workspace is in a commit.
        here = (entry for entry in found.values() if entry.left is None)
        return self._reads.missing([artifact for entry in here for artifact in entry.artifacts])

    def _ask(self, step: Step, seen: Seen) -> _Asked | Admitted:
        try:
            rendered = self._keys.rendered(step)
            definition = self._keys.definition(step, rendered)
            parts = self._keys.parts(rendered, definition, self._keys.upstream(step, seen.steps))
        except (ReadsChanged, BriefError) as error:
            self._started.pop(step.id, None)
            return Admitted(step.id, None, f"no key: {error}")
        return _Asked(step, rendered, parts, parts.digest())

    def _admitted(self, asked: _Asked, why: str, known: StepState) -> Admitted:
        """It will run. What its definition was made of is only worth digesting now, for who asks what changed."""
        step, key = asked.step, asked.key
        parts = asked.parts._replace(aspects=aspects(asked.rendered))
        self._started[step.id] = asked._replace(parts=parts)
        if known.has_to_run:
            return Admitted(step.id, key, known.reason)
        if not self._may_hit(known):
            return Admitted(step.id, key, "--force" if self._use_cache else "--no-cache")
        before = self._results.last_parts(step.id)
        if why or before is None:
            return Admitted(step.id, key, why or "never ran")
        told = difference(before, parts)
        return Admitted(step.id, key, "its last result was not kept" if told == NO_DIFFERENCE else told)

    def _hit(
        self, step: Step, key: str, entry: Entry | None, missing: Sequence[Artifact], handed: Mapping[str, Entry]
    ) -> Hit | str:
        """The hit, or why there is none (empty: the key is not there). `missing`: of all entries found with it."""
        if entry is None:
            return ""
        if step.text_used and entry.text is None:
            return "its text was not kept"
        if step.loop is not None and (asks := self._asks_again(step, step.loop, entry)):
            return asks
        gone = [artifact for artifact in entry.artifacts if artifact in missing] if missing else ()
        trouble = self._results.restore(gone, self._root) if gone else None
        if trouble is not None:
            return trouble
        left = self._work.found(step, entry, handed) if self._work is not None and in_workspace(step) else None
        if isinstance(left, str):
            return left
        where = f" (run {entry.origin[0]})" if entry.origin else ""
        text = entry.text if step.text_used else None
        why = f"unchanged since it succeeded{where}"
        return Hit(key, why, text, entry.outputs or None, entry.artifacts, entry.origin, left)

    def _asks_again(self, step: Step, loop: Loop, entry: Entry) -> str:
        """Why a result of a step with a loop is not the last one; empty when its `until` holds."""
        context = after_context(self._state, step, run=self._run, outputs=entry.outputs, text=entry.text)
        # Imported here: most runs have no loop.
        from teamflow.policy.rework import is_over

        over = is_over(loop, context)
        if isinstance(over, str):
            return over
        return "" if over else f"by its last result `{loop.until}` was false"

    def work_in(self, pool: Pool) -> None:
        """From now on `probe` reads the disk in this pool."""
        self._pool = pool

    def witness(self) -> Witness | None:
        """What the last look at files rests on, as stats; None where they prove nothing."""
        return self._reads.witness()

    def close(self) -> None:
        """Keeps what was learnt about files; the calling thread's connections are closed."""
        self._reads.save()
        self._results.close()

    # -- while somebody watches ------------------------------------------------------------------------------

    def now(self, step_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """(key, what changed in it since the step's last look-up) of steps as their files are now; "" for no key."""
        self._look_again()
        if self._work is not None:
            self._work.look_again()
        found: dict[str, tuple[str, str]] = {}
        seen = self._seen
        for step_id in step_ids:
            known = seen.steps.get(step_id)
            one = self._ask(known.step, seen) if known is not None else None
            if isinstance(one, Admitted):
                found[step_id] = ("", one.reason)
            elif one is not None:
                started = self._started.get(step_id)
                before = started.parts if started is not None else self._results.last_parts(step_id)
                found[step_id] = (one.key, "" if before is None else difference(before, one.parts))
        return found

    def distrust(self, step_ids: Iterable[str]) -> None:
        """What is kept of their newest success says nothing: what they read was otherwise for a moment."""
        for step_id in step_ids:
            known = self._state.steps.get(step_id)
            for key in {self._kept.get(step_id), known.key if known is not None else None} - {None}:
                self._results.drop(str(key), step_id)

    def places(self, patterns: Iterable[Sequence[str]]) -> frozenset[str]:
        """Directories in which a change can make a difference to what these patterns stand for."""
        self._look_again()
        return self._reads.places(patterns)

    # -- after a success -------------------------------------------------------------------------------------

    def artifacts(self, step: Step, rendering: Rendering, *, root: str) -> tuple[Artifact, ...] | Failed:
        return artifacts_of(step, rendering, root, self._digest_file)

    def tree(self, step: Step, attempt: int) -> str:
        """Digest of the files that the step works on as they are now: those that it may write, else all that git does
        not ignore and those that it reads. Empty where none of this is known, or they cannot be read."""
        rendering = Rendering(self._state, step, run=self._run, attempt=attempt)
        try:
            self._look_again()
            globs = [rendering.text(value, key="writes") for value in step.writes]
            if globs:
                return value_digest(sorted(self._reads.digests(globs).items()))
            globs = [rendering.text(value, key="reads") for value in step.reads or ()]
            found = self._all_files()
            if found is None and not globs:
                return ""
            return value_digest(sorted({**(found or {}), **self._reads.digests(globs)}.items()))
        except (ReadsChanged, BriefError):
            return ""

    def _all_files(self) -> Mapping[str, str] | None:
        """Everything that git does not ignore; None outside git."""
        try:
            return self._reads.digests(None)
        except ReadsChanged:
            return None

    def keep(self, known: StepState, attempt: int, outcome: Succeeded) -> tuple[str | None, str]:
        """Stores the result under its key; (None, why) when what the step reads was changed under it."""
        key, why = self._keep(known, attempt, outcome)
        if key is None:
            self._results.forget_last([known.step.id])
        else:
            self._kept[known.step.id] = key
        return key, why

    def _keep(self, known: StepState, attempt: int, outcome: Succeeded) -> tuple[str | None, str]:
        started = self._started.get(known.step.id)
        if started is None or started.key != known.key:
            # Another runner has looked it up for this attempt, or it has become another step since.
            started = self._asked_again(known)
        if started is None:
            return None, "not cached: what it read when it began is not known any more"
        step, parts = started.rendered, started.parts
        if in_workspace(step):
            return self._keep_work(known, attempt, outcome, started)
        try:
            self._look_again()
            after = self._reads.digests(None if step.reads is None else [str(p) for p in step.reads])
        except ReadsChanged as error:
            return None, f"not cached: {error}"
        own = {artifact.path for artifact in outcome.artifacts}
        changed = [path for path in sorted({*parts.reads, *after}) if parts.reads.get(path) != after.get(path)]
        try:
            foreign = [path for path in changed if path not in own and not covers(map(str, step.writes), path)]
        except PatternError as error:
            return None, f"not cached: writes: {error}"
        if foreign:
            more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
            return None, f"not cached: {foreign[0]}{more} changed while it ran"
        return self._stored(step, parts._replace(reads=after), attempt, outcome, root=self._root), ""

    def _keep_work(self, known: StepState, attempt: int, outcome: Succeeded, started: _Asked) -> tuple[str | None, str]:
        """Of a step in a workspace, where nobody else changes what it reads: by the commit that it really began at."""
        ready, patterns = known.attempts[attempt - 1].ready, started.rendered.reads
        why = (
            self._work.why_not_kept(outcome, known, attempt) if self._work is not None else "not cached: no repository"
        )
        if why or ready is None or self._work is None:
            return None, why
        try:
            reads = self._work.reads_of(ready.base, None if patterns is None else [str(p) for p in patterns])
        except ReadsChanged as error:
            return None, f"not cached: {error}"
        return self._stored(
            started.rendered, started.parts._replace(reads=reads), attempt, outcome, root=ready.path
        ), ""

    def _stored(self, step: Step, parts: KeyParts, attempt: int, outcome: Succeeded, *, root: str) -> str:
        key = parts.digest()
        number = self._run.get("number")
        origin = (number, attempt) if isinstance(number, int) else None
        entry = Entry(outcome.text, outcome.outputs or {}, outcome.artifacts, origin, outcome.left)
        self._results.store(key, entry, parts=parts, step=step.id, root=root)
        return key

    def _asked_again(self, known: StepState) -> _Asked | None:
        """For an attempt that another runner began: what its key was made of, if that is still so."""
        if known.key is None:
            return None
        self._look_again()
        asked = self._ask(known.step, self._seen)
        if isinstance(asked, Admitted) or asked.key != known.key:
            return None
        return asked._replace(parts=asked.parts._replace(aspects=aspects(asked.rendered)))
