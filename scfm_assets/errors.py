"""The one exception for what a user can mend."""

from __future__ import annotations


class ScfmError(Exception):
    """Something in the user's files, catalog or call is wrong, and the user can mend it.

    Everything else is a bug and keeps its own exception and traceback.

    Parameters
    ----------
    place
        Where it is wrong: a file, a catalog key, a column of a table.
    problem
        What is wrong there, with the offending value and how often it occurs.
    remedy
        What is allowed and what to do about it.
    """

    def __init__(self, place: str, problem: str, remedy: str | None = None) -> None:
        self.place = place
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{place}: {problem}" + (f"\n{remedy}" if remedy else ""))

    def __reduce__(self) -> tuple[type[ScfmError], tuple[str, str, str | None]]:
        """Keep the three parts when the error crosses a process border."""
        return type(self), (self.place, self.problem, self.remedy)
