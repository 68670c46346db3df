"""The model card: prose from a template, tables from the run's own records.

A template is Markdown with the places `$parameters`, `$data`, `$recipe`, `$gains`, `$measures` and `$clips`.
"""

from pathlib import Path
from string import Template
from typing import Any

from lipwright.errors import InputError

FOLDER = Path(__file__).parent / "cards"
TITLES = {
    "set": "set",
    "model": "model",
    "clips": "clips",
    "people": "people",
    "opening_r": "opening r",
    "width_r": "width r",
    "opening_amplitude": "amplitude, opening",
    "lag": "lag, frames",
    "silence_motion": "motion in silence over speech",
    "silence_motion_real": "the same of real mouths",
    "landmark_error": "LMD",
    "landmark_error_true_mean": "LMD, true mean given",
}
"""Columns of the measures: names as in `lipwright.training.evaluate_motion.measures_of`."""


def find(name: str) -> Path:
    """The file of a template of the package, or of one's own.

    Raises:
        InputError: neither.
    """
    for path in (FOLDER / f"{name}.md", Path(name)):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.md")))
    raise InputError(f"there is no card template {name!r}; name a Markdown file, or one of {known}")


def fill(template: Path, record: dict[str, Any], gains: list[float], measures: dict[str, Any] | None) -> str:
    """The card of a run.

    Args:
        template: the file, see above.
        record: what run.json holds.
        gains: of opening and width.
        measures: what measures.json holds, None where nothing was measured.

    Raises:
        InputError: the template cannot be read, or names a place that is not filled.
    """
    places = {
        "parameters": f"{record['parameters'] / 1e6:.2f} million",
        "data": data_table(record["clips"]),
        "recipe": recipe_table(record),
        "gains": f"{gains[0]:.2f} and {gains[1]:.2f}",
        "measures": measures_table(measures),
        "clips": clip_list(record["clips"]),
    }
    try:
        return Template(template.read_text("utf-8")).substitute(places)
    except (OSError, ValueError, KeyError) as exc:
        raise InputError(
            f"the card template {template} cannot be used: {exc}; its places are {', '.join(places)}"
        ) from exc


def table(head: list[str], rows: list[list[str]]) -> str:
    """Rows as a Markdown table, the first column to the left."""
    rule = "|---|" + "--:|" * (len(head) - 1)
    return "\n".join(["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows)])


def data_table(clips: list[dict[str, Any]]) -> str:
    """Clips, people and minutes of each set."""
    rows = []
    for name in sorted({clip["set"] for clip in clips}):
        part = [clip for clip in clips if clip["set"] == name]
        minutes = sum(clip["seconds"] for clip in part) / 60
        rows.append([name, str(len(part)), str(len({clip["person"] for clip in part})), f"{minutes:.1f}"])
    return table(["set", "clips", "people or groups", "minutes"], rows)


def recipe_table(record: dict[str, Any]) -> str:
    """Every value of the recipe, and the machine."""
    values = {**record["recipe"], "held_out": ", ".join(record["recipe"]["held_out"]) or "nobody"}
    values["gains"] = ", ".join(str(gain) for gain in values["gains"]) or "found on the people held out"
    values |= {"recipe": record["name"], "device": record["device"], "seconds of training": record["seconds"]}
    return table(["value", "is"], [[name.replace("_", " "), str(value)] for name, value in values.items()])


def measures_table(measures: dict[str, Any] | None) -> str:
    """One row for each set and model."""
    if measures is None:
        return "Not measured: there were no clips of people who were not trained on."
    rows = [[cell(row, name) for name in TITLES] for row in measures["rows"]]
    return f"On people of the {measures['people']} clips.\n\n" + table(list(TITLES.values()), rows)


def cell(row: dict[str, Any], name: str) -> str:
    """A figure with its interval, a dash where it cannot be told."""
    value, ends = row[name], row.get(f"{name}_interval")
    if value is None:
        return "–"
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return f"{text} [{ends[0]:.2f} {ends[1]:.2f}]" if ends else text


def clip_list(clips: list[dict[str, Any]]) -> str:
    """The names of all clips by set and person."""
    lines = []
    for name in sorted({clip["set"] for clip in clips}):
        part = [clip for clip in clips if clip["set"] == name]
        lines.append(f"**{name}**, {len(part)} clips\n")
        for person in sorted({clip["person"] for clip in part}):
            names = ", ".join(sorted(clip["name"] for clip in part if clip["person"] == person))
            lines.append(f"- {person}: {names}")
        lines.append("")
    return "\n".join(lines).strip()
