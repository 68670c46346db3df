"""docs/scale.md: its files can be read, and the simulation it quotes runs."""

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIELDS = {
    "RayJob": {"entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "rayClusterSpec"},
    "StatefulSet": {"serviceName", "replicas", "selector", "template", "volumeClaimTemplates"},
}


def test_manifests_can_be_read():
    yaml = pytest.importorskip("yaml")
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "scale.md").read_text(encoding="utf-8"), re.M | re.S)
    found = {one["kind"]: one for one in map(yaml.safe_load, blocks)}
    assert {kind: set(one["spec"]) for kind, one in found.items()} == FIELDS
    cluster = found["RayJob"]["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:  # Ray's start options are words, also those that are numbers
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    images = {group["template"]["spec"]["containers"][0]["image"] for group in groups}
    assert len(images) == 1
    assert images.pop().endswith(cluster["rayVersion"])


@pytest.mark.parametrize("more", [(), ("--whole",), ("--stampede", "--loss-hours", "0.2")])
def test_simulated_machines_make_what_arrives(more, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["queue_simulation.py", "--machines", "10", "--parts", "40000", *more])
    runpy.run_path(str(ROOT / "benchmarks" / "queue_simulation.py"), run_name="__main__")
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].strip("|").split("|")]
    made, arriving = float(cells[2].replace(",", "")), 0.6 * 60 * 160 / 0.95
    assert 0.8 < made / arriving < 1.2
    assert 55 < float(cells[5].rstrip(" %")) < 90
    assert float(cells[6].rstrip(" %")) > 0 or "--loss-hours" not in more
