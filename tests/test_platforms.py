"""What works on one system only stays out of the library: seen in the source, for tests run on one system at a time."""

import ast
import re
from pathlib import Path

import pytest

import lipwright

SOURCES = sorted(Path(lipwright.__file__).parent.rglob("*.py"))
ONLY_SOMEWHERE = {
    "forking": r"\bfork\b",
    "a Unix module": r"^\s*(import|from) (fcntl|resource|pwd|grp|termios)\b",
    "a Unix folder": r"""["']/(tmp|proc|dev|var)\b""",
    "links": r"\b(symlink_to|os\.symlink|os\.link|hardlink_to)\b",
    "renaming over a file": r"\bos\.rename\b",
    "OpenCV with a path": r"\bcv2\.im(read|write)\(",
    "signals": r"\bSIG(KILL|HUP|USR1|ALRM|XFSZ)\b",
}


@pytest.mark.parametrize("what", ONLY_SOMEWHERE)
def test_nothing_that_some_systems_lack(what):
    pattern = re.compile(ONLY_SOMEWHERE[what], re.M)
    assert [path.name for path in SOURCES if pattern.search(path.read_text("utf-8"))] == []


def test_text_files_name_their_encoding():
    missing = []
    for path in SOURCES:
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                named = any(word.arg == "encoding" for word in call.keywords)
                least = {"read_text": 1, "write_text": 2}.get(call.func.attr)
                if least is not None and not named and len(call.args) < least:
                    missing.append(f"{path.name}:{call.lineno}")
    assert missing == []
