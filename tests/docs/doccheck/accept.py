"""Pages rewritten with what their blocks really printed."""

from __future__ import annotations

from doccheck.fences import Fence
from doccheck.outputs import ANY, first_difference, lines_of
from doccheck.pages import Page
from doccheck.runner import PageRun


def accepted(run: PageRun) -> str:
    """The text of a page, run, with every output block that differs replaced; a block that agrees keeps its words."""
    changed = [
        (fence, printed)
        for fence, printed in run.outputs()
        if first_difference(fence.source, printed, fence.number("rel"), fence.number("abs")) is not None
        or fence.source.strip() in ("", ANY)
    ]
    text = run.page.text
    for fence, printed in reversed(changed):
        text = text[: fence.start] + rewritten(text[fence.start : fence.end], fence, printed) + text[fence.end :]
    return text


def with_outputs_of(english: Page, chinese: Page) -> str:
    """The text of a translation with the output blocks of its page; as it is where their blocks do not match."""
    pairs = list(zip(english.fences, chinese.fences, strict=False))
    text = chinese.text
    if len(english.fences) == len(chinese.fences) and all(one.is_output == other.is_output for one, other in pairs):
        for ours, theirs in reversed(pairs):
            if ours.is_output:
                text = text[: theirs.start] + english.text[ours.start : ours.end] + text[theirs.end :]
    return text


def rewritten(block: str, fence: Fence, printed: str) -> str:
    """A fenced block with other lines, indented as it was."""
    opening, *_, closing = block.split("\n")
    indent = closing[: len(closing) - len(closing.lstrip())]
    lines = [f"{indent}{line}".rstrip() for line in kept(fence.source, lines_of(printed))]
    return "\n".join([opening, *lines, closing])


def kept(shown: str, printed: list[str]) -> list[str]:
    """What was printed, but for the lines that a block leaves out at its start or its end with `...`."""
    before = lines_of(shown)
    count = len(before) - 1
    if count < 1 or len(printed) <= count or before.count(ANY) != 1:
        return printed
    if before[0] == ANY:
        return [ANY, *printed[-count:]]
    if before[-1] == ANY:
        return [*printed[:count], ANY]
    place = before.index(ANY)
    return [*printed[:place], ANY, *printed[place - count :]]
