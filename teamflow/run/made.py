"""The files that a step has declared as outputs, as they are when it is done."""

from __future__ import annotations

from collections.abc import Callable

from teamflow.core.outcome import Artifact, Failed, FailureClass
from teamflow.core.plan import Step
from teamflow.run.brief import Rendering


def artifacts_of(
    step: Step, rendering: Rendering, root: str, digest_file: Callable[[str, str, str], Artifact | str]
) -> tuple[Artifact, ...] | Failed:
    """Those below `root`; what is missing fails the attempt (class `output`). Raises BriefError."""
    found: list[Artifact] = []
    for file in step.outputs.files:
        path = rendering.path(file.path, key=f"outputs.{file.name}")
        artifact = digest_file(root, file.name, path)
        if isinstance(artifact, str):
            reason = f"outputs.{file.name}: {artifact}"
            return Failed(FailureClass.OUTPUT, reason, detail=f"The file {path} must exist when you are done.")
        found.append(artifact)
    return tuple(found)
