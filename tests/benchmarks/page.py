"""Owns: `make bench-page`: what was measured last into docs/performance.md, between its markers. Must not: measure.

Benchmarks leave their tables as Markdown in a folder (BENCH_RESULTS, build/bench unless told otherwise), one file a
table; the page shows them in the order of ``ORDER``, each with the machine and the day it was measured on.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
RESULTS = Path(os.environ.get("BENCH_RESULTS", ROOT / "build" / "bench"))
#: beginnings of file names, in the order of the page
ORDER = ("orders-", "mpps-", "latency-", "idle-")


def keep(name: str, text: str) -> None:
    """Leave one table for the page; it takes the place of the one of that name."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")


def put(page: Path, section: str, text: str) -> None:
    """Replace what stands between the markers of a section.

    :raises ValueError: the page has no such markers.
    """
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no markers {begin} and {end}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def tables() -> list[str]:
    """Every table that was kept."""
    files = [file for start in ORDER for file in sorted(RESULTS.glob(f"{start}*.md"))]
    return [file.read_text(encoding="utf-8").strip() for file in files]


def main() -> int:
    """The command; 1 when nothing was measured yet."""
    found = tables()
    if not found:
        sys.stdout.write(f"nothing in {RESULTS}: run `make bench` first\n")
        return 1
    put(PAGE, "bench", "\n\n".join(found))
    sys.stdout.write(f"{len(found)} tables written to {PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
