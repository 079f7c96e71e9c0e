"""Implements `ports.Shelf` in the directory of a run: what is kept goes with the run."""

from __future__ import annotations

from teamflow.core.outcome import Artifact
from teamflow.ports import GONE, PUT


class RunShelf:
    """`directory`: of the contents, by their sha256; made with the first of them."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def keep(self, root: str, artifact: Artifact) -> None:
        # Imported here: most runs keep nothing.
        from teamflow.store.objects import Objects
        from teamflow.workspaces.artifacts import file_facts
        from teamflow.workspaces.errors import WorkspaceError

        try:
            facts = file_facts(root, artifact.path, keep=Objects(self._directory).add)
        except WorkspaceError as error:
            raise OSError(error.reason) from error
        if facts.digest != artifact.digest:
            raise OSError("it was changed while the step came to its end")

    def put(self, root: str, artifact: Artifact) -> str:
        from teamflow.store.objects import Objects
        from teamflow.workspaces.artifacts import Restored, restore
        from teamflow.workspaces.errors import WorkspaceError

        contents = Objects(self._directory).open
        try:
            done = restore(root, artifact.path, digest=artifact.digest, mode=artifact.mode, contents=contents)
        except WorkspaceError as error:
            raise OSError(error.reason) from error
        return {Restored.PUT: PUT, Restored.GONE: GONE}.get(done, "")
