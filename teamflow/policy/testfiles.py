"""Which files are tests, by the names and directories that test runners go by. Reads no file.

By runner, with the page that says so:

- pytest (docs.pytest.org, "Conventions for Python test discovery"): `test_*.py`, `*_test.py`.
- unittest, Django (docs.python.org, unittest, "Test Discovery"): `test*.py`.
- Jest (jestjs.io, `testMatch`): in JavaScript and TypeScript `*.test.*`, `*.spec.*`, `test.*`, `spec.*`, and all below
  `__tests__/`. Vitest (vitest.dev, `include`): the first two. Mocha (mochajs.org, "The test directory"): `test/*.js`.
- Go (pkg.go.dev/testing): `*_test.go`.
- Rust (doc.rust-lang.org, The Book, 11.3): all below `tests/`; the modules `tests.rs`, `test.rs`.
- JUnit by Maven and Gradle (maven.apache.org, "Standard Directory Layout"; docs.gradle.org, "Testing in Java & JVM
  projects"): sources below `src/test/` and other source sets that end in `Test`. Elsewhere (maven.apache.org, surefire
  `includes`): `*Test`, `*Tests`, `*TestCase` in `.java`, `.kt`, `.groovy`, `.scala`.
- RSpec (rspec.info, `--pattern`): `*_spec.rb`. minitest (guides.rubyonrails.org, "Testing"; rake's `TestTask`):
  `*_test.rb`, `test_*.rb`.
- C# (learn.microsoft.com, "Unit testing C# in .NET"): `*Test.cs`, `*Tests.cs`, and sources below a directory that ends
  in `.Test`, `.Tests`, `.UnitTests`, `.IntegrationTests`.
- PHPUnit (docs.phpunit.de, `suffix`): `*Test.php`, `*.phpt`.

Runners with settings of their own can find more; what only helps tests (fixtures, conftest.py) is none.
"""

from __future__ import annotations

import re
from typing import Final

_JAVASCRIPT: Final = r"\.[cm]?[jt]sx?"
_JVM: Final = r"\.(?:java|kt|groovy|scala)"

_NAMES: Final = re.compile(
    "|".join(
        (
            r"test.*\.py",
            r".*_test\.(?:py|go|rb)",
            rf"(?:.*\.)?(?:test|spec){_JAVASCRIPT}",
            r"tests?\.rs",
            rf".*(?:Test|Tests|TestCase){_JVM}",
            r".*_spec\.rb",
            r"test_.*\.rb",
            r".*Tests?\.(?:cs|php)",
            r".*\.phpt",
        )
    ),
    re.DOTALL,
)

_PLACES: Final = re.compile(
    "|".join(
        (
            rf"(?:.*/)?__tests__/.*{_JAVASCRIPT}",
            r"(?:.*/)?test/[^/]*\.[cm]?js",
            r"(?:.*/)?tests/.*\.rs",
            rf"(?:.*/)?src/(?:test|[^/]*Test)/.*{_JVM}",
            r"(?:.*/)?[^/]*\.(?:Unit|Integration)?Tests?/.*\.cs",
        )
    ),
    re.DOTALL,
)


def is_test(path: str) -> bool:
    """Of a path relative to the root, with `/` between names."""
    name = path.rpartition("/")[2]
    return _NAMES.fullmatch(name) is not None or _PLACES.fullmatch(path) is not None
