"""Histograms as SVG, in the colours of a page's style."""

import html
from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT, FOOT = 320, 120, 18  # pixels of the drawing, of which the foot holds numbers


def histogram(values: Sequence[float], *, label: str, bins: int = 24) -> str:
    """How often values fall into `bins` steps from the least to the largest. label: what they are, with the unit.

    Not finite ones are left out. One value, or none, is one bar, or none.
    """
    known = np.asarray([value for value in values if np.isfinite(value)], dtype=float)
    counts, edges = np.histogram(known, bins=bins) if len(known) else (np.zeros(bins, dtype=int), np.array([0.0, 0.0]))
    most, step = max(int(counts.max()), 1), WIDTH / bins
    scale = (HEIGHT - FOOT) / most
    bars = "".join(
        f'<rect x="{number * step:.1f}" y="{(most - count) * scale:.1f}" width="{step - 1:.1f}"'
        f' height="{count * scale:.1f}"><title>{_short(start)} to {_short(end)}: {count}</title></rect>'
        for number, (count, start, end) in enumerate(zip(counts, edges, edges[1:], strict=False))
        if count
    )
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    ends = (
        f'<text x="0" y="{HEIGHT - 4}">{_short(low)}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">{_short(high)}</text>'
    )
    found = f"{len(known)} values, median {_short(float(np.median(known)))}" if len(known) else "none"
    name = html.escape(f"{label}: {found}")
    return (
        f'<figure class="histogram"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
        f"{bars}{ends}</svg>"
        f"<figcaption>{name}</figcaption></figure>"
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
