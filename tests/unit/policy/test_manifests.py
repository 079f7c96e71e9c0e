"""New dependencies, by name: what each format declares, and what is nothing new."""

from __future__ import annotations

import pytest

from teamflow.core.plan import DiffPolicy
from teamflow.core.work import Change
from teamflow.policy.edits import judged
from teamflow.policy.manifests import LARGEST, manifest_of, names_in

POLICY = DiffPolicy(None, ("new_dependency",))


def names(path: str, text: str) -> set[str] | None:
    manifest = manifest_of(path)
    assert manifest is not None
    found = names_in(manifest, text.encode())
    return None if found is None else set(found)


def complaint(*files: tuple[str, str | None, str | None]) -> str:
    """Of (path, before, after)."""
    before = {path: text for path, text, _ in files if text is not None}
    after = {path: text for path, _, text in files if text is not None}

    def read(path: str, *, after: bool = False, contents: tuple[dict[str, str], ...] = (before, after)) -> bytes | None:
        text = contents[after].get(path)
        return None if text is None else text.encode()

    kinds = {(True, True): "M", (True, False): "D", (False, True): "A"}
    changes = [
        Change(path, kinds[old is not None, new is not None], 0 if new is None else 1, 0 if old is None else 1)
        for path, old, new in files
    ]
    found = judged(changes, writes=(), diff=POLICY, read=read)
    return "" if found is None else found.reason


PYPROJECT = """
[build-system]
requires = ["hatchling>=1"]
[project]
dependencies = ["Click >= 8", "my.lib[extra]; python_version < '3.12'", "x @ git+https://e.org/x"]
[project.optional-dependencies]
dev = ["pytest~=8.0"]
[dependency-groups]
lint = ["ruff", {include-group = "dev"}]
[tool.poetry.dependencies]
python = "^3.11"
Django_Rest = {version = "1"}
[tool.poetry.group.docs.dependencies]
sphinx = "*"
[tool.uv]
dev-dependencies = ["mypy"]
"""


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "package.json",
            '{"name": "n", "dependencies": {"a": "^1"}, "devDependencies": {"@s/b": "1"}, "peerDependencies": {"c": 1},'
            ' "optionalDependencies": {"d": "npm:@evil/pkg@2"}, "scripts": {"e": "x"}}',
            {"a", "@s/b", "c", "d", "@evil/pkg"},
        ),
        ("package.json", '{"dependencies": ["a"]}', set()),
        ("package.json", "[]", set()),
        (
            "pyproject.toml",
            PYPROJECT,
            {"hatchling", "click", "my-lib", "x", "pytest", "ruff", "django-rest", "sphinx", "mypy"},
        ),
        (
            "requirements-dev.txt",
            "# c\nA_b.c==1 --hash=x \\\n  --hash=y\n-r base.txt\n-c con.txt\n--index-url https://e\n"
            "-e git+https://e.org/x#egg=Egg\nhttps://e.org/w.whl # note\n./local\nz[q]>=2 ; sys_platform=='x'\n",
            {"a-b-c", "-r base.txt", "egg", "https://e.org/w.whl", "./local", "z"},
        ),
        ("requirements/base.in", "flask\n", {"flask"}),
        ("Pipfile", '[packages]\nA = "*"\n[dev-packages]\nb = "*"\n[requires]\npython_version = "3"\n', {"a", "b"}),
        (
            "setup.cfg",
            "[flake8]\nx = 1\n[options]\npython_requires = >=3\ninstall_requires =\n  a>=1\n  b\n"
            "[options.extras_require]\nt = c\n",
            {"a", "b", "c"},
        ),
        (
            "Cargo.toml",
            '[dependencies]\na_b = "1"\nr = {package = "real", version = "1"}\n[dev-dependencies.c]\nversion = "1"\n'
            '[target."cfg(unix)".dependencies]\nnix = "1"\n[workspace.dependencies]\nw = "1"\n[build-dependencies]\n'
            'cc = "1"\n',
            {"a-b", "real", "c", "nix", "w", "cc"},
        ),
        (
            "go.mod",
            "module m\ngo 1.22\nrequire e.org/a v1 // x\nrequire (\n\te.org/b/v2 v2.0.0\n\te.org/c v1 // indirect\n)\n"
            "replace e.org/a => e.org/fork v1\nreplace (\n e.org/b/v2 v2.0.0 => ../b\n)\n",
            {"e.org/a", "e.org/b/v2", "e.org/c", "e.org/fork"},
        ),
        (
            "Gemfile",
            "source 'https://e.org'\n# gem 'no'\ngem 'rails', '~> 7' # a gem\ngroup :test do\n  gem(\"rspec\")\nend\n",
            {"rails", "rspec"},
        ),
        ("Gemfile", "%w[a b].each { |n| gem n }\n", None),
        ("Gemfile", "gem ENV['X']\n", None),
        ("x.gemspec", "spec.add_dependency 'a'\ns.add_development_dependency('b', '1')\n", {"a", "b"}),
        ("composer.json", '{"require": {"php": "8", "ext-x": "*", "A/b": "1"}, "require-dev": {"c/d": "1"}}',
         {"a/b", "c/d"}),
        ("pom.xml", "<project/>", None),
        ("package.json", "{", None),
        ("package.json", "[" * 100_000, None),
        ("pyproject.toml", "x = " + "[" * 100_000, None),
        ("pyproject.toml", "=", None),
        ("setup.cfg", "x", None),
        ("package.json", " " * LARGEST + "{}", None),
        ("package.json", '{"dependencies": {"a": 1' + "0" * 5000 + "}}", None),
    ],
)  # fmt: skip
def test_names_that_are_declared(path: str, text: str, expected: set[str] | None) -> None:
    assert names(path, text) == expected


def test_another_version_is_nothing_new() -> None:
    assert not complaint(("package.json", '{"dependencies": {"a": "1"}}', '{"dependencies": {"a": "2"}}'))
    assert not complaint(("requirements.txt", "A-b==1\n", "a_b==2\n"))
    assert not complaint(("package.json", '{"dependencies": {"a": "1"}}', "{}"))
    assert not complaint(("package.json", "{}", '{"scripts": {"x": "y"}}'), ("package-lock.json", "{}", "{ }"))
    assert not complaint(("go.mod", "module m\n", None))


def test_a_new_name_is_told_with_its_file() -> None:
    found = complaint(("web/package.json", '{"dependencies": {"a": "1"}}', '{"dependencies": {"a": "1", "b\\n": "1"}}'))
    assert found == 'diff: new dependency: "b\\n" (web/package.json)'
    found = complaint(("Cargo.toml", None, '[dependencies]\nserde = "1"\nrand = "1"\n'))
    assert found == "diff: new dependency: rand (Cargo.toml) and 1 more"


def test_a_manifest_that_moved_declares_nothing_new() -> None:
    text = '{"dependencies": {"a": "1"}}'
    assert not complaint(("a/package.json", text, None), ("b/package.json", None, text))
    assert complaint(("a/go.mod", text, None), ("b/package.json", None, text))


@pytest.mark.parametrize("path", ["pom.xml", "App.csproj", "app/build.gradle.kts", "setup.py", "packages.lock.json"])
def test_a_format_that_is_not_understood_has_changed(path: str) -> None:
    assert complaint((path, "a", "b")) == f"diff: dependencies changed: {path}"
    assert not complaint((path, "a", None))


def test_what_became_unreadable_has_changed() -> None:
    assert complaint(("package.json", "{}", "{")) == "diff: dependencies changed: package.json"
    assert complaint(("package.json", "{", "{}")) == "diff: dependencies changed: package.json"


@pytest.mark.parametrize("path", ["package.json", "x/yarn.lock", "go.sum", "pylock.dev.toml", "uv.lock", "a.csproj"])
def test_without_contents_every_line_that_came_counts(path: str) -> None:
    found = judged([Change(path, "M", 1, 0)], writes=(), diff=POLICY)
    assert found is not None
    assert found.reason == f"diff: dependencies changed: {path}"
    assert judged([Change(path, "M", 0, 4), Change("src/x", "A", 9)], writes=(), diff=POLICY) is None
    assert judged([Change(path, "D", 0, 4)], writes=(), diff=POLICY) is None
