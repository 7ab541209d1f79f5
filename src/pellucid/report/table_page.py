"""The report on a model of a table as one self-contained HTML page."""

from __future__ import annotations

import base64
import math
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from pellucid.core.files import write_text
from pellucid.data.tables.dates import iso_date
from pellucid.errors import ConfigError
from pellucid.explain.tables import MISSING, Cell
from pellucid.metrics import ThresholdChoice
from pellucid.plots import alt
from pellucid.report.adaptive import adaptive
from pellucid.report.contents import svg
from pellucid.runs.table_report import REPEATS, TableReport, Wish

STYLE = """
figure { background: var(--paper); border: 0; padding: 0; }
td.number, th.number { text-align: right; }
tbody th { font-weight: 600; }
details { margin: .7rem 0; } summary { cursor: pointer; color: var(--blue); }
"""
Figures = Mapping[str, tuple[str, str]]  # the image of each figure as SVG, and its alternative text
METRICS = {"r2": "R²", "log_loss": "the log loss", "accuracy": "the accuracy"}


def write_table_page(
    reports: Sequence[TableReport], path: str | Path, *, name: str, about: Sequence[tuple[str, str]], run: str | None = None
) -> bool:
    """Write the report on a model to ``path``, and return whether it has figures, which need Matplotlib.

    There are several ``reports`` if the model predicts several targets. ``name`` is that of the model, ``about`` are lines
    (label, text) of its head, and ``run`` is the run folder or model file for the commands that the page shows. Raises
    FileError if the file cannot be written.
    """
    drawn = [_drawn(found) for found in reports]
    write_text(Path(path), _page(reports, drawn, name, about, run))
    return all(drawn)


def _drawn(found: TableReport) -> Figures:
    try:
        return {key: (adaptive(svg(figure, key)), alt(figure)) for key, figure in found.figures().items()}
    except ConfigError:  # without Matplotlib
        return {}


def _page(
    reports: Sequence[TableReport], drawn: Sequence[Figures], name: str, about: Sequence[tuple[str, str]], run: str | None
) -> str:
    shared = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    facts = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in about)
    title, *_ = targets = [found.target for found in reports]
    parts = [_sections(found, figures, run) for found, figures in zip(reports, drawn, strict=True)]
    if len(reports) > 1:
        title = f"{', '.join(targets[:-1])} and {targets[-1]}"
        parts = [f"<h2>{escape(target)}</h2>\n{_one_level_down(part)}" for target, part in zip(targets, parts, strict=True)]
    figures = "" if all(drawn) else "<p>The figures need Matplotlib: <code>pip install 'pellucid[plots]'</code></p>"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: {escape(name)}</title>\n<style>\n{shared}{STYLE}</style>\n</head>\n<body>\n<header>\n"
        f"<h1>{escape(title)}, predicted by {escape(name)}</h1>\n"
        f'<p>{_measured(reports[0])}</p>\n{figures}<dl class="facts">\n{facts}</dl>\n</header>\n<main>\n'
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _one_level_down(part: str) -> str:
    """Return sections whose headings are one level lower."""
    return part.replace("<h3>", "<h4>").replace("</h3>", "</h4>").replace("<h2>", "<h3>").replace("</h2>", "</h3>")


def _sections(found: TableReport, drawn: Figures, run: str | None) -> str:
    sections = [_importance(found, drawn), _dependence(found, drawn)]
    if "confusion" in drawn:
        sections.append(
            "<h2>Which classes are taken for which</h2>\n<p>Each row of the matrix is a true class, each column a predicted "
            f"one.</p>\n{_figure(drawn, 'confusion')}"
        )
    if found.curves or found.wishes:
        sections.append(_thresholds(found, drawn, run))
    if found.reliability is not None:
        sections.append(_calibration(found, drawn))
    if found.predictions.classes is None:
        sections.append(_residuals(found, drawn))
    sections.append(_worst(found))
    if found.notes:
        listed = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
        sections.append(f"<h2>Left out</h2><ul>{listed}</ul>")
    return "\n".join(sections)


def _measured(found: TableReport) -> str:
    text = f"Measured on {found.rows:,} rows"
    if found.part == "train":
        text += " of the training part: on new rows the model is worse."
    elif found.part in ("test", "validation"):
        text += f" of the {found.part} part, which the model was not trained on."
    else:
        text += ". If the model was trained on some of them, it is worse on new rows."
    if found.intervals is not None or found.wishes:
        text += f" Thresholds and prediction intervals were chosen on {found.calibration_rows:,} other rows (validation)."
    return text


def _importance(found: TableReport, drawn: Figures) -> str:
    one, metric = found.importance, METRICS.get(found.importance.metric, found.importance.metric)
    better = "rises" if one.metric == "log_loss" else "falls"
    rows = [(one.columns[i], _number(one.mean[i]), _number(one.spread[i]), "yes" if one.clear[i] else "no") for i in one.order]
    shown = _table(("column", "importance", "± spread", "clearly above 0"), rows)
    return (
        "<h2>Which columns the predictions depend on</h2>\n"
        f"<p>The importance of a column is by how much {metric} {better} when the column is shuffled among the rows "
        f"(permutation importance; {REPEATS} shuffles, of which the spread is the standard deviation). Without shuffling "
        f"{metric} is {_number(one.score)}. Columns that say the same share their importance, since the model still reads the "
        "other one when one of them is shuffled. An importance of less than two spreads may be due to chance.</p>\n"
        f"{_figure(drawn, 'importance')}{_folded('All columns', shown)}"
    )


def _dependence(found: TableReport, drawn: Figures) -> str:
    if not found.dependence:
        return ""
    tables = []
    for one in found.dependence:
        values = [iso_date(float(value)) if one.days else _cell(value) for value in one.values]
        rows = [(value, *map(_number, line)) for value, line in zip(values, one.average, strict=True)]
        if one.average_missing is not None:
            rows.append((MISSING, *map(_number, one.average_missing)))
        tables.append(_table((one.column, *(f"mean of {name}" for name in one.outputs)), rows))
    return (
        "<h2>How they depend on the strongest columns</h2>\n"
        "<p>What the model predicts if a column had another value in each row, and all else were the same. The mean over the "
        "rows is the partial dependence; where the curves of single rows are not parallel, the effect depends on other "
        "columns. This describes the model: columns that go together in the data are taken apart here, and a curve says "
        "nothing about causes.</p>\n"
        f"{_figure(drawn, 'dependence')}{_folded('The means as numbers', ''.join(tables))}"
    )


def _thresholds(found: TableReport, drawn: Figures, run: str | None) -> str:
    areas = (
        " The area under the ROC curve (left) is the probability that a row of the class has a higher probability than another "
        "row; the average precision (right) shows how well a rare class is found."
    )
    parts = [
        "<h2>What a threshold of the probability does</h2>\n",
        "<p>Recall is the fraction of a class that is found; precision is the fraction of right answers among those that are "
        f"found. A lower threshold finds more, with more false alarms.{areas if found.curves else ''}</p>\n",
        _figure(drawn, "thresholds"),
    ]
    if found.wishes:
        label, rows = found.wishes[0].label, []
        for wish in found.wishes:
            wished = f"{wish.kind} {100 * wish.value:g} %"
            if wish.chosen is None:
                rows.append((wished, "none reaches it", "", "", ""))
                continue
            rows.append((wished, f"{wish.chosen.threshold:g}", _choice(wish.chosen), *_measured_choice(wish, found)))
        columns = ("wished", "threshold", "precision, recall on validation", f"on {found.part}", "rows called so")
        parts.append(f"<h3>Thresholds for {escape(label)}</h3>\n{_table(columns, rows)}")
        parts.append(
            "<p>A threshold that was chosen on few rows is better on them than on others: what counts is the figure on "
            f"{escape(found.place)}.</p>\n"
        )
        rule = next((wish.rule for wish in found.wishes if wish.rule is not None), None)
        if rule is not None and run is not None:
            option = f"{rule.label}={rule.threshold!r}"
            command = f"pellucid predict {shlex.quote(run)} new.csv --threshold {shlex.quote(option)}"
            parts.append(f"<p>To use one: <code>{escape(command)}</code></p>\n")
    return "".join(parts)


def _measured_choice(wish: Wish, found: TableReport) -> tuple[str, str]:
    """Return precision and recall of a threshold where it was measured, and the fraction of the rows that are called so."""
    if wish.measured is None:
        return "not measured", ""
    return _choice(wish.measured), f"{100 * wish.measured.chosen / found.predictions.weights.sum():.1f} %"


def _choice(one: ThresholdChoice | None) -> str:
    if one is None:
        return ""
    precision = "–" if math.isnan(one.precision) else f"{100 * one.precision:.1f} %"
    return f"{precision}, {100 * one.recall:.1f} %"


def _calibration(found: TableReport, drawn: Figures) -> str:
    one = found.reliability
    assert one is not None
    rows = [
        (f"{p:.3f}", f"{f:.3f}", f"{low:.3f} to {high:.3f}", f"{n:,}")
        for p, f, (low, high), n in zip(one.probability, one.fraction, one.interval, one.count, strict=True)
    ]
    return (
        "<h2>Whether the probabilities are true</h2>\n"
        f"<p>Rows are grouped by the probability of {escape(found.reliability_of)}. If it is calibrated, the fraction that is "
        "true equals the probability in each group; where it is lower, the model is too sure. The expected calibration error, "
        f"the mean difference of both, is {_number(one.error)}.</p>\n"
        f"{_figure(drawn, 'calibration')}"
        f"{_folded('As numbers', _table(('mean probability', 'fraction', '95 % interval', 'rows'), rows))}"
    )


def _residuals(found: TableReport, drawn: Figures) -> str:
    left = found.residuals
    parts = [
        "<h2>How far the predictions are from the truth</h2>\n",
        f"<p>Truth minus prediction: mean {_number(left.mean())}, standard deviation {_number(left.std())}, from "
        f"{_number(left.min())} to {_number(left.max())}.</p>\n",
        _figure(drawn, "residuals"),
        _figure(drawn, "predictions"),
    ]
    if found.intervals is not None and found.coverage is not None:
        one, coverage = found.intervals, found.coverage
        low, high = coverage.interval
        edges = [-math.inf, *one.edges, math.inf]
        rows = [
            (_range(edges[i], edges[i + 1]), f"± {_number(half)}", f"{count:,}")
            for i, (half, count) in enumerate(zip(one.half_widths, one.counts, strict=True))
        ]
        parts.append(
            f"<h3>Prediction intervals of {100 * one.level:g} %</h3>\n"
            "<p>The intervals reach to both sides as far as the errors on the validation part (split conformal prediction). "
            f"They contain the truth of new rows like these in {100 * one.level:g} % of the cases, whatever the model is. "
            f"<b>Of the {coverage.n:,} rows measured here they contain {100 * coverage.fraction:.1f} %</b> (95 % interval "
            f"{100 * low:.1f} to {100 * high:.1f} %). With so many rows in both parts, "
            f"{100 * coverage.expected:.1f} ± {100 * coverage.deviation:.1f} % are expected; the model was chosen with the "
            "validation part, which makes the intervals a little too narrow.</p>\n"
            f"{_table(('prediction', 'interval', 'validation rows'), rows)}"
        )
    return "".join(parts)


def _worst(found: TableReport) -> str:
    worst, classes = found.worst, found.predictions.classes is not None
    order = [found.importance.columns[i] for i in found.importance.order]
    head = ["row", "truth", "prediction", "probability of the truth" if classes else "error", *order]
    rows = []
    for i, row in enumerate(worst.rows):
        line = f"{row}" if found.worst_lines is None else f"{found.worst_lines[i]:,}"
        predicted = str(worst.predicted[i]) if classes else _number(worst.predicted[i])
        if worst.probability is not None and found.predictions.probabilities:
            predicted += f" ({100 * worst.probability[i]:.1f} %)"
        truth = str(worst.true[i]) if classes else _number(worst.true[i])
        error = f"{100 * (1 - worst.errors[i]):.1f} %" if classes else _number(worst.errors[i])
        rows.append((line, truth, predicted, error, *(_cell(found.worst_cells[i][name]) for name in order)))
    known = " Rows are numbered as in the file, without its header."
    if found.worst_lines is None:
        known = f" Rows are numbered from 0 on, among those of {escape(found.place)}."
    return (
        "<h2>The rows that it is most wrong about</h2>\n"
        f"<p>Look at them: they are often unusual, or their target is wrong.{known} The columns are in the order of their "
        f"importance.</p>\n{_table(head, rows)}"
    )


# -- parts of pages ----------------------------------------------------------------------------------------------------


def _figure(drawn: Figures, name: str) -> str:
    if name not in drawn:
        return ""
    image, text = drawn[name]
    data = base64.b64encode(image.encode()).decode()
    return f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{escape(text)}"></figure>\n'


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column names the rows; columns of numbers are aligned to the right."""
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(head))]
    kinds = [' class="number"' if number else "" for number in numeric]
    top = "".join(f'<th scope="col"{kind}>{escape(cell)}</th>' for kind, cell in zip(kinds, head, strict=True))
    body = []
    for row in rows:
        cells = [
            f'<th scope="row"{kind}>{escape(cell)}</th>' if i == 0 else f"<td{kind}>{escape(cell)}</td>"
            for i, (kind, cell) in enumerate(zip(kinds, row, strict=True))
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    label = escape(f"Table: {', '.join(head[:3])}")  # the region can be scrolled with the keyboard
    start = f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table><thead><tr>{top}</tr></thead>'
    return f"{start}<tbody>{''.join(body)}</tbody></table></div>\n"


def _is_number(cell: str) -> bool:
    return not cell or cell[0] in "0123456789−±-"


def _cell(value: Cell) -> str:
    return value if isinstance(value, str) else MISSING if math.isnan(value) else _number(value)


def _range(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "any"
    if math.isinf(low):
        return f"below {_number(high)}"
    return f"from {_number(low)}" if math.isinf(high) else f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    """Return a number with four significant digits, those of integers all, and a true minus sign."""
    value = float(value)
    if value == int(value) and abs(value) < 1e9 if math.isfinite(value) else False:
        text = f"{int(value):,}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.4g}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "−", 1) if text.startswith("-") else text
