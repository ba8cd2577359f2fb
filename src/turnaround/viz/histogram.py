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
        f' height="{count * scale:.1f}"><title>{edges[number]:.3g} to {edges[number + 1]:.3g}: {count}</title></rect>'
        for number, count in enumerate(counts)
        if count
    )
    ends = (
        f'<text x="0" y="{HEIGHT - 4}">{edges[0]:.3g}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">{edges[-1]:.3g}</text>'
    )
    name = html.escape(
        f"{label}: {len(known)} values, median {np.median(known):.3g}" if len(known) else f"{label}: none"
    )
    return (
        f'<figure class="histogram"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
        f"{bars}{ends}</svg>"
        f"<figcaption>{name}</figcaption></figure>"
    )
