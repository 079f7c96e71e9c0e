"""How a step's cache key is made: its definition with deferred parts by value, what it reads, what it is handed."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_

from teamflow.core.plan import Deferred, Json, Step, Tree
from teamflow.core.state import RunState, StepState
from teamflow.plan.key import KeyParts, Upstream, definition_key, outputs_digest, value_digest
from teamflow.policy.trees import in_workspace
from teamflow.run.brief import Rendering
from teamflow.run.kept import Entry, Reads
from teamflow.run.seen import handed_by
from teamflow.run.work import Work


class Keys:
    """Reads the disk through `reads`; raises ReadsChanged and BriefError."""

    def __init__(self, state: RunState, *, reads: Reads, run: Mapping[str, Json], work: Work | None = None) -> None:
        self._state = state
        self._reads = reads
        self._run = run
        self._work = work
        self._handed: tuple[dict[str, tuple[Entry, Upstream]], dict[str, tuple[Entry, Upstream]]] = ({}, {})
        """What was digested last of a dependency, without its text and with it: all its dependents want the same."""

    def rendered(self, step: Step) -> Step:
        """The step with its deferred parts by value, as they are without feedback."""
        if not step.deferred:
            return step
        rendering = Rendering(self._state, step, run=self._run, attempt=1, for_key=True)
        command = None if step.command is None else rendering.command(step.command, key="command")
        files = tuple(
            file._replace(path=rendering.path(file.path, key="outputs")) if isinstance(file.path, Deferred) else file
            for file in step.outputs.files
        )
        return step._replace(
            prompt=None if step.prompt is None else rendering.text(step.prompt, key="prompt"),
            command=command,
            env=tuple((name, rendering.text(value, key=f"env.{name}")) for name, value in step.env),
            outputs=step.outputs._replace(files=files),
            reads=None if step.reads is None else tuple(rendering.path(value, key="reads") for value in step.reads),
            writes=tuple(rendering.path(value, key="writes") for value in step.writes),
            workdir=rendering.path(step.workdir, key="workdir"),
            tree=None if step.tree is None else _tree(step.tree, rendering),
        )

    def definition(self, step: Step, rendered: Step) -> str:
        """Digest of the definition. What a run has added is keyed as if it had been planned."""
        return step.key if rendered is step and step.parent is None else definition_key(rendered)

    def upstream(self, step: Step, steps: Mapping[str, StepState]) -> dict[str, Entry]:
        """What the dependencies hand over; one that was expanded has nothing of its own."""
        known = ((edge.on, steps[edge.on]) for edge in step.counted_edges)
        return {on: handed_by(dep) for on, dep in known if dep.step.expansion is None}

    def parts(
        self, step: Step, definition: str, upstream: Mapping[str, Entry], found: Mapping[str, Entry] | None = None
    ) -> KeyParts:
        """`found`: all that this look at the cache has found so far."""
        patterns = None if step.reads is None else tuple(map(str, step.reads))
        texts = step.needs_text
        handed = {name: self._digested(name, value, text=name in texts) for name, value in upstream.items()}
        if self._work is not None and in_workspace(step):
            return KeyParts(definition, self._work.reads(step, patterns, found or {}), handed)
        return KeyParts(definition, self._reads.digests(patterns), handed)

    def _digested(self, name: str, handed: Entry, *, text: bool) -> Upstream:
        known = self._handed[text].get(name)
        if known is not None and (known[0] is handed or all(map(is_, known[0], handed))):
            return known[1]
        made = _upstream_digest(handed, text=text)
        self._handed[text][name] = (handed, made)
        return made


def _tree(tree: Tree, rendering: Rendering) -> Tree:
    return tree._replace(
        copy=tuple(rendering.path(value, key="workspace.copy") for value in tree.copy),
        repo=None if tree.repo is None else rendering.text(tree.repo, key="workspace.repo"),
    )


def _upstream_digest(handed: Entry, *, text: bool) -> Upstream:
    return Upstream(
        outputs_digest(handed.outputs),
        {artifact.name: artifact.digest for artifact in handed.artifacts},
        value_digest(handed.text or "") if text else None,
    )
