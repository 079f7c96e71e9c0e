"""The agent CLIs of the slow tests: pinned, from any registry, and never half installed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.fakes import clis
from tests.fakes.models import Models


def lock() -> dict[str, dict[str, object]]:
    packages: dict[str, dict[str, object]] = json.loads((clis.LISTED / "package-lock.json").read_text())["packages"]
    return packages


def test_every_cli_is_pinned_and_locked() -> None:
    wanted = json.loads((clis.LISTED / "package.json").read_text())["dependencies"]
    assert sorted(wanted) == sorted(clis.CLIS.values())
    assert {package: lock()[f"node_modules/{package}"]["version"] for package in wanted} == wanted


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (clis.LISTED / "package-lock.json").read_text()


def test_what_runs_here_has_a_checksum() -> None:
    ours = [name for name, entry in lock().items() if name and entry.get("os", ["linux"]) == ["linux"]]
    odd = [name for name in ours if "integrity" not in lock()[name]]
    assert all(name.startswith("node_modules/opencode-linux-") and not name.endswith("-x64") for name in odd)


def test_half_installed_is_not_installed(tmp_path: Path) -> None:
    assert not clis.installed(tmp_path)
    (tmp_path / "node_modules").mkdir()
    listing = tmp_path / "node_modules/.package-lock.json"
    listing.write_text("{")
    assert not clis.installed(tmp_path)
    packages = {f"node_modules/{clis.CLIS[name]}": {"version": version} for name, version in clis.versions().items()}
    listing.write_text(json.dumps({"packages": packages}))
    assert clis.installed(tmp_path)
    packages["node_modules/@openai/codex"]["version"] = "0.0.1"
    listing.write_text(json.dumps({"packages": packages}))
    assert not clis.installed(tmp_path)


@pytest.mark.parametrize("name", clis.ENVIRONMENTS)
def test_environments_are_made_from_nothing(name: str, tmp_path: Path) -> None:
    with Models() as server:
        made = clis.ENVIRONMENTS[name](server, tmp_path / "home", agent="one")
        assert server.key("one") in json.dumps(made)
        assert made["HOME"] == str(tmp_path / "home")
    shown = subprocess.run(["env"], env=made, capture_output=True, text=True, check=True).stdout
    assert "PYTEST" not in shown
