"""Figures: is what they say to be read?"""

import pytest

from dropoutlab import plot


@pytest.mark.parametrize("place", ["left", "center"])
def test_words_end_within_the_figure(place: str):
    """Is a title that reaches beyond the figure's side made smaller, and another left as it is?"""
    fig, axes = plot.figure(2, width=8)
    short, long = (
        ax.set_title("word " * many, loc=place) for ax, many in zip(axes, (3, 12), strict=True)
    )
    sizes = short.get_fontsize(), long.get_fontsize()
    fig.draw_without_rendering()
    assert long.get_window_extent().x1 > fig.bbox.x1, "there is nothing to mend"
    plot.fit(fig)
    assert long.get_window_extent().x1 <= fig.bbox.x1
    assert short.get_fontsize() == sizes[0] and sizes[1] / 2 < long.get_fontsize() < sizes[1]
