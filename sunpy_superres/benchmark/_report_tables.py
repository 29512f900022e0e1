"""
Tables of a report as text: which digits are shown, which row is the best, what stands where.
"""

import math

__all__ = ["DASH", "KINDS", "number", "table_view"]

#: For what was not measured.
DASH = "–"

#: Groups of rows: kinds, title.
KINDS = (
    (("method", "predictions"), "Methods"),
    (("baseline",), "Baselines"),
    (("control",), "Controls: what must be very good or must fail"),
)

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BETTER = {
    "low": "lower is better",
    "high": "higher is better",
    "one": "1 is right",
    "zero": "0 is right",
    "nominal": "{} is right",
}


def number(value, digits=None):
    """
    Return a number as text, with so many digits after the point; three significant ones unless told.

    Examples
    --------
    >>> from sunpy_superres.benchmark._report_tables import number
    >>> number(-0.00012, 3), number(1234.5), number(1.5e22), number(None)
    ('0.000', '1234', '1.50×10²²', '–')
    """
    if value is None or isinstance(value, str):
        return value or DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not math.isfinite(value):
        return DASH if math.isnan(value) else "∞" if value > 0 else "−∞"
    power = math.floor(math.log10(abs(value))) if value else 0
    if isinstance(value, int) and digits is None and power < 7:
        # A thin space between thousands, from five digits on.
        return (f"{value:,}" if power > 3 else str(value)).replace(",", "\u202f").replace("-", "−")
    if power > 6 or (power < -4 and digits is None):
        return number(value / 10.0**power, 2 if digits is None else max(digits, 2)) + f"×{_ten_to(power)}"
    text = f"{value:.{max(0, 2 - power) if digits is None else digits}f}"
    return text.replace("-", "−") if float(text) else text.removeprefix("-")


def _ten_to(power):
    return "10" + str(power).translate(_RAISED)


def table_view(table, rows, *, level=0.95):
    """
    What the template shows of a table.

    Parameters
    ----------
    table : `dict`
        One of the tables of the results.
    rows : sequence of `dict`
        The rows of the results.
    level : `float`, optional
        Of the confidence intervals.

    Returns
    -------
    `dict`
        ``"columns"`` with title, unit and hint; ``"groups"`` of rows, each with its cells; ``"published"`` rows and
        their ``"notes"``; ``"spread"`` whether there is a mean over images.
    """
    cells = table.get("cells") or {}
    listed = {row["name"]: row for row in rows}
    names = [*(name for name in listed if name in cells), *(name for name in cells if name not in listed)]
    columns = [_Column(column, cells, names, listed, over=table.get("over")) for column in table["columns"]]
    groups = []
    for kinds, title in KINDS:
        inside = [name for name in names if _kind(listed, name) in kinds]
        if inside:
            shown = [
                {
                    "title": listed.get(name, {}).get("title") or name,
                    "cells": [column.cell(name, level) for column in columns],
                }
                for name in inside
            ]
            groups.append({"title": title, "control": kinds == ("control",), "rows": shown})
    published = [
        {"title": row["title"], "cells": [column.published(row["cells"].get(column.name)) for column in columns]}
        for row in table.get("published") or ()
    ]
    notes = [
        {key: row.get(key) for key in ("title", "source", "grade", "note")} for row in table.get("published") or ()
    ]
    return {
        "name": table["name"],
        "title": _title(table),
        "caption": table.get("caption"),
        "columns": [{"title": column.title, "unit": column.unit, "hint": column.hint} for column in columns],
        "groups": groups,
        "published": published,
        "notes": notes,
        "best": any(column.best for column in columns),
        "intervals": any(cell["interval"] for group in groups for row in group["rows"] for cell in row["cells"]),
        "spread": any(cell["mean"] for group in groups for row in group["rows"] for cell in row["cells"]),
    }


def _title(table):
    title = table.get("title") or table["name"]
    is_letter = len(table["name"]) == 1 and not title.lower().startswith(("table", table["name"].lower() + "."))
    return f"Table {table['name']}. {title}" if is_letter and title != table["name"] else title


def _kind(listed, name):
    kind = listed.get(name, {}).get("kind")
    return kind if any(kind in kinds for kinds, _ in KINDS) else "method"


class _Column:
    """
    One column: all of its numbers have the same digits and the same power of ten.
    """

    def __init__(self, column, cells, names, listed, over=None):
        self.name, self._over = column["name"], over
        self.title = column.get("title") or self.name
        self._cells = {name: cells[name].get(self.name) or {} for name in names}
        values = {name: cell.get("value") for name, cell in self._cells.items()}
        values = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
        # A control is no competitor, and may be of another size.
        able = {name: value for name, value in values.items() if _kind(listed, name) != "control"}
        largest = max(map(abs, (able or values).values()), default=0)
        self._digits = column.get("digits")
        power = math.floor(math.log10(largest)) if largest else 0
        # Very large or small numbers: their power of ten is in the head of the column.
        self._power = power if power > 5 or (power < -3 and self._digits is None) else 0
        if self._digits is None or self._power:
            self._digits = 2 if self._power else min(6, max(0, 2 - power))
        unit = column.get("unit") or ""
        self.unit = f"{_ten_to(self._power)} {unit}".strip() if self._power else unit
        nominal = column.get("nominal")
        better = column.get("better")
        if better == "nominal" and nominal is None:
            better = None
        self.hint = _BETTER.get(better, "").format(number(nominal, self._digits))
        self.best = _best(able, better, nominal, self._digits, self._power) if len(able) > 1 else set()

    def _text(self, value):
        return number(value if value is None else value / 10.0**self._power, self._digits)

    def cell(self, name, level):
        cell = self._cells[name]
        value = self._text(cell.get("value"))
        low, high, mean, std = (_known(cell.get(key)) for key in ("low", "high", "mean", "std"))
        interval = f"{self._text(low)} … {self._text(high)}" if low is not None and high is not None else ""
        mean = "" if mean is None else self._text(mean) + ("" if std is None else f" ± {self._text(std)}")
        hint = [f"{100 * level:g}% interval {interval}"] if interval else []
        hint += [f"{mean}, mean ± standard deviation over images"] if mean else []
        hint += [f"{self._text(pooled)} of all pixels together"] if (pooled := _known(cell.get("pooled"))) else []
        error, count = _known(cell.get("error")), cell.get("count")
        hint += [f"jackknife error {self._text(error)}"] if error is not None else []
        hint += [f"{count} windows"] if count is not None else []
        if self._over == "images" and "±" in mean:
            value = mean
        elif error is not None:
            value += f" ± {self._text(error)}"
        if count is not None:
            value += f" (N = {count})"
        return {
            "value": value,
            "interval": interval,
            "mean": mean,
            "hint": "; ".join(hint),
            "best": name in self.best,
        }

    def published(self, value):
        if value is None or isinstance(value, str):
            return value or DASH
        # As many digits as were published.
        return f"{value / 10.0**self._power:.6g}".replace("-", "−")


def _known(value):
    return None if value is None or math.isnan(value) else value


def _best(values, better, nominal, digits, power):
    """
    Names whose value, as it is shown, is the best.
    """
    if better is None:
        return set()
    goal = {"one": 1.0, "zero": 0.0, "nominal": nominal}.get(better)
    shown = {name: round(value / 10.0**power, digits) for name, value in values.items()}
    if better in ("low", "high"):
        sign = 1 if better == "low" else -1
        score = {name: sign * value for name, value in shown.items()}
    else:
        score = {name: round(abs(value - goal / 10.0**power), digits) for name, value in shown.items()}
    best = min(score.values())
    return {name for name, value in score.items() if value == best}
