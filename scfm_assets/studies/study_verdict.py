"""What a study answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StudyVerdict:
    """The answer to a study's question, by thresholds that the study states.

    Attributes
    ----------
    answer
        In a word or two: yes, no, underpowered, ...
    sentence
        The answer with the numbers that it rests on.
    holds
        Whether it came out as it would for sound methods and a sound reference; None if the numbers say neither.
    """

    answer: str
    sentence: str
    holds: bool | None
