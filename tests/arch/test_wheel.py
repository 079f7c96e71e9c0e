"""The wheel contains everything that it needs: built, installed into a fresh environment, and used there.

`WHEEL=PATH` names one that is built already, of the files as they are: so teams/check.yaml has it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def check(argv: list[str], *, at: Path, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        argv, cwd=at, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one that is named; else built from a clone, so that nothing gets in that git does not know."""
    if "WHEEL" in os.environ:
        return ROOT / os.environ["WHEEL"]
    scratch: Path = tmp_path_factory.mktemp("wheel")
    check(["git", "clone", "--quiet", str(ROOT), "clone"], at=scratch)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    check([*pip, "--wheel-dir", str(scratch), str(scratch / "clone")], at=scratch)
    (found,) = scratch.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    committed = ["git", "ls-tree", "-r", "--name-only", "HEAD", "teamflow"]
    as_they_are = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "teamflow"]
    listed = check(as_they_are if "WHEEL" in os.environ else committed, at=ROOT).splitlines()
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())
    assert inside == set(listed)


@pytest.mark.slow
def test_teamflow_works_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, which sees our dependencies and not our sources."""
    check([sys.executable, "-m", "venv", "--without-pip", "env"], at=tmp_path)
    python = tmp_path / "env/bin/python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    check([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], at=tmp_path)
    site = Path(
        check([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], at=tmp_path).strip()
    )
    only_dependencies(site / "dependencies.pth", tmp_path / "dependencies")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program = str(tmp_path / "env/bin/teamflow")
    version = check([program, "--version"], at=tmp_path, environ=environ)
    assert (
        version == f"teamflow {check([sys.executable, '-c', 'import teamflow; print(teamflow.__version__)'], at=ROOT)}"
    )
    where = check([str(python), "-c", "import teamflow; print(teamflow.__file__)"], at=tmp_path, environ=environ)
    assert Path(where.strip()).is_relative_to(tmp_path)
    for template in ("default", "review"):
        place = tmp_path / template
        check([program, "init", "--template", template, str(place)], at=tmp_path, environ=environ)
        assert "succeeded" in check([program, "run", "--progress", "plain"], at=place, environ=environ)
    assert '"$schema"' in check([program, "schema"], at=tmp_path, environ=environ)
    assert "unknown-key" in check([program, "explain"], at=tmp_path, environ=environ)


def only_dependencies(pth: Path, links: Path) -> None:
    """Lets an environment see the packages of ours, except teamflow itself."""
    links.mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not re.match(r"(__editable__|_?teamflow|_virtualenv|distutils-precedence)", package.name):
            (links / package.name).symlink_to(package)
    pth.write_text(f"{links}\n", encoding="utf-8")


def test_metadata() -> None:
    assert PROJECT["readme"] == "README.md"
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["requires-python"] == ">=3.11"
    assert PROJECT["scripts"] == {"teamflow": "teamflow.__main__:main"}
    classifiers = PROJECT["classifiers"]
    assert "Operating System :: POSIX :: Linux" in classifiers
    assert not [each for each in classifiers if each.startswith("License ::")], "the license is an SPDX expression"
    urls = PROJECT.get("urls", {})
    assert not urls, "there is no public home yet; invent none"


def test_dependencies_are_what_the_package_imports() -> None:
    from tests.arch.source import imports, modules

    names = {"pyyaml": "yaml"}
    comes_with = {"pydantic_core": "pydantic", "referencing": "jsonschema"}
    declared = {re.split(r"[<>=!~\[]", line)[0] for line in PROJECT["dependencies"]}
    modules_of = {names.get(name, name) for name in declared}
    ours = {"teamflow", "keeper"}
    used = {name.split(".")[0] for module in modules() for name, _ in imports(module)}
    outside = used - ours - set(sys.stdlib_module_names)
    assert {comes_with.get(name, name) for name in outside} - modules_of == set(), "imported, not declared"
    assert modules_of - outside == set(), "declared, not imported"
