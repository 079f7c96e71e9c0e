"""What one diagnostic code is: the word that `explain CODE` looks up."""

from __future__ import annotations

from teamflow.core.named import NamedTuple


class Code(NamedTuple):
    """One complaint's name, what it means, and the same thing wrong and right.

    The examples are team files, unless `about` says what else they are (a command line, a file that is named).
    """

    slug: str
    title: str
    explanation: str
    wrong: str
    right: str
    about: str = "team file"
