"""Pictures for ``docs``: one look, and the same figures give the same file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"


@contextmanager
def picture(path: Path, *, width: float = 6, height: float = 3, panels: int = 1) -> Iterator[list[Any]]:
    """An SVG file of ``panels`` Matplotlib axes side by side, with one vertical axis; sizes in inches."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "stemwright"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, panels, figsize=(width, height), layout="constrained", sharey=True, squeeze=False)
    for one in axes[0]:
        one.grid(alpha=0.3)
        one.spines[["top", "right"]].set_visible(False)
    yield list(axes[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
