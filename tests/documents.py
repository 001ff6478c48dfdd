"""Markdown pages as tests see them: commands with the output that they promise, manifests and links.

A block of `sh` is run. One of `bash` is run where it is what a page starts and leaves running, or exports. A
block of `text` that comes next is the output: its lines have to be in the real one, in their order. Ages and
runs of blanks are alike; `...` stands for anything. With RENEW_PAGES=1 in the environment an output that
differs is written into the page instead.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

from controlplane.client import PREFERENCES

ROOT: Final = Path(__file__).parents[1]
WIDTH: Final = "110"  # columns of the tables in the pages
# What pages start in a terminal of its own, and what it says when it is up.
STARTS: Final = {
    "make cluster": "export KUBECONFIG=",
    "PYTHONPATH=tests python -m controlplane up": "export KUBECONFIG=",
    "aifactory run --namespace aifactory-system": "leading as",
}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_AGE = re.compile(r"\b(\d+[dhms])+\b")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    output: str  # that the page promises; empty: none

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def run(self, folder: Path, variables: Mapping[str, str], seconds: float = 300) -> str:
        """Run the commands in `folder`; returns what they print. Raises AssertionError if one fails."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.text],
            cwd=folder,
            env=os.environ | {"PATH": path, "COLUMNS": WIDTH, "KUBERC": str(PREFERENCES), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{self}: exit code {done.returncode}\n{self.text}\n{done.stdout}"
        return done.stdout

    def compare(self, printed: str) -> None:
        """Raise AssertionError if the promised output is not in what was printed; or renew the page."""
        missing = self.lacks(printed)
        if missing and os.environ.get("RENEW_PAGES") == "1":
            self._renew(printed)
        else:
            assert not missing, f"{self} promises\n{missing}\nfound is\n{printed}"

    def lacks(self, printed: str) -> list[str]:
        """The promised lines that are not in what was printed, in their order."""
        real = (_alike(line) for line in printed.splitlines())
        promised = [_alike(line) for line in self.output.splitlines() if line.strip() not in ("", "...")]
        return [line for line in promised if not any(re.fullmatch(_pattern(line), it) for it in real)]

    def _renew(self, printed: str) -> None:
        text = self.page.read_text(encoding="utf-8")
        command, promise = f"```{self.language}\n{self.text}```\n", f"```text\n{self.output}```\n"
        before, found, after = text.partition(command)
        lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
        after = after.replace(promise, "\n".join(["```text", *lines, "```", ""]), 1)
        self.page.write_text(before + found + after, encoding="utf-8")


def pages() -> list[Path]:
    """All pages that people read, the README first."""
    folders = [ROOT / name for name in ("docs", "manifests", "demo", "operator", "tests")]
    return sorted(ROOT.glob("*.md")) + sorted(page for folder in folders for page in folder.rglob("*.md"))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    return [
        Block(
            page=page,
            line=text.count("\n", 0, it.start()) + 1,
            language=it[1],
            text=it[2],
            output=after[2] if after is not None and after[1] == "text" else "",
        )
        for it, after in zip_longest(found, found[1:])
    ]


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links that lie in this repository."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _alike(line: str) -> str:
    return _AGE.sub("AGE", " ".join(line.split()))


def _pattern(line: str) -> str:
    return re.escape(line).replace(re.escape("..."), ".*")
