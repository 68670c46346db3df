"""A job on its way to another machine, drawn there part by part as here; without Ray."""

import pickle
import platform
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from signers import issue

from lipwright import BackendError, DubOptions, EncodeOptions, dub
from lipwright.compose.overlays import Overlay
from lipwright.execute import sent as module
from lipwright.execute.sent import Drawer, SentFile, SentJob
from lipwright.pipeline import parts
from lipwright.pipeline.executor import Here


class Posted:
    """Sends the job away, as `pickle` does, to a machine that has none of its files."""

    here = False

    def __init__(self, folder):
        self.folder, self.sent, self.asked = folder, None, []

    def make(self, work, missing):
        self.sent = SentJob.of(work)
        gone = pickle.loads(pickle.dumps(self.sent))  # noqa: S301 - our own
        files = {name: SentFile(self.folder / f"gone{getattr(gone, name).path.suffix}", getattr(gone, name).sha256)
                 for name in ("video", "audio")}  # fmt: skip
        with closing(Drawer(replace(gone, **files))) as drawer:
            yield from self.drawn(drawer, missing)

    def drawn(self, drawer, missing):
        self.asked = drawer.missing()
        for name in self.asked:
            data = getattr(self.sent, name).path.read_bytes()
            for at in range(0, len(data), 5000):
                drawer.take(name, data[at : at + 5000])
        drawer.open()
        for number in missing:
            yield number, drawer.draw(number)


class Both(Posted):
    """Compares what is drawn there with what is drawn here."""

    def make(self, work, missing):
        for (number, there), (_, here) in zip(super().make(work, missing), Here().make(work, missing), strict=True):
            assert there == here
            yield number, there


@pytest.fixture
def options(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "SECONDS", Fraction(1, 2))
    return DubOptions(cache=tmp_path / "cache", encode=EncodeOptions(preset="ultrafast", crf=23))


def test_a_machine_without_the_files_draws_the_same(clip_file, long_wav, folder, options, tmp_path):
    picture = tmp_path / "sign.png"
    picture.write_bytes(cv2.imencode(".png", np.full((20, 40, 4), 200, np.uint8))[1].tobytes())
    more = replace(options, overlays=(Overlay(picture, "bottom-right"),), label="always", label_language="en")
    posted = Both(tmp_path)
    report = dub(clip_file, long_wav, folder / "a.mp4", options=more, executor=posted)
    assert posted.asked == ["video", "audio"]
    assert report.frames == 60


def test_no_secret_travels(clip_file, long_wav, folder, options, tmp_path):
    pair = issue(tmp_path / "pair")
    more = replace(options, certificate=pair.certificate, private_key=pair.key, consent_note="agreed in writing")
    posted = Posted(tmp_path)
    dub(clip_file, long_wav, folder / "a.mp4", options=more, executor=posted)
    data = pickle.dumps(posted.sent)
    for secret in (pair.key.read_bytes()[60:120], str(pair.key).encode(), b"agreed in writing"):
        assert secret not in data


def test_other_versions_and_files_that_come_damaged_are_refused(
    clip_file, long_wav, folder, options, monkeypatch, tmp_path
):
    class Refused(Posted):
        def make(self, work, missing):
            sent = SentJob.of(work)
            other = {"av": {"software": sent.software | {"av": "1"}}, "dinet_v1": {"weights": {"dinet_v1": "0"}}}
            for name, change in other.items():
                refused = pytest.raises(BackendError, match=rf"other \w+ than this one \({name}\)")
                with closing(Drawer(replace(sent, **change))) as drawer, refused:
                    drawer.missing()
            gone = replace(sent.audio, path=self.folder / "gone.wav")
            with closing(Drawer(replace(sent, audio=gone))) as drawer:
                assert drawer.missing() == ["audio"]
                drawer.take("audio", b"cut")
                with pytest.raises(BackendError, match="the audio did not come whole"):
                    drawer.open()
            yield from Here().make(work, missing)

    dub(clip_file, long_wav, folder / "a.mp4", options=options, executor=Refused(tmp_path))


def test_what_killed_processes_left_goes(monkeypatch, tmp_path):
    monkeypatch.setattr(module.psutil, "pid_exists", lambda number: number == 11)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = [f"lipwright-{platform.node()}-{owner}" for owner in ("11-x", "12-x", "me")] + ["12-x"]
    for name in names:
        (tmp_path / name).mkdir()
    with module.own_folder():
        assert len(list(tmp_path.iterdir())) == 4
    assert {path.name for path in tmp_path.iterdir()} == {*names} - {names[1]}


def test_files_of_a_shared_disk_are_not_sent(clip_file, long_wav):
    shared = SentFile.of(clip_file)
    assert shared.here()
    assert not replace(shared, sha256=SentFile.of(long_wav).sha256).here()
    assert module.PIECE > 1 << 20
