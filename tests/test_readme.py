"""What the documents tell a reader to type works as written."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer

from lipwright.cli.main import app
from lipwright.example import portrait as portrait_file
from lipwright.example import speech as speech_file

ROOT = Path(__file__).parents[1]
PAGES = [
    page for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")) if page.is_file()
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
QUOTED = re.compile(r"""["']([\w./-]+\.(?:mp4|mov|webm|mkv|jpg|png|webp|wav|mp3|flac))["']""")
SOUNDS, PHOTOS = (".wav", ".mp3", ".flac"), (".jpg", ".png", ".webp")


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text("utf-8")) if kind == language]


def commands() -> list[tuple[str, ...]]:
    """Every `lipwright …` in a bash block, as words."""
    found = []
    for page in PAGES:
        lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
        for part in (part for line in lines for part in line.split("&&")):
            words = shlex.split(part, comments=True)
            if words and Path(words[0]).name == "lipwright":
                found.append(tuple(words[1:]))
    return sorted(set(found))


PYTHON = blocks(ROOT / "README.md", "python") if (ROOT / "README.md").is_file() else []
COMMANDS = commands()


@pytest.mark.skipif(not PYTHON, reason="README.md has no Python block")
@pytest.mark.parametrize("block", PYTHON or [""], ids=range(max(1, len(PYTHON))))
def test_python_blocks_run(block, tmp_path, monkeypatch, clip_file):
    monkeypatch.chdir(tmp_path)
    for name in QUOTED.findall(block):
        suffix = Path(name).suffix
        source = speech_file if suffix in SOUNDS else portrait_file if suffix in PHOTOS else clip_file
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, name)
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own README


@pytest.mark.skipif(not COMMANDS, reason="no page shows a command")
@pytest.mark.parametrize("words", COMMANDS or [()], ids=" ".join)
def test_commands_parse(words):
    command, context = typer.main.get_command(app), None
    words = list(words)
    while hasattr(command, "commands"):
        context = command.context_class(command, parent=context, info_name="lipwright")
        assert words, "names no command"
        name = words.pop(0)
        assert name in command.commands, f"no command {name!r}"
        command = command.commands[name]
    parsed = command.make_context("lipwright", words, parent=context)
    assert not parsed.args


def test_every_option_in_the_pages_exists():
    group = typer.main.get_command(app)
    known = {"--help"}
    queue = [group]
    while queue:
        command = queue.pop()
        known |= {name for parameter in command.params for name in parameter.opts}
        queue += getattr(command, "commands", {}).values()
    usage = ROOT / "docs" / "usage.md"
    if not usage.is_file():
        pytest.skip("docs/usage.md is not there")
    named = set(re.findall(r"`(--[\w-]+)", usage.read_text("utf-8")))
    assert named <= known


def test_the_pages_that_are_linked_exist():
    readme = ROOT / "README.md"
    if not readme.is_file():
        pytest.skip("no README.md")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme.read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
