"""Entry of the keeper as a file, a directory or a zipapp; all else lies in cached modules.

Run with `-I -S`, nothing but this file knows where it lies: it makes a package of its own directory, so that the same
relative imports hold here and under `teamflow.keeper`.
"""

import posix
import sys


def _package() -> str:
    if __package__:
        return __package__
    package = type(sys)("keeper")
    package.__path__ = [__file__.rpartition("/")[0] or "."]
    sys.modules["keeper"] = package
    return "keeper"


if __name__ == "__main__":
    _package()
    from keeper.program import main  # type: ignore[import-not-found]

    code = main(sys.argv[1:])
    sys.stderr.flush()
    # All is closed that has to be. Taking the interpreter apart would only keep waiting whoever waits for the end.
    posix._exit(code)
