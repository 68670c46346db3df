import pytest

from lipwright.errors import InputError, MediaError
from lipwright.evaluation.manifest import foreign_sound, read_manifest


def folder_of(tmp_path, text):
    (tmp_path / "MANIFEST.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_every_column(tmp_path):
    folder = folder_of(
        tmp_path,
        "file,kind,person_id,use,has_audio,pair_audio,sync_ok\n"
        "a.mp4,real,ann,test,yes,,yes\n"
        "b.mp4,real,bob,test,pair,b.wav,no\n"
        "c.mp4,silent,cat,test,yes,,\n"
        "d.mp4,real,dan,test,no,,\n"
        "e.mp4,real,eve,train,yes,,\n",
    )
    a, b, c, d = read_manifest(folder, "test")
    assert (a.person, a.use, a.sync_ok, a.path, a.sound) == ("ann", "test", "yes", folder / "a.mp4", folder / "a.mp4")
    assert b.sound == folder / "b.wav"
    assert c.sound is d.sound is None
    assert len(read_manifest(folder)) == 5


def test_the_file_alone_is_enough(tmp_path, clip_file, faceless_file):
    folder = folder_of(tmp_path, f"file\n{clip_file}\n{faceless_file}\nnone.mp4\n")
    heard, mute, missing = read_manifest(folder)
    assert heard.person == str(clip_file)
    assert heard.sound == clip_file
    assert mute.sound is None  # it has no sound track
    assert missing.sound == folder / "none.mp4"  # its job will say that it is missing


def test_a_foreign_sound_is_another_persons(tmp_path):
    rows = [f"{n}.mp4,{'ann' if n < 5 else 'bob'},{'no' if n == 8 else 'yes'}" for n in range(10)]
    clips = read_manifest(folder_of(tmp_path, "\n".join(["file,person_id,has_audio", *rows])))
    for number, clip in enumerate(clips):
        other = foreign_sound(clips, number)
        assert other.person != clip.person
        assert other.sound is not None
        assert other == foreign_sound(clips, number)
    assert foreign_sound(clips[:5], 0) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name\na.mp4\n", "column `file`"),
        ("file,use\na.mp4,test\n,test\n", "column `file`"),
        ("", "column `file`"),
        ("file,use\na.mp4,train\n", "no clip whose `use` is 'test'"),
    ],
)
def test_what_is_no_manifest_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence):
        read_manifest(folder_of(tmp_path, text), "test")


def test_a_folder_without_a_manifest(tmp_path):
    with pytest.raises(MediaError, match=r"MANIFEST\.csv"):
        read_manifest(tmp_path)
