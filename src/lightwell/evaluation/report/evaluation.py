"""The report of an evaluation: an HTML page that needs nothing beside it, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightwell.evaluation.evaluate import Evaluation, Method, load
from lightwell.evaluation.figures import (
    ERROR_RANGE,
    colour_bar,
    differing_crop,
    embed,
    error_map,
    luma_plot,
    paired_plot,
)
from lightwell.evaluation.measures import Column
from lightwell.evaluation.report.page import DASH, best, csv_cell, finite, number, p_value, render, signed, write_text
from lightwell.evaluation.statistics import Difference, Summary, adjust, compare, summarise

__all__ = ["mean_table", "warning", "write_latex", "write_report"]

_SHOWN = 5
_SCENES = 6
_CROP = 160
_FEW = 10


@dataclass(frozen=True)
class Cell:
    """One mean of the summary as text."""

    mean: str
    interval: str
    best: bool


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same pictures: a difference and its corrected p-value for each column."""

    first: str
    second: str
    differences: tuple[Difference, ...]
    p_values: tuple[float, ...]


def write_report(evaluation: Evaluation, folder: Path, made: Mapping[str, str]) -> None:
    """Writes the four files of a report into a folder, which must exist.

    Args:
        evaluation: what was measured.
        folder: where to.
        made: when, how and with what it was made, by label.
    """
    comparisons = _compare(evaluation)
    context = {
        "evaluation": evaluation,
        "count": len(evaluation.names),
        "sizes": _sizes(evaluation),
        "table": mean_table(evaluation),
        "costs": [_cost(method) for method in evaluation.methods] if _costs_known(evaluation) else None,
        "comparisons": [(c, _difference_cells(c, evaluation.columns)) for c in comparisons],
        "groups": [
            (protocol, len(list(columns)))
            for protocol, columns in itertools.groupby(column.protocol for column in evaluation.columns)
        ],
        "meanings": evaluation.meanings,
        "made": made,
        "few": warning(evaluation),
    }
    write_text(folder / "scores.csv", _csv(evaluation))
    write_text(folder / "report.json", _json(evaluation, comparisons, made))
    write_text(folder / "report.md", render("evaluation.md.jinja", **context))
    page = render(
        "evaluation.html.jinja",
        **context,
        rows=list(_rows(evaluation)),
        overall=list(_overall(evaluation)),
        figures=list(_figures(evaluation)),
        paired=list(_paired(evaluation, comparisons)),
        scenes=list(_scenes(evaluation)),
        colour_bar=colour_bar(),
        error_range=ERROR_RANGE,
    )
    write_text(folder / "index.html", page)


def warning(evaluation: Evaluation) -> str:
    """What is to be said where there are too few pictures to conclude from; nothing where there are enough."""
    count = len(evaluation.names)
    if count >= _FEW:
        return ""
    pictures = "one picture says" if count == 1 else f"{count} pictures say"
    return f"Only {pictures} this: too few to tell methods apart; other pictures may turn the order round."


def write_latex(evaluation: Evaluation, path: Path) -> None:
    """Writes the table of means for LaTeX's booktabs, the best of each column in bold."""
    heads = [f"{column.metric}{' (' + column.unit + ')' if column.unit else ''}" for column in evaluation.columns]
    arrows = [r"$\uparrow$" if column.higher_is_better else r"$\downarrow$" for column in evaluation.columns]
    protocols = " & ".join(_tex(column.protocol) for column in evaluation.columns)
    lines = [
        f"% lightwell evaluate: mean over {len(evaluation.names)} pictures of {_tex(evaluation.data)}",
        *(f"% {name}: {meaning}" for name, meaning in evaluation.meanings.items()),
        r"\begin{tabular}{l" + "r" * len(heads) + "}",
        r"\toprule",
        rf" & {protocols} \\",
        "Method & " + " & ".join(f"{_tex(head)} {arrow}" for head, arrow in zip(heads, arrows, strict=True)) + r" \\",
        r"\midrule",
    ]
    for method, cells in mean_table(evaluation):
        values = (rf"\textbf{{{cell.mean}}}" if cell.best else cell.mean for cell in cells)
        lines.append(f"{_tex(method.name)} & {' & '.join(values)}".replace(DASH, "--") + r" \\")
    write_text(path, "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""]))


def _tex(text: str) -> str:
    """A name as LaTeX prints it."""
    named = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "°": r"\textdegree{}"}
    one_line = " ".join(text.split())
    return "".join(named.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in one_line)


def _paired(evaluation: Evaluation, comparisons: Sequence[Comparison]) -> Iterator[tuple[str, str]]:
    """A plot of the differences for each column; none where there is one picture only."""
    if len(evaluation.names) < 2 or not comparisons:
        return
    place = {method.name: j for j, method in enumerate(evaluation.methods)}
    for k, column in enumerate(evaluation.columns):
        rows = []
        for c in comparisons:
            first, second = (evaluation.scores[:, place[name], k] for name in (c.first, c.second))
            values = np.subtract(first, second, out=np.zeros_like(first), where=first != second)
            summary = c.differences[k].summary
            rows.append((f"{c.first} - {c.second}", values.tolist(), summary.mean, summary.interval))
        unit = f"{column.metric} {column.unit}".strip()
        yield f"{unit} ({column.protocol})", paired_plot(rows, unit)


def _scenes(evaluation: Evaluation) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """The scenes on which the methods differ most by the first column, with all methods in a row."""
    own = [j for j, method in enumerate(evaluation.methods) if not method.is_baseline]
    scores = evaluation.scores[:, own, 0]
    spread = np.ptp(np.where(np.isfinite(scores), scores, 0), axis=1) if len(own) > 1 else -scores[:, 0]
    for i in np.argsort(-spread, kind="stable")[:_SCENES]:
        name = evaluation.names[i]
        pictures = [(method.name, load(method.pictures[name], method.gamma)) for method in evaluation.methods]
        compared = [picture for j, (_, picture) in enumerate(pictures) if j in own]
        if evaluation.truth is not None:
            pictures.append(("truth", load(evaluation.truth[name])))
        if len(compared) < 2:
            compared = [picture for _, picture in pictures]
        if len(compared) < 2:
            continue
        rows, columns = differing_crop(compared, _CROP)
        yield name, [(label, embed(picture), embed(picture[rows, columns], quality=92)) for label, picture in pictures]


def mean_table(evaluation: Evaluation) -> list[tuple[Method, list[Cell]]]:
    """The mean of each method and column with its interval; the best of each column is marked."""
    summaries = [
        [summarise(evaluation.scores[:, row, column]) for column in range(len(evaluation.columns))]
        for row in range(len(evaluation.methods))
    ]
    tops = [
        best([row[i].mean for row in summaries], column.higher_is_better) for i, column in enumerate(evaluation.columns)
    ]
    return [
        (method, [_cell(s, c, s.mean == top) for s, c, top in zip(row, evaluation.columns, tops, strict=True)])
        for method, row in zip(evaluation.methods, summaries, strict=True)
    ]


def _cell(summary: Summary, column: Column, is_best: bool) -> Cell:
    interval = DASH.join(number(end, column.decimals) for end in summary.interval) if summary.interval else ""
    return Cell(number(summary.mean, column.decimals), interval, is_best)


def _sizes(evaluation: Evaluation) -> str:
    sizes = sorted(set(evaluation.sizes), key=lambda size: size[0] * size[1])
    texts = [f"{width}\N{MULTIPLICATION SIGN}{height}" for width, height in sizes]
    return texts[0] if len(texts) == 1 else f"from {texts[0]} to {texts[-1]}"


def _costs_known(evaluation: Evaluation) -> bool:
    return any(method.costs for method in evaluation.methods)


def _cost(method: Method) -> tuple[str, str]:
    """Median seconds and highest peak memory of a method, as text."""
    seconds = [cost.seconds for cost in method.costs.values()]
    peaks = [cost.peak for cost in method.costs.values() if cost.peak is not None]
    return (f"{np.median(seconds):.2f}" if seconds else DASH, f"{max(peaks) / 2**20:.0f}" if peaks else DASH)


def _compare(evaluation: Evaluation) -> list[Comparison]:
    """All pairs of methods, and each method with the fixed gamma; p-values corrected column by column."""
    methods = [i for i, method in enumerate(evaluation.methods) if not method.is_baseline]
    gammas = [i for i, method in enumerate(evaluation.methods) if method.gamma != 1]
    pairs = [*itertools.combinations(methods, 2), *itertools.product(methods, gammas)]
    differences = [
        [
            compare(evaluation.scores[:, a, i], evaluation.scores[:, b, i], column.higher_is_better)
            for i, column in enumerate(evaluation.columns)
        ]
        for a, b in pairs
    ]
    corrected = [adjust([row[i].p for row in differences]) for i in range(len(evaluation.columns))]
    return [
        Comparison(
            evaluation.methods[a].name,
            evaluation.methods[b].name,
            tuple(row),
            tuple(float(column[place]) for column in corrected),
        )
        for place, ((a, b), row) in enumerate(zip(pairs, differences, strict=True))
    ]


def _difference_cells(comparison: Comparison, columns: Sequence[Column]) -> list[tuple[str, str, str]]:
    """Mean, interval and test of each column, as text."""
    cells = []
    for difference, p, column in zip(comparison.differences, comparison.p_values, columns, strict=True):
        ends = difference.summary.interval or ()
        interval = " to ".join(signed(end, column.decimals) for end in ends)
        test = f"{p_value(p)}, {difference.wins}:{difference.losses}"
        cells.append((signed(difference.summary.mean, column.decimals), interval, test))
    return cells


def _rows(evaluation: Evaluation) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """The per-image table: name, method and cells as text with the value to sort by."""
    for i, name in enumerate(evaluation.names):
        for j, method in enumerate(evaluation.methods):
            cells = [
                (number(value, column.decimals), str(value).replace("inf", "Infinity"))
                for value, column in zip(evaluation.scores[i, j], evaluation.columns, strict=True)
            ]
            if _costs_known(evaluation):
                cost = method.costs.get(name)
                seconds, peak = (cost.seconds, cost.peak) if cost else (None, None)
                cells.append((DASH, "-1") if seconds is None else (f"{seconds:.2f}", f"{seconds}"))
                cells.append((DASH, "-1") if peak is None else (f"{peak / 2**20:.0f}", f"{peak}"))
            yield name, method.name, cells


def _overall(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """The luma of all pictures together, for each method."""
    first = evaluation.methods[0]
    for j, method in enumerate(evaluation.methods):
        curves = [("out", evaluation.lumas[:, j].mean(axis=0))]
        if evaluation.truth_lumas is not None:
            curves.insert(0, ("truth", evaluation.truth_lumas.mean(axis=0)))
        if first.is_baseline and method is not first:
            curves.append(("in", evaluation.lumas[:, 0].mean(axis=0)))
        yield method.name, luma_plot(curves)


def _figures(evaluation: Evaluation) -> Iterator[tuple[str, str, list[dict[str, object]]]]:
    """The best and the worst pictures of each method by the first column, with everything to judge them by."""
    column = evaluation.columns[0]
    for j, method in enumerate(evaluation.methods):
        if method.is_baseline:
            continue
        order = np.argsort(-evaluation.scores[:, j, 0] if column.higher_is_better else evaluation.scores[:, j, 0])
        shown = min(_SHOWN, (len(order) + 1) // 2)
        worst = order[::-1][: min(shown, len(order) - shown)]
        for title, places in (("Best", order[:shown]), ("Worst", worst)):
            if len(places):
                yield method.name, title, [_strip(evaluation, int(i), j) for i in places]


def _strip(evaluation: Evaluation, i: int, j: int) -> dict[str, object]:
    """Input, output, truth, error map and luma of one picture."""
    name, method, first = evaluation.names[i], evaluation.methods[j], evaluation.methods[0]
    output = load(method.pictures[name], method.gamma)
    pictures = [("output", embed(output))]
    curves = [("out", evaluation.lumas[i, j])]
    if first.is_baseline:
        pictures.insert(0, ("input", embed(load(first.pictures[name]))))
        curves.append(("in", evaluation.lumas[i, 0]))
    if evaluation.truth is not None and evaluation.truth_lumas is not None:
        truth = load(evaluation.truth[name])
        pictures += [("truth", embed(truth)), ("error", embed(error_map(output, truth)))]
        curves.insert(0, ("truth", evaluation.truth_lumas[i]))
    scores = [
        " ".join((column.metric, number(value, column.decimals), column.unit, f"({column.protocol})"))
        for column, value in zip(evaluation.columns, evaluation.scores[i, j], strict=True)
    ]
    return {"name": name, "scores": " · ".join(scores), "pictures": pictures, "luma": luma_plot(curves)}


def _csv(evaluation: Evaluation) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(
        ["picture", "method", "width", "height", *(c.key for c in evaluation.columns), "seconds", "peak_bytes"]
    )
    for i, (name, size) in enumerate(zip(evaluation.names, evaluation.sizes, strict=True)):
        for j, method in enumerate(evaluation.methods):
            cost = method.costs.get(name)
            costs = [f"{cost.seconds:.4f}", cost.peak] if cost else ["", ""]
            writer.writerow([csv_cell(name), csv_cell(method.name), *size, *evaluation.scores[i, j].tolist(), *costs])
    return table.getvalue()


def _json(evaluation: Evaluation, comparisons: Sequence[Comparison], made: Mapping[str, str]) -> str:
    def summary(s: Summary) -> dict[str, object]:
        return {"mean": finite(s.mean), "pictures": s.count, "interval_95": s.interval}

    content = {
        "data": evaluation.data,
        "pictures": len(evaluation.names),
        "meanings": dict(evaluation.meanings),
        "made": dict(made),
        "methods": {
            method.name: {
                "baseline": method.is_baseline,
                "means": {
                    column.key: summary(summarise(evaluation.scores[:, j, k]))
                    for k, column in enumerate(evaluation.columns)
                },
                "scores": {
                    name: {
                        column.key: finite(float(evaluation.scores[i, j, k]))
                        for k, column in enumerate(evaluation.columns)
                    }
                    | ({"seconds": cost.seconds, "peak_bytes": cost.peak} if (cost := method.costs.get(name)) else {})
                    for i, name in enumerate(evaluation.names)
                },
            }
            for j, method in enumerate(evaluation.methods)
        },
        "comparisons": [
            {
                "first": c.first,
                "second": c.second,
                "differences": {
                    column.key: summary(difference.summary)
                    | {"wins": difference.wins, "losses": difference.losses, "p_wilcoxon_holm": finite(p)}
                    for column, difference, p in zip(evaluation.columns, c.differences, c.p_values, strict=True)
                },
            }
            for c in comparisons
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
