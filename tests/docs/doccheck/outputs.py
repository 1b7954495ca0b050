"""Printed text against the text of an output block: words exactly, numbers to a tolerance."""

from __future__ import annotations

import re
from itertools import zip_longest

ANY = "..."
"""A line of an output block that stands for any lines, also none."""

NORMALISED = (
    # what differs from run to run -> how it is compared; a page may show any value of it
    (re.compile(r"\b\d{8}-\d{9}-[0-9a-f]{4}\b"), "RUN"),  # the id of a run
    (re.compile(r"\b\d{8}-\d{12}-[0-9a-f]{8,}\b"), "TRIAL"),  # the file of a trial
    (
        re.compile(r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( ?UTC|Z|\+00:00)"),
        "TIME",
    ),  # when something was written
    (re.compile(r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}\b"), "DIGEST"),  # of weights, bars, settings
    (re.compile(r"\b\d+(\.\d+)? (s|ms|min|h|seconds?|minutes?|hours?)\b"), "DURATION"),
    (re.compile(r"\b\d+(\.\d+)? windows/s\b"), "SPEED"),
    (re.compile(r"(?<=windows/s per process: ).*"), "SPEED"),
    (re.compile(r"\b\d+(\.\d+)? (kB|MB|GB|kiB|MiB|GiB)\b"), "SIZE"),  # of files and memory
)
"""Patterns of what no two runs print alike."""

DATE = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?|\d{1,2}:\d\d(?::\d\d)?"
NUMBER = r"(?<![\w.])[-+]?\d(?:[\d_,]*\d)?(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.]*\w)"
TOKEN = re.compile(rf"({DATE})|({NUMBER})")


def normalise(line: str) -> str:
    """A line with what differs from run to run replaced, and its blanks made single."""
    for pattern, name in NORMALISED:
        line = pattern.sub(name, line)
    return " ".join(line.split())


def same_line(shown: str, printed: str, rel: float = 0, absolute: float = 0) -> bool:
    """Whether two lines have the same words, and numbers within max(absolute, rel x the larger)."""
    ours, theirs = split(normalise(shown)), split(normalise(printed))
    return all(
        one == other or (isinstance(one, float) and isinstance(other, float) and close(one, other, rel, absolute))
        for one, other in zip_longest(ours, theirs)
    )


def close(one: float, other: float, rel: float, absolute: float) -> bool:
    return abs(one - other) <= max(absolute, rel * max(abs(one), abs(other)))


def split(line: str) -> list[str | float]:
    """The numbers of a line and the words between them; a date is a word."""
    parts: list[str | float] = []
    place = 0
    for found in TOKEN.finditer(line):
        parts.append(line[place : found.start()])
        parts.append(found[0] if found[1] else float(re.sub("[_,]", "", found[0])))
        place = found.end()
    return [*parts, line[place:]]


def lines_of(text: str) -> list[str]:
    """The lines, without blank ones at both ends."""
    return [line.rstrip() for line in text.strip("\n").rstrip().split("\n")] if text.strip() else []


def first_difference(shown: str, printed: str, rel: float = 0, absolute: float = 0) -> str | None:
    """What the block shows and was not printed, and what was printed there; None where all agrees."""
    found = lines_of(printed)
    pieces = split_at_any(lines_of(shown))
    start, last = 0, len(pieces) - 1
    for number, piece in enumerate(pieces):
        newest = len(found) - len(piece)
        # the first piece stands at the start, the last one at the end, others anywhere between
        places = [0] if number == 0 else [newest] if number == last else range(start, newest + 1)
        tried = [place for place in places if start <= place <= newest]
        fitting = (place for place in tried if matches(piece, found[place:], rel, absolute))
        place = next(fitting, None)
        if place is None:
            return describe(
                piece, found[newest:] if number == last and newest > start else found[start:], rel, absolute
            )
        start = place + len(piece)
    return f"not shown: {found[start]!r}" if start < len(found) else None


def split_at_any(lines: list[str]) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    for line in lines:
        if line.strip() == ANY:
            pieces.append([])
        else:
            pieces[-1].append(line)
    return pieces


def matches(piece: list[str], found: list[str], rel: float, absolute: float) -> bool:
    return len(piece) <= len(found) and all(
        same_line(one, other, rel, absolute) for one, other in zip(piece, found, strict=False)
    )


def describe(piece: list[str], found: list[str], rel: float, absolute: float) -> str:
    """The first line that differs; of a piece after `...`, of the place where its first line stands if there is one."""
    start = next((i for i, line in enumerate(found) if piece and same_line(piece[0], line, rel, absolute)), 0)
    for shown, printed in zip_longest(piece, found[start : start + len(piece)]):
        if printed is None or shown is None or not same_line(shown, printed, rel, absolute):
            return f"shown:   {shown!r}\nprinted: {printed!r}"
    return f"shown:   {piece!r}\nprinted: {found!r}"
