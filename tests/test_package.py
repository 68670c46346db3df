import inspect
import subprocess
import sys

import pytest

import lipwright
from lipwright import errors, registry
from lipwright.errors import BackendError, InputError, LipwrightError, OptionError, ShapeError
from lipwright.face.base import TRACKERS, open_tracker
from lipwright.media import EncodeOptions
from lipwright.motion.base import MOTIONS
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.render.base import RENDERERS, load_renderer

TABLES = {"face tracker": TRACKERS, "motion": MOTIONS, "renderer": RENDERERS}
ROWS = [(kind, name) for kind, table in TABLES.items() for name in sorted(table)]


def test_public_names():
    names = {n for n in dir(lipwright) if not n.startswith("_")}
    assert {n for n in names if not inspect.ismodule(getattr(lipwright, n))} == set(lipwright.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="dubb"):
        lipwright.dubb  # noqa: B018


@pytest.mark.parametrize("module", ["lipwright", "lipwright.cli.main"])
def test_import_is_light(module):
    heavy = {"av", "cv2", "fastapi", "mediapipe", "numpy", "onnxruntime", "torch"}
    code = f"import sys, {module}; sys.exit(', '.join({heavy!r} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_tree_of_errors_with_exit_codes():
    tree = {n: c for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, Exception)}
    assert all(issubclass(c, LipwrightError) for c in tree.values())
    assert {n: c.exit_code for n, c in tree.items()} == {
        "LipwrightError": 1,
        "InputError": 2,
        "MediaError": 2,
        "NoFaceError": 2,
        "OptionError": 2,
        "OutputError": 3,
        "BackendError": 4,
        "ShapeError": 1,
    }
    assert set(tree) <= set(lipwright.__all__)
    assert all(name in errors.__doc__ for name in tree)


def test_a_shape_error_says_what_was_got_and_wanted():
    assert str(ShapeError("Box.xy", expected="(N, 2)", got=(3, 4))) == "Box.xy: expected (N, 2), got (3, 4)"
    assert str(ShapeError("Box.xy", expected="(N, 2)", got="a list")) == "Box.xy: expected (N, 2), got a list"


@pytest.mark.parametrize(("kind", "name"), ROWS)
def test_every_row_resolves(kind, name):
    assert inspect.isclass(registry.load(kind, TABLES[kind], name))


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_engine_is_made_of_parts_that_exist(name):
    engine = ENGINES[name]
    assert callable(registry.resolve(engine.features))
    assert inspect.isclass(registry.resolve(engine.stage))
    assert engine.motion in MOTIONS
    assert engine.sound_rate > 0


@pytest.mark.parametrize(("kind", "ask"), [("face tracker", open_tracker), ("renderer", load_renderer)])
def test_an_unknown_row_lists_the_known_ones(kind, ask):
    with pytest.raises(BackendError) as caught:
        ask("nonesuch")
    assert str(caught.value) == f"unknown {kind} 'nonesuch'; known: {', '.join(sorted(TABLES[kind]))}"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "magic"}, "engine 'magic'"),
        ({"length": "forever"}, "length 'forever'.*bounce, loop, cut_off, silence, remap"),
        ({"person": "nobody"}, "'nobody'.*largest, center, left, right"),
        ({"person": "0"}, "'0'"),
        ({"fps": 0}, "fps must be 1..120, got 0"),
        ({"fps": 121}, "fps must be 1..120, got 121"),
        ({"intensity": -0.1}, "intensity must be 0..2, got -0.1"),
        ({"intensity": 2.5}, "intensity must be 0..2, got 2.5"),
        ({"intensity": float("nan")}, "intensity must be 0..2, got nan"),
    ],
)
def test_options_check_themselves(options, words):
    with pytest.raises(OptionError, match=words):
        DubOptions(**options)


def test_options_are_frozen_and_known_by_name():
    with pytest.raises(TypeError, match="lenght"):
        DubOptions(lenght="loop")
    with pytest.raises(AttributeError):
        DubOptions().length = "loop"
    assert DubOptions().encode == EncodeOptions()


def test_input_errors_can_be_caught_together():
    with pytest.raises(InputError):
        DubOptions(length="forever")
