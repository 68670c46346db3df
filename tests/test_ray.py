"""Parts drawn by a Ray cluster of two nodes on this machine, one of which dies in the middle."""

import os
from fractions import Fraction

import pytest
import synth
from unsigned import unsigned

from lipwright import DubOptions, EncodeOptions, dub
from lipwright.batch.manifest import Row
from lipwright.batch.plan import plan_jobs
from lipwright.batch.run import run_batch
from lipwright.example import speech as speech_file
from lipwright.execute.ray import RayExecutor
from lipwright.media import read_sound
from lipwright.pipeline import parts

pytest.importorskip("ray", reason="needs the extra ray")


@pytest.fixture(scope="module")
def nodes():
    """A head that runs nothing, and two nodes of one CPU each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([*os.environ.get("PYTHONPATH", "").split(os.pathsep), SOURCE]))
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        made.two = [made.add_node(num_cpus=1) for _ in range(2)]
        yield made
        import ray

        ray.shutdown()
        made.shutdown()


SOURCE = str(parts.__file__).partition(f"lipwright{os.sep}pipeline")[0]


@pytest.fixture
def job(clip_file, folder, tmp_path, monkeypatch):
    """A job of many short parts: (video, audio, options), and its file when it is done here."""
    monkeypatch.setattr(parts, "SECONDS", Fraction(1, 4))
    said = read_sound(speech_file, 16000).samples
    audio = synth.write_sound(tmp_path / "long.wav", said[: 16000 * 6], 16000, "pcm_s16le")
    options = DubOptions(cache=tmp_path / "cache", encode=EncodeOptions(preset="ultrafast", crf=23))
    dub(clip_file, audio, folder / "local.mp4", options=options)
    return clip_file, audio, options, unsigned(folder / "local.mp4")


def test_two_nodes_one_of_them_killed_give_the_same_file(nodes, job, folder):
    video, audio, options, local = job
    told, killed = [], []

    def watching(stage, done, total):
        told.append((stage, done, total))
        if stage == "render" and done > 40 and not killed:
            killed.append(nodes.two[0])
            nodes.remove_node(nodes.two[0], allow_graceful=False)

    report = dub(
        video, audio, folder / "ray.mp4", options=options, progress=watching, executor=RayExecutor(nodes.address)
    )
    assert killed
    assert unsigned(folder / "ray.mp4") == local
    assert told[-1] == ("render", report.frames, report.frames)
    assert not list((options.cache / "parts").rglob("*.part"))
    nodes.two[0] = nodes.add_node(num_cpus=1)


def test_whole_jobs_survive_a_lost_node(nodes, clip_file, speech_wav, folder, tmp_path):
    options = DubOptions(cache=tmp_path / "cache", encode=EncodeOptions(preset="ultrafast", crf=23))
    dub(clip_file, speech_wav, folder / "local.mp4", options=options)
    rows = [
        Row(str(number), {"video": str(video), "audio": str(speech_wav), "output": f"{number}.mp4"}, folder)
        for number, video in enumerate([clip_file, clip_file, folder / "no.mp4", *[clip_file] * 4])
    ]
    jobs = plan_jobs(rows, {"cache": str(options.cache), "preset": "ultrafast", "crf": "23"})
    told = []

    def watching(outcome):
        if not told:
            nodes.remove_node(nodes.two[1], allow_graceful=False)
        told.append(outcome)

    result = run_batch(jobs, tmp_path / "r.jsonl", executor="ray", address=nodes.address, told=watching)
    assert [outcome.job for outcome in result.outcomes if outcome.state == "failed"] == [3]
    wanted = unsigned(folder / "local.mp4")
    assert all(unsigned(job.output) == wanted for job in jobs if job.number != 3)
    nodes.two[1] = nodes.add_node(num_cpus=1)


def test_a_job_cut_off_on_a_cluster_goes_on_here(nodes, job, folder):
    video, audio, options, local = job

    def stop(stage, done, total):
        if stage == "render" and done > 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dub(video, audio, folder / "a.mp4", options=options, progress=stop, executor=RayExecutor(nodes.address))
    assert list((options.cache / "parts").rglob("*.part"))
    report = dub(video, audio, folder / "a.mp4", options=options)
    assert any("were there already" in note for note in report.notes)
    assert unsigned(folder / "a.mp4") == local
