"""The list of checks in docs/inspect.md, made from the registry so that it cannot go stale.

python -m tripletscope.inspection.check_docs docs/inspect.md            # writes it
"""

from __future__ import annotations

import sys
from pathlib import Path

from tripletscope.inspection import CHECKS

MARKS = ("<!-- checks: begin -->", "<!-- checks: end -->")


def render() -> str:
    """A heading for each check, with what it looks for, its thresholds and their reasons, and its source.

    Example:
        >>> render().splitlines()[0]
        '### Near-duplicates across classes: `cross-class-duplicates`'
    """
    parts = []
    for check in CHECKS:
        lines = [f"### {check.title}: `{check.name}`", "", check.looks_for, ""]
        lines += [f"- `{one.name}` = {one.value:g}: {one.reason}." for one in check.thresholds]
        lines += [""] if check.thresholds else []
        parts.append("\n".join([*lines, f"Source: {check.source.rstrip('.')}.", ""]))
    return "\n".join(parts)


def renewed(page: str) -> str:
    """The page with the list as it is now."""
    before, rest = page.split(MARKS[0])
    return f"{before}{MARKS[0]}\n{render()}{MARKS[1]}{rest.split(MARKS[1])[1]}"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.write_text(renewed(place.read_text(encoding="utf-8")), encoding="utf-8")
