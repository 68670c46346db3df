"""Rows of a suite to one table: figures of groups of jobs, with counts of people and 95 % intervals over people."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from lipwright.evaluation import curves as measures
from lipwright.evaluation.curves import Interval, Pair, bootstrap, bootstrap_median
from lipwright.evaluation.scores import MEASURES, Measure, Scores
from lipwright.evaluation.suite import CROSS, SELF, Row, curves_of_row

FACTS = ("clip", "person", "use", "sync_ok", "drive", "sound", "seconds", "version", "error")
NOT_IN_CSV = ("missing", "phone_counts")
IN_SYNC = "yes"
FEWEST_PEOPLE = 3  # under which an interval says nothing


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the table.

    Args:
        value: of the group.
        interval: 95 %, people drawn with replacement; None with fewer than three people.
        people: how many of the group it stands on.
    """

    value: float
    interval: Interval | None
    people: int


@dataclass(frozen=True, slots=True)
class Group:
    """One column of the table.

    Args:
        title: which jobs.
        people: among those that ran.
        jobs: asked for.
        failed: of these.
        figures: by the titles of `lines`; those that no job of the group has are left out.
    """

    title: str
    people: int
    jobs: int
    failed: int
    figures: dict[str, Figure]


class Line(NamedTuple):
    """One line of the table: its title, its unit, decimal places, and how a group's rows make the figure."""

    title: str
    unit: str
    digits: int
    of: Callable[[list[Row]], Figure | None]


def lines() -> Iterator[Line]:
    """Every line of the table."""
    for measure in MEASURES:
        yield Line(measure.title, measure.unit, measure.digits, _median(measure))
        if measure.name in POOLED:
            yield Line(f"{measure.title}, pooled", measure.unit, measure.digits, POOLED[measure.name])
        if measure.name == "silence_motion":
            yield Line("motion in silence of the real mouth, pooled", measure.unit, measure.digits, REAL_REST)
        if measure.name == "lag":
            yield Line("lag within one frame", "of jobs", 2, _near)


def groups_of(rows: Sequence[Row]) -> list[Group]:
    """Self-driven and cross-driven jobs, by the use of the clip; of the self-driven ones also those known in sync."""
    found = []
    for drive in (SELF, CROSS):
        for use in sorted({row["use"] for row in rows}):
            mine = [row for row in rows if (row["drive"], row["use"]) == (drive, use)]
            title = f"{drive}, {use}" if use else drive
            found.append(_group(title, mine))
            synced = [row for row in mine if row["sync_ok"] == IN_SYNC]
            if drive == SELF and 0 < len(synced) < len(mine):
                found.append(_group(f"{title}, in sync", synced))
    return [group for group in found if group.jobs]


def _group(title: str, rows: list[Row]) -> Group:
    ran = [row for row in rows if not row["error"]]
    figures = {line.title: figure for line in lines() if (figure := line.of(ran)) is not None}
    return Group(title, len({row["person"] for row in ran}), len(rows), len(rows) - len(ran), figures)


def _median(measure: Measure) -> Callable[[list[Row]], Figure | None]:
    """Median over a person's jobs, then over people; of what must be 0 the largest."""

    def figure(rows: list[Row]) -> Figure | None:
        return _over_people([(row["person"], row[measure.name]) for row in rows if row[measure.name] is not None])

    def largest(rows: list[Row]) -> Figure | None:
        known = [row for row in rows if row[measure.name] is not None]
        people = len({row["person"] for row in known})
        return Figure(max(row[measure.name] for row in known), None, people) if known else None

    return largest if measure.name == "outside" else figure


def _near(rows: list[Row]) -> Figure | None:
    """Share of jobs whose lag is at most one frame."""
    known = [(row["person"], float(abs(row["lag"]) <= 1)) for row in rows if row["lag"] is not None]
    if not known:
        return None
    return Figure(float(np.mean([near for _, near in known])), None, len({person for person, _ in known}))


def _over_people(values: list[tuple[str, float]]) -> Figure | None:
    if not values:
        return None
    of: dict[str, list[float]] = {}
    for person, value in values:
        of.setdefault(person, []).append(value)
    medians = [float(np.median(mine)) for mine in of.values()]
    interval = bootstrap_median(medians) if len(medians) >= FEWEST_PEOPLE else None
    return Figure(float(np.median(medians)), interval, len(medians))


def _pooled(
    pair_of: Callable[[Row], Pair | None], statistic: Callable[[Sequence[Pair]], float]
) -> Callable[[list[Row]], Figure | None]:
    """A figure over the curves of all jobs at once."""

    def figure(rows: list[Row]) -> Figure | None:
        known = [(row["person"], pair) for row in rows if (pair := pair_of(row)) is not None]
        people, pairs = [person for person, _ in known], [pair for _, pair in known]
        count = len(set(people))
        if not pairs or not np.isfinite(value := statistic(pairs)):
            return None
        return Figure(value, bootstrap(pairs, people, statistic=statistic) if count >= FEWEST_PEOPLE else None, count)

    return figure


def _pair_of(name: str) -> Callable[[Row], Pair | None]:
    def pair(row: Row) -> Pair | None:
        if row[f"{name}_r"] is None:
            return None
        curves = asdict(curves_of_row(row))
        return measures.both_seen((curves[name], curves[f"real_{name}"]))

    return pair


REAL_REST = _pooled(lambda row: curves_of_row(row).real_changes, measures.rest_ratio)
POOLED = {
    "opening_r": _pooled(_pair_of("opening"), measures.pooled_r),
    "width_r": _pooled(_pair_of("width"), measures.pooled_r),
    "silence_motion": _pooled(lambda row: curves_of_row(row).changes, measures.rest_ratio),
}


def as_csv(rows: Sequence[Row]) -> str:
    """One line a job: its facts and scores."""
    columns = [*FACTS, *(field.name for field in fields(Scores) if field.name not in NOT_IN_CSV)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_dict(groups: Sequence[Group], rows: Sequence[Row]) -> dict[str, Any]:
    """Plain values for JSON: the groups, and the jobs without their curves."""
    jobs = [{name: value for name, value in row.items() if name != "curves"} for row in rows]
    return {"groups": [asdict(group) for group in groups], "jobs": jobs}


def cells(groups: Sequence[Group]) -> list[list[str]]:
    """The table as text: a head, then one line a figure; the first cell of each is its title."""
    table = [["", *(group.title for group in groups)], ["people", *(str(group.people) for group in groups)]]
    table.append(["jobs", *(_jobs(group) for group in groups)])
    for line in lines():
        if any(line.title in group.figures for group in groups):
            title = f"{line.title} ({line.unit})" if line.unit else line.title
            table.append([title, *(_cell(group, line) for group in groups)])
    return table


def _jobs(group: Group) -> str:
    return f"{group.jobs}, {group.failed} failed" if group.failed else str(group.jobs)


def _cell(group: Group, line: Line) -> str:
    figure = group.figures.get(line.title)
    if figure is None:
        return "–"
    text = f"{figure.value:z.{line.digits}f}"
    if figure.interval is not None:
        text += " [{:z.{d}f} {:z.{d}f}]".format(*figure.interval, d=line.digits)
    return text if figure.people == group.people else f"{text}, {figure.people} people"


def as_markdown(groups: Sequence[Group], rows: Sequence[Row]) -> str:
    """The table, and the jobs that failed."""
    head, *body = cells(groups)
    text = [_markdown_line(head), _markdown_line(["---", *["--:"] * len(groups)]), *map(_markdown_line, body)]
    failed = [f"- `{row['clip']}`, {row['drive']}: {row['error']}" for row in rows if row["error"]]
    notes = [
        "Medians over a person's jobs, then over people; *pooled*: over the frames of all jobs; change outside the",
        "mask: the largest. In brackets 95 % of the bootstrap over people. Definitions: docs/evaluation.md.",
    ]
    return "\n".join([*text, "", *notes, *(["", "Failed:", "", *failed] if failed else []), ""])


def _markdown_line(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"
