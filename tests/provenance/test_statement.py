"""The signed statement: what it says, that signing leaves the file as it was, and that nothing is asked of anybody."""

import getpass
import http.server
import io
import json
import platform
import resource
import signal
import sys
import threading
import time
from dataclasses import replace
from fractions import Fraction

import av
import c2pa
import numpy as np
import pytest
import synth
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from signers import issue
from unsigned import unsigned

from lipwright import BackendError, MediaError, OptionError, OutputError
from lipwright.example import portrait as portrait_file
from lipwright.media import ClipWriter, EncodeOptions, open_clip
from lipwright.provenance import statement
from lipwright.provenance.boxes import top_boxes
from lipwright.provenance.certificates import SELF_MADE, open_signer
from lipwright.provenance.origin import Origin, model_used, read_source
from lipwright.provenance.parts import C2PA_UUID, hash_parts
from lipwright.provenance.records import tags, write_xmp, xmp
from lipwright.provenance.statement import read_anchors, read_statement, sign

FRAMES = 30


@pytest.fixture(scope="module")
def sources(tmp_path_factory, clip_file, speech_wav):
    """A video and a sound in a folder and under names that are nobody's business."""
    folder = tmp_path_factory.mktemp("private-folder-of-ada")
    video, sound = folder / "ada-at-home.mp4", folder / "ada-speaks.wav"
    video.write_bytes(clip_file.read_bytes())
    sound.write_bytes(speech_wav.read_bytes())
    return video, sound


@pytest.fixture(scope="module")
def origin(sources):
    return origin_of(*sources)


@pytest.fixture(scope="module")
def bare(tmp_path_factory, origin, sources):
    """A finished file without a statement."""
    path, rng = tmp_path_factory.mktemp("bare") / "a.mp4", np.random.default_rng(1)
    with ClipWriter(path, width=64, height=48, fps=Fraction(25), sound=sources[1], tags=tags(origin)) as sink:
        for _ in range(FRAMES):
            sink.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
    write_xmp(path, xmp(origin))
    return path


@pytest.fixture
def mine(bare, tmp_path):
    path = tmp_path / "mine.mp4"
    path.write_bytes(bare.read_bytes())
    return path


@pytest.fixture
def signed(mine, origin, sources):
    """The same, signed by this computer's certificate."""
    sign(mine, origin, open_signer(), video=sources[0], audio=sources[1])
    return mine


def origin_of(video, audio, kind="video", **more):
    return Origin(
        software="lipwright 0.1.0",
        engine="native",
        models=(model_used("mouth_motion", "ab" * 32),),
        video=read_source(video, kind),
        audio=read_source(audio, "sound"),
        settings={"length": "bounce", "fps": "25"},
        layers=("statement", "mark", "records"),
        **more,
    )


def statement_box(path):
    return next(box for box in top_boxes(path) if box.uuid == C2PA_UUID)


def flipped(path, at, mask=0xFF):
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)
    return path


# What it says


def test_it_tells_all_and_holds(signed, origin):
    found = read_statement(signed)
    assert found is not None
    assert (found.holds, found.state, found.problems) == (True, "valid", ())
    assert (found.self_made, SELF_MADE in found.by) == (True, True)
    assert (found.software, found.engine, found.mark_id) == ("lipwright 0.1.0", "native", origin.mark_id().hex())
    assert found.models == ({"name": "mouth_motion"} | {k: v for k, v in found.models[0].items() if k != "name"},)
    assert found.models[0]["weights_sha256"] == "ab" * 32
    assert [line.partition(" with ")[0] for line in found.actions] == ["opened", "edited", "placed in it"]
    assert "compositeWithTrainedAlgorithmicMedia" in found.actions[1]
    assert [line.partition(",")[0] for line in found.ingredients] == ["source video", "sound"]
    assert origin.video.sha256 in found.ingredients[0]
    assert origin.audio.sha256 in found.ingredients[1]
    assert found.made_at.endswith("Z")
    assert json.loads(json.dumps(found.raw)) == found.raw
    labels = {each["label"] for each in found.raw["assertions"]}
    assert {"c2pa.actions.v2", "c2pa.soft-binding", "org.lipwright.origin", "c2pa.hash.bmff.v3"} <= labels


def test_a_photo_brought_alive_is_created(mine, sources, speech_wav):
    told = origin_of(portrait_file, speech_wav, "photo")
    sign(mine, told, open_signer(), video=portrait_file, audio=speech_wav)
    found = read_statement(mine)
    assert found.holds
    assert found.actions[0].startswith("created with lipwright 0.1.0 (compositeWithTrainedAlgorithmicMedia): a photo")
    assert found.ingredients[0].startswith("source photo, image/")
    assert b"thumbnail" not in mine.read_bytes()


def test_a_note_on_consent_is_kept_whatever_its_letters(mine, sources):
    note = "Ada agreed, 2026-11-01 – 同意"
    told = origin_of(*sources, consent_note=note)
    sign(mine, told, open_signer(), video=sources[0], audio=sources[1])
    assert read_statement(mine).consent_note == note


def test_it_names_no_person_computer_folder_or_file(signed, sources, tmp_path):
    whole = signed.read_bytes().lower()
    names = {part for path in (*sources, signed) for part in path.parts} | {platform.node(), getpass.getuser()}
    assert [name for name in names if len(name) > 4 and name.encode().lower() in whole] == []


def test_it_may_be_signed_by_the_users_own_certificate(mine, origin, sources, tmp_path):
    pair, stranger = issue(tmp_path / "mine"), issue(tmp_path / "other")
    sign(mine, origin, open_signer(pair.certificate, pair.key), video=sources[0], audio=sources[1])
    states = [read_statement(mine, trust=trust).state for trust in (None, pair.authority, stranger.authority)]
    assert states == ["valid", "trusted", "valid"]
    found = read_statement(mine)
    assert (found.by, found.self_made) == ("Ada Lovelace, Ada Lovelace Ltd", False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ed25519.Ed25519PrivateKey.generate(),
        lambda: rsa.generate_private_key(65537, 3072),
    ],
)
def test_signatures_of_all_kinds_hold(make, mine, origin, sources, tmp_path):
    pair = issue(tmp_path / "pki", key=make())
    sign(mine, origin, open_signer(pair.certificate, pair.key), video=sources[0], audio=sources[1])
    assert read_statement(mine).problems == ()
    at = mine.read_bytes().rindex(bytes(50), 0, statement_box(mine).end)  # in the padding
    assert not read_statement(flipped(mine, at)).holds


def test_whom_to_trust_must_be_certificates(signed, tmp_path):
    (tmp_path / "text").write_text("hello")
    for path, told in ((tmp_path / "text", "holds no PEM certificate"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(OptionError, match=told):
            read_statement(signed, trust=path)
        with pytest.raises(OptionError, match=told):
            read_anchors(path)


# Signing leaves the file as it was


def packets(path):
    with av.open(str(path)) as container:
        return [(p.stream.type, p.pts, p.dts, p.is_keyframe, bytes(p)) for p in container.demux() if p.size]


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov"])
def test_picture_sound_and_order_stay(suffix, origin, sources, tmp_path):
    path = tmp_path / f"a{suffix}"
    with ClipWriter(path, width=64, height=48, fps=Fraction(25), sound=sources[1], tags=tags(origin)) as sink:
        for number in range(10):
            sink.write(np.full((48, 64, 3), 20 * number, np.uint8))
    before, parts, size = packets(path), hash_parts(path), path.stat().st_size
    kinds = [box.kind for box in top_boxes(path)]
    assert kinds.index("moov") < kinds.index("mdat")  # plays while it is loaded
    sign(path, origin, open_signer(), video=sources[0], audio=sources[1])
    after = [box.kind for box in top_boxes(path)]
    assert after == [kinds[0], "uuid", *kinds[1:]]
    assert (packets(path), hash_parts(path)) == (before, parts)
    assert unsigned(path)[0] != b""
    assert path.stat().st_size < size + 20_000
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    with open_clip(path) as clip:
        assert len(list(clip.frames())) == 10


@pytest.mark.parametrize("codec", ["hevc", "vp9"])
def test_other_codecs_carry_it(codec, origin, sources, tmp_path):
    path = tmp_path / "a.mp4"
    options = EncodeOptions(codec=codec, preset="ultrafast", crf=30)
    with ClipWriter(path, width=64, height=48, fps=Fraction(25), options=options) as sink:
        for number in range(5):
            sink.write(np.full((48, 64, 3), 20 * number, np.uint8))
    sign(path, origin, open_signer(), video=sources[0], audio=sources[1])
    assert read_statement(path).problems == ()


def test_large_files_are_hashed_in_pieces_and_watched_as_well(mine, origin, sources, monkeypatch):
    monkeypatch.setattr(statement, "_LARGE", 0)
    monkeypatch.setattr(statement, "_IN_PIECES", {"core": {"merkle_tree_chunk_size_in_kb": 4}})
    before = packets(mine)
    sign(mine, origin, open_signer(), video=sources[0], audio=sources[1])
    found, whole = [box for box in top_boxes(mine) if box.uuid == C2PA_UUID], mine.read_bytes()
    assert len(found) > 5
    assert (read_statement(mine).problems, packets(mine)) == ((), before)
    for box in found[1:]:
        for at in range(box.start + 4, box.end, 37):
            mine.write_bytes(whole)
            assert not read_statement(flipped(mine, at)).holds, (box, at)
    mine.write_bytes(whole)
    with av.open(str(mine)) as container:
        first = next(p for p in container.demux(video=0) if p.size)
        at = first.pos + first.size // 2
    assert read_statement(flipped(mine, at)).problems == ("frame 0 (0.00 s) was changed",)


def test_a_full_disk_leaves_the_file_and_nothing_else(mine, origin, sources):
    before, whole = resource.getrlimit(resource.RLIMIT_FSIZE), mine.read_bytes()
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) // 2, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            sign(mine, origin, open_signer(), video=sources[0], audio=sources[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert mine.read_bytes() == whole
    assert [entry.name for entry in mine.parent.iterdir()] == [mine.name]


@pytest.mark.parametrize("after", [1, 100, 300])
def test_ctrl_c_ends_signing_and_leaves_the_file(after, mine, origin, sources, monkeypatch):
    """Within the library it would be lost, or end the process."""
    asked = []

    class Interrupting(statement._Watched):
        def __getattr__(self, name):
            asked.append(name)
            if len(asked) == after:
                signal.raise_signal(signal.SIGINT)
            return super().__getattr__(name)

    whole = mine.read_bytes()
    signer = open_signer()
    monkeypatch.setattr(statement, "_Watched", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        sign(mine, origin, signer, video=sources[0], audio=sources[1])
    assert len(asked) >= after
    assert mine.read_bytes() == whole
    assert [entry.name for entry in mine.parent.iterdir()] == [mine.name]


def test_a_source_that_is_gone_is_named(mine, origin, sources, tmp_path):
    whole = mine.read_bytes()
    with pytest.raises(MediaError, match=r"gone\.mp4 cannot be read any more: .*leave the inputs in place"):
        sign(mine, origin, open_signer(), video=tmp_path / "gone.mp4", audio=sources[1])
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [(mine.name, whole)]


def test_what_is_no_video_is_not_signed(tmp_path, origin, sources):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0")
    with pytest.raises(OutputError, match=r"the statement of origin cannot be signed: .*--marks off"):
        sign(path, origin, open_signer(), video=sources[0], audio=sources[1])
    assert path.stat().st_size == 16


def test_without_the_library_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(BackendError, match="c2pa-python cannot be loaded"):
        statement.load_c2pa()


# Sources


def test_what_a_source_states_itself_is_kept(mine, origin, sources, tmp_path):
    first = tmp_path / "first.mp4"
    first.write_bytes(mine.read_bytes())
    sign(first, origin, open_signer(), video=sources[0], audio=sources[1])
    told = origin_of(first, sources[1])
    sign(mine, told, open_signer(), video=first, audio=sources[1])
    found = read_statement(mine)
    assert found.holds
    assert f"with a statement of its own by lipwright 0.1.0 (mark {origin.mark_id().hex()})" in found.ingredients[0]
    assert origin.video.sha256.encode() in mine.read_bytes()  # what the source was made of


def test_a_source_whose_statement_does_not_hold_is_told_apart(mine, origin, sources, tmp_path):
    first = tmp_path / "first.mp4"
    first.write_bytes(mine.read_bytes())
    sign(first, origin, open_signer(), video=sources[0], audio=sources[1])
    flipped(first, first.stat().st_size - 100)
    sign(mine, origin_of(first, sources[1]), open_signer(), video=first, audio=sources[1])
    found = read_statement(mine)
    assert found.holds
    assert "with a statement of its own by lipwright 0.1.0 that did not hold (mark " in found.ingredients[0]


def test_a_very_long_statement_of_a_source_is_left_out(mine, origin, sources, tmp_path, monkeypatch):
    first = tmp_path / "first.mp4"
    first.write_bytes(mine.read_bytes())
    sign(first, origin, open_signer(), video=sources[0], audio=sources[1])
    told = origin_of(first, sources[1])
    monkeypatch.setattr(statement, "MOST_STATEMENT", statement_box(first).size + 2000)  # one fits, two do not
    sign(mine, told, open_signer(), video=first, audio=sources[1])
    found = read_statement(mine)
    assert found.holds
    assert "statement of its own" not in found.ingredients[0]
    assert told.video.sha256 in found.ingredients[0]


def test_sources_that_cannot_be_looked_into_are_named_by_their_hash(mine, tmp_path):
    film = synth.write_video(tmp_path / "film.mkv", [synth.numbered(1)])
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no picture")
    told = origin_of(film, broken)
    sign(mine, told, open_signer(), video=film, audio=broken)
    found = read_statement(mine)
    assert found.holds
    assert [each for each in found.ingredients if told.video.sha256 in each or told.audio.sha256 in each] == list(
        found.ingredients
    )
    assert found.ingredients[0].startswith("source video, video/x-matroska")


# Tampering


def test_every_part_of_the_statement_is_watched(signed, tmp_path):
    """Every bit of some bytes: none is without consequence, padding and names of boxes included."""
    box, whole = statement_box(signed), signed.read_bytes()
    path = tmp_path / "changed.mp4"
    for at in range(box.start + 4, box.end, 61):
        for bit in range(8):
            path.write_bytes(whole)
            found = read_statement(flipped(path, at, 1 << bit))
            assert found is not None, (at - box.start, bit)
            assert not found.holds, (at - box.start, bit)
            assert found.problems, (at - box.start, bit)
            assert found.state == "invalid"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"the mouth of the person", "the statement was changed: the list of what was done"),
        (b"bounce", "the statement was changed: what it says of the file's making"),
        (b"source video", "the statement was changed: what it says of a source"),
        (b"org.lipwright.mark.1", "the statement was changed: the picture's mark in it"),
        (b"Lipwright (self-made", "after it was signed, or its signature was"),
    ],
)
def test_a_change_of_the_statement_is_named(text, told, signed):
    found = read_statement(flipped(signed, signed.read_bytes().index(text), 0x20))
    assert not found.holds
    assert told in " ".join(found.problems)


def test_a_damaged_beginning_of_the_file_hides_no_statement(signed):
    whole = signed.read_bytes()
    for at in range(8):
        found = read_statement(flipped(signed, at, 1))
        assert (found.holds, len(found.problems)) == (False, 1), at
        signed.write_bytes(whole)


def test_its_padding_is_watched(signed):
    box = statement_box(signed)
    at = signed.read_bytes().index(b"\x63pad", box.start) + 100
    assert signed.read_bytes()[at] == 0
    found = read_statement(flipped(signed, at))
    assert found.problems == ("the statement was changed where nothing is signed: its padding or the sizes in it",)


def test_changes_of_the_file_are_named(signed):
    whole = signed.read_bytes()
    with av.open(str(signed)) as container:
        frame = next(
            p for p in container.demux(video=0) if p.pts is not None and round(float(p.pts * p.time_base) * 25) == 7
        )
        at = frame.pos + frame.size // 2
    assert read_statement(flipped(signed, at)).problems == ("frame 7 (0.28 s) was changed",)
    signed.write_bytes(whole)
    assert read_statement(flipped(signed, whole.index(b"DigitalSourceType"))).problems == (
        "the XMP record was changed",
    )
    signed.write_bytes(whole + b"\0\0\0\x0cfreeabcd")  # which the library's own hash leaves out
    assert read_statement(signed).problems == ("a box of kind 'free' (number 2) was added",)
    signed.write_bytes(whole.replace(b"\0\0\0\x08free", b"\0\0\0\x08skip"))
    assert not read_statement(signed).holds


def test_a_statement_of_another_file_does_not_hold(signed, bare, tmp_path):
    box, whole = statement_box(signed), signed.read_bytes()
    other = tmp_path / "other.mp4"
    with ClipWriter(other, width=64, height=48, fps=Fraction(25)) as sink:
        for number in range(FRAMES):
            sink.write(np.full((48, 64, 3), number, np.uint8))
    data, first = other.read_bytes(), top_boxes(other)[0]
    other.write_bytes(data[: first.end] + whole[box.start : box.end] + data[first.end :])
    found = read_statement(other)
    assert not found.holds
    assert "the sound was removed" in found.problems


# Files of others


def other_tool(source, kind, folder, further=(), **more):
    """A file signed by plain C2PA; `further` are labels of assertions and what they hold."""
    pair, sink = issue(folder / "other"), io.BytesIO()
    made = {"action": "c2pa.created", "digitalSourceType": "http://c2pa.org/digitalsourcetype/empty"}
    about = {"claim_generator_info": [{"name": "Other", "version": "2"}], "title": "t"} | more
    about["assertions"] = [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}]
    about["assertions"] += [{"label": label, "data": data} for label, data in further]
    signer = c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(b"es256", pair.certificate.read_bytes(), pair.key.read_bytes(), None)
    )
    c2pa.Builder(about).sign(signer, kind, io.BytesIO(source), sink)
    return sink.getvalue()


def test_files_of_other_tools_are_read(tmp_path, bare):
    path = tmp_path / "x"
    for source, kind in ((portrait_file.read_bytes(), "image/jpeg"), (bare.read_bytes(), "video/mp4")):
        path.write_bytes(other_tool(source, kind, tmp_path))
        found = read_statement(path)
        assert (found.holds, found.state, found.software) == (True, "valid", "Other 2")
        assert (found.mark_id, found.engine, found.models, found.self_made) == (None, None, (), False)
        assert found.actions == ("created (empty)",)
        flipped(path, path.stat().st_size - 100)
        assert read_statement(path).problems == ("the file is not the one that was signed",)


STRANGE = {"packets": 10**12, "each": 10**12, "hashes": "!"}


@pytest.mark.parametrize(
    "parts", [{"x": 1}, {"records": 5, "video": STRANGE, "sound": {"packets": -1}}, {"records": {"\x1b": {"b": 1}}}]
)
def test_our_words_in_statements_of_others(parts, bare, speech_wav, tmp_path):
    for source, kind in ((portrait_file, "image/jpeg"), (speech_wav, "audio/wav"), (bare, "video/mp4")):
        path = tmp_path / "x"
        further = [("org.lipwright.parts", parts), ("org.lipwright.origin", {"mark_id": {"a": 1}, "models": "no"})]
        path.write_bytes(other_tool(source.read_bytes(), kind, tmp_path, further))
        found = read_statement(path)
        assert found.holds or kind == "video/mp4"
        assert (found.mark_id, found.models) == (None, ())


def test_a_damaged_statement_in_a_picture_is_there(tmp_path):
    path = tmp_path / "x"
    whole = other_tool(portrait_file.read_bytes(), "image/jpeg", tmp_path)
    for begin in (b"jumd", b"c2pa.actions.v2\0", b"instanceID", b"created_assertions"):
        damaged = bytearray(whole)
        damaged[whole.index(begin)] ^= 1
        path.write_bytes(damaged)
        found = read_statement(path)
        assert (found.holds, found.state) == (False, "invalid"), begin
        assert found.problems


def test_an_expired_certificate_changes_nothing_in_the_file(mine, origin, sources, tmp_path, monkeypatch):
    pair = issue(tmp_path / "pki", days=(-1, 4 / 86400))
    sign(mine, origin, open_signer(pair.certificate, pair.key), video=sources[0], audio=sources[1])
    until = time.monotonic() + 10
    while not read_statement(mine).expired and time.monotonic() < until:
        time.sleep(0.5)
    for trust in (None, pair.authority):
        found = read_statement(mine, trust=trust)
        assert (found.holds, found.state, found.expired, found.problems) == (True, "valid", True, ())
    at = mine.stat().st_size - 100
    assert read_statement(flipped(mine, at), trust=pair.authority).problems == ("the XMP record was changed",)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\xd8\xff", b"\0\0\0\x10ftypisom\0\0\0\0", b"RIFF\4\0\0\0WAVE"]
)
def test_files_without_one_have_none(content, tmp_path):
    (tmp_path / "x").write_bytes(content)
    assert read_statement(tmp_path / "x") is None


def test_ordinary_media_have_none(bare, clip_file, speech_wav, tmp_path):
    film = synth.write_video(tmp_path / "film.mkv", [synth.numbered(1)])
    assert [read_statement(path) for path in (bare, clip_file, speech_wav, portrait_file, film)] == [None] * 5
    with pytest.raises(FileNotFoundError):
        read_statement(tmp_path / "none")


# Nobody is asked


@pytest.fixture
def counted():
    """A server that counts who calls, and its address."""
    calls = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            calls.append(self.path)
            self.send_error(404)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield calls, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def remote_only(address, folder):
    """A picture whose statement lies elsewhere."""
    pair, sink = issue(folder / "remote"), io.BytesIO()
    made = {"action": "c2pa.created", "digitalSourceType": "http://c2pa.org/digitalsourcetype/empty"}
    builder = c2pa.Builder({"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}]})
    builder.set_no_embed()
    builder.set_remote_url(f"{address}/manifest.c2pa")
    signer = c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(b"es256", pair.certificate.read_bytes(), pair.key.read_bytes(), None)
    )
    builder.sign(signer, "image/jpeg", io.BytesIO(portrait_file.read_bytes()), sink)
    path = folder / "remote.jpg"
    path.write_bytes(sink.getvalue())
    return path


def test_nothing_is_fetched(counted, mine, speech_wav, tmp_path):
    """Neither a statement that lies elsewhere, of the file or of a source, nor news of a certificate."""
    calls, address = counted
    remote = remote_only(address, tmp_path)
    assert address.encode() in remote.read_bytes()
    with pytest.raises(c2pa.C2paError):  # the library as it comes would
        c2pa.Reader("image/jpeg", io.BytesIO(remote.read_bytes()))
    assert calls
    calls.clear()
    pair = issue(tmp_path / "told", ocsp=f"{address}/ocsp")
    assert read_statement(remote) is None
    told = origin_of(remote, speech_wav, "photo")
    sign(mine, told, open_signer(pair.certificate, pair.key), video=remote, audio=speech_wav)
    assert read_statement(mine).holds
    assert read_statement(mine, trust=pair.authority).state == "trusted"
    assert calls == []


def test_a_layer_less_is_a_statement_less(mine, origin, sources):
    sign(mine, replace(origin, layers=("statement",)), open_signer(), video=sources[0], audio=sources[1])
    labels = {each["label"] for each in read_statement(mine).raw["assertions"]}
    assert "c2pa.soft-binding" not in labels
