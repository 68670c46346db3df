"""A slice of `fuzz.py`; the whole is a command."""

from itertools import islice

import fuzz
import pytest


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "whole"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def sources(whole):
    return fuzz.make_sources(whole)


def test_whole_files_are_read_and_dubbed(sources, whole, tmp_path):
    for name in sources:
        fuzz.try_media(whole / name)
    (tmp_path / "job").mkdir()
    sound = tmp_path / "job" / "s.flac"
    sound.write_bytes(sources["s.flac"])
    fuzz.try_dub(sound, sound.parent, whole, tmp_path / "cache")


def test_damaged_copies_are_read_or_refused_in_a_sentence(sources, tmp_path):
    kinds = set()
    for mutant in islice(fuzz.mutants(sources, seed=2), 60):
        path = tmp_path / mutant.source
        path.write_bytes(mutant.data)
        kind, sentence = fuzz.outcome(lambda p=path: fuzz.try_media(p))
        assert "FINDING" not in kind, (mutant.number, mutant.source, mutant.harm, sentence)
        kinds.add(kind)
    assert kinds == {"ok", "MediaError"}


@pytest.mark.parametrize("number", [0, 37, 104, 105])  # seed 1: an MP4 and sounds, flipped, edited and cut
def test_damaged_copies_are_dubbed_or_refused_in_a_sentence(number, sources, whole, tmp_path):
    mutant = next(islice(fuzz.mutants(sources, seed=1), number, None))
    (tmp_path / "job").mkdir()
    path = tmp_path / "job" / mutant.source
    path.write_bytes(mutant.data)
    kind, sentence = fuzz.outcome(lambda: fuzz.try_dub(path, path.parent, whole, tmp_path / "cache"))
    assert "FINDING" not in kind, sentence


def test_tags_in_another_alphabet_are_no_reason_to_refuse(sources, tmp_path):
    data = sources["s.mp3"]
    name = "Gr\xfc\xdfe".encode("latin-1")
    frame = b"TIT2" + (len(name) + 1).to_bytes(4, "big") + b"\0\0\x03" + name  # says UTF-8, is Latin-1
    path = tmp_path / "tagged.mp3"
    path.write_bytes(b"ID3\x04\0\0" + bytes((0, 0, 0, len(frame))) + frame + data)
    fuzz.try_media(path.rename(tmp_path / "s.mp3"))
