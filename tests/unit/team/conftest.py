"""Teams from texts: a fixture that loads a few files as one project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from teamflow.team.load import load
from teamflow.team.loaded import Loaded, LoadedTeam


class Texts:
    """Defining files held in a map; a path that is not there is missing as a file is."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self._files = files

    def read(self, path: str) -> bytes:
        if path not in self._files:
            raise FileNotFoundError(2, "No such file or directory", path)
        content = self._files[path]
        return content.encode() if isinstance(content, str) else content


class Directory:
    """Defining files below a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()


@pytest.fixture
def read() -> Callable[..., Loaded]:
    """Loads `team.yaml` out of a text, or out of a map of files."""

    def load_files(files: str | bytes | Mapping[str, str | bytes], path: str = "team.yaml") -> Loaded:
        return load(path, sources=Texts(files if isinstance(files, Mapping) else {path: files}))

    return load_files


@pytest.fixture
def team(read: Callable[..., Loaded]) -> Callable[..., LoadedTeam]:
    """Loads a team that must be right."""

    def load_right(files: str | Mapping[str, str | bytes], path: str = "team.yaml") -> LoadedTeam:
        loaded = read(files, path)
        assert [f"{item.code}: {item.message}" for item in loaded.diagnostics] == []
        assert loaded.team is not None
        return loaded.team

    return load_right


@pytest.fixture
def complaints(read: Callable[..., Loaded]) -> Callable[..., list[tuple[str, int, int]]]:
    """Code, line and column of everything wrong with a team, in order."""

    def load_wrong(
        files: str | bytes | Mapping[str, str | bytes], path: str = "team.yaml"
    ) -> list[tuple[str, int, int]]:
        found = read(files, path).diagnostics
        return [(item.code, item.span.line, item.span.column) for item in found if item.span is not None]

    return load_wrong


@pytest.fixture
def examples() -> Directory:
    return Directory(Path(__file__).parent / "examples")
