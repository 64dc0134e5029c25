# SPDX-License-Identifier: BSL-1.0
"""The plots, each an SVG of one panel. A page puts as many side by side as it has room for."""

import io
import re
import warnings

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from questions import columns, rows
from results import DETENT, RAW
from tables import cell_of, name, number, with_unit

# Okabe and Ito's colours, which people of any sight tell apart.
BLUE, SKY, GREY, BLACK = "#0072B2", "#56B4E9", "#BBBBBB", "#222222"
OTHERS = ["#D55E00", "#009E73", "#CC79A7", "#E69F00", "#7A5C00", "#999999"]
MARKERS = "osD^vPX"

plt.rcParams.update({
    "font.size": 10, "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "axes.spines.top": False, "axes.spines.right": False, "text.color": BLACK,
    "svg.fonttype": "none",  # text that one can select
    "svg.hashsalt": "detent",  # the same results make the same page
})

WIDTH = 4.4  # inches; a page scales it to its column


def titled(title, figure):
    """The title is the page's, which can break it into lines."""
    text = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the browser has the letters that this font has not
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    drawing = text.getvalue()[text.getvalue().index("<svg"):]
    drawing = re.sub(r'width="[^"]*pt" height="[^"]*pt"', 'role="img"', drawing, count=1)
    return f"<figure><figcaption>{title}</figcaption>\n{drawing}</figure>\n"


def colour(peer):
    return BLUE if peer == DETENT else SKY if peer.startswith("detent/") else GREY


# --- Bars

def end_of_axis(cells):
    """What is longer is cut, so that a few do not make all others small: a third of the bars at
    most, and not detent's."""
    medians = sorted(cell.median for _, cell in cells if cell)
    most = medians[(2 * len(medians) - 1) // 3] if medians else 1
    detent = dict(cells)[DETENT]
    most = max(most, detent.median if detent else 0)
    return next(end for end in (2.5 * 10 ** tens * step for tens in range(9) for step in (1, 2, 4))
                if end >= most)


def bars(column, peers):
    """Ratios to the yardstick, which is the line at 1. The thin line is from the least to the
    greatest of the rounds."""
    cells = [(peer, column.cell(peer)) for peer in peers if peer != RAW]
    end = end_of_axis(cells)
    figure, axes = panel(len(cells))
    axes.axvline(1, color=BLACK, linewidth=1.2, zorder=3)
    for y, (peer, cell) in enumerate(cells):
        if not cell:
            axes.text(end / 60, y, cell_of(column, peer), va="center", style="italic",
                      color="#666666")
            continue
        axes.barh(y, min(cell.median, end), height=0.72, color=colour(peer))
        if cell.median > end:
            axes.text(end * 0.93, y, "//", va="center", ha="center", color="white", weight="bold")
        elif cell.greatest > cell.least:
            axes.plot([cell.least, min(cell.greatest, end)], [y, y], color=BLACK, linewidth=1)
        value(axes, y, number(cell.median), peer)
    labels(axes, [peer for peer, _ in cells])
    axes.set_xlim(0, end)
    axes.set_xticks([0, 0.4 * end, 0.8 * end], ["0", f"{0.4 * end:g}", f"{0.8 * end:g}"])
    raw = with_unit(column.absolute(RAW).median, column)
    axes.set_xlabel(f"raw epoll is 1, here {raw};"
                    f" {'longer' if column.metric.more_is_better else 'shorter'} is better")
    return titled(column.title, figure)


def absolute_bars(title, values, unit):
    """By name: detent's in blue."""
    figure, axes = panel(len(values), left=0.34, right=0.8)
    for y, (label, amount) in enumerate(values.items()):
        axes.barh(y, amount, height=0.72, color=BLUE if "detent" in label else GREY)
        value(axes, y, f"{amount:,}", DETENT if "detent" in label else "")
    labels(axes, values)
    axes.set_xlabel(f"{'seconds' if unit == 's' else unit}; shorter is better")
    axes.set_xticks([0])
    return titled(title, figure)


def panel(rows, left=0.27, right=0.87):
    """With room for so many rows, for their names and for their values."""
    figure, axes = plt.subplots(figsize=(WIDTH, 0.24 * rows + 0.5))
    figure.subplots_adjust(left=left, right=right, top=0.99, bottom=0.48 / figure.get_figheight())
    axes.set_ylim(rows - 0.45, -0.55)
    return figure, axes


def value(axes, y, text, peer):
    axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center",
              weight="bold" if peer == DETENT else "normal")


def labels(axes, peers):
    axes.set_yticks(range(len(peers)), [name(peer) for peer in peers])
    axes.tick_params(axis="y", length=0)
    for label, peer in zip(axes.get_yticklabels(), peers):
        label.set_weight("bold" if peer == DETENT else "normal")


# --- All at a glance

def dots(title, asked, peers):
    """One row a column of the table: detent among the other libraries, which are small and grey."""
    figure, axes = panel(len(asked), left=0.5, right=0.94)
    axes.axvline(1, color=BLACK, linewidth=1.2)
    for y, column in enumerate(asked):
        for peer in peers:
            cell = column.cell(peer)
            # Less is to be better everywhere.
            ratio = cell and (1 / cell.median if column.metric.more_is_better else cell.median)
            if ratio:
                axes.plot(min(max(ratio, 0.3), 100), y, "o", clip_on=False, markeredgecolor="white",
                          color=BLUE if peer == DETENT else "#777777",
                          markersize=11 if peer == DETENT else 5)
    labels(axes, [column.title for column in asked])
    axes.grid(True, axis="y", color="#E5E5E5")
    axes.set_axisbelow(True)
    axes.set_xscale("log")
    axes.set_xlim(0.3, 100)
    axes.set_xticks([0.3, 1, 3, 10, 30, 100], ["0.3", "1", "3", "10", "30", "≥ 100"])
    axes.xaxis.set_minor_locator(NullLocator())
    return titled(title, figure)


# --- How late

def lateness(title, peer, bins, highest, longest):
    """Of one peer, by bins of equal width on a logarithmic axis, and first what came early.
    `highest` and `longest` are those of all peers, so that panels can be compared."""
    total = sum(bins.values())
    figure, axes = plt.subplots(figsize=(WIDTH, 1.3))
    figure.subplots_adjust(left=0.13, right=0.97, top=0.96, bottom=0.22)
    for upper, count in bins.items():
        upper, lower = (upper, upper / 10 ** 0.2) if upper > 0 else EARLY
        axes.bar(lower, 100 * count / total, align="edge", width=upper - lower, edgecolor="white",
                 color=OTHERS[0] if upper == EARLY[0] else colour(peer), linewidth=0.5)
    axes.set_xscale("log")
    axes.set_xlim(0.05, longest)
    axes.set_ylim(0, highest * 1.05)
    axes.set_xticks(*zip(*[tick for tick in TICKS if tick[0] < longest]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0f} %"))
    axes.grid(True, axis="y", color="#E5E5E5")
    axes.set_axisbelow(True)
    return titled(title, figure)


EARLY = (0.25, 0.06)  # where on the axis that bar stands
TICKS = [(0.12, "early"), (1, "1 µs"), (10, "10 µs"), (100, "100 µs"), (1e3, "1 ms"),
         (1e4, "10 ms"), (1e5, "100 ms"), (1e6, "1 s")]


def all_lateness(results, median):
    """A panel a peer; `median` is the column that has it."""
    found = {peer: results.histograms[key] for peer in results.peers("W3")
             if (key := ("W3", peer)) in results.histograms}
    if not found:
        return []
    highest = max(100 * max(bins.values()) / sum(bins.values()) for bins in found.values())
    longest = 1.2 * max(max(bins) for bins in found.values())
    titles = {peer: f"{name(peer)}: median {with_unit(median.absolute(peer).median, median)}"
              for peer in found}
    return [lateness(titles[peer], peer, bins, highest, longest) for peer, bins in found.items()]


# --- How costs grow

def growth(results, question):
    """Absolute times by number, one line a peer; both axes logarithmic."""
    asked = columns(results, question)
    figure, axes = plt.subplots(figsize=(WIDTH, 4.1))
    figure.subplots_adjust(left=0.16, right=0.97, top=0.98, bottom=0.36)
    others = iter(zip(OTHERS, MARKERS))
    for peer in rows(results, question):
        points = [(int(column.title.split()[0]), column.absolute(peer).median)
                  for column in asked if column.absolute(peer)]
        if points:
            axes.plot(*zip(*points), label=name(peer), **line_of(peer, others))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(True, which="major", color="#E5E5E5")
    least, most = axes.get_ylim()
    if most < 100 * least:  # too few powers of ten to read a value by
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    plain = FuncFormatter(lambda amount, _: f"{amount:,.0f}" if amount >= 1 else f"{amount:g}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(plain)
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(asked[0].title.split()[1])
    axes.legend(loc="upper center", bbox_to_anchor=(0.44, -0.2), ncols=3, frameon=False, fontsize=9)
    return titled(f"{question.text}, ns", figure)


def line_of(peer, others):
    if peer == RAW:
        return {"color": BLACK, "linestyle": "--", "linewidth": 1.6, "zorder": 4}
    if peer == DETENT:
        return {"color": BLUE, "linewidth": 3.2, "marker": "o", "markersize": 5, "zorder": 5}
    if peer.startswith("detent/"):
        marker = {"io_uring": "s", "poll": "^", "select": "v"}.get(peer.split("/")[1], "x")
        return {"color": SKY, "linewidth": 1.4, "marker": marker, "markersize": 4.5}
    tone, marker = next(others, (GREY, "x"))
    return {"color": tone, "linewidth": 1.4, "marker": marker, "markersize": 4}
