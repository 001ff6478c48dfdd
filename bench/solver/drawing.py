"""How pictures look and are written: small SVG files, the same bytes every time, for light and dark pages."""

from pathlib import Path
from typing import Any

INK = "#7d838b"  # of text and lines: a grey that can be read on white and on black
BANDS = ("#d1495b", "#e8a33d", "#2f9fb3", "#6aa84f", "#a68bc4")  # colours of the bands, from the top
ON_COLOUR = "#14181d"  # of text on a bar
OURS, PEER, OTHER = "#d1495b", "#8f98a3", "#bcc3cb"

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "solver",  # names inside the file are drawn at random otherwise
    "svg.fonttype": "none",  # letters, not outlines: less to load, and they can be searched
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "hatch.color": INK,
    "savefig.transparent": True,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "grid.color"), INK),
}


def pyplot() -> Any:
    """Matplotlib's pyplot in this project's style."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and needed for pictures alone

    mpl.use("agg")
    mpl.rcParams.update(_STYLE)
    from matplotlib import pyplot as plt  # noqa: PLC0415

    return plt


def save(figure: Any, file: Path) -> None:
    """Write a figure, without its date, and close it."""
    figure.savefig(file, metadata={"Date": None, "Creator": None} if file.suffix == ".svg" else None)
    pyplot().close(figure)
