"""Twins of the published models: exact signatures under the published names, seeded weights, known answers.

`faces` and `post` need onnx alone, `generator` and `speech` PyTorch, too.
"""

from pathlib import Path


def build_pictures(folder: Path) -> Path:
    """Twins of all ONNX files."""
    from twins import faces, post

    faces.build(folder)
    post.build(folder)
    return folder


def build_all(folder: Path) -> Path:
    """Twins of the whole published set, the two checkpoints among them."""
    from twins import generator, speech

    build_pictures(folder)
    speech.build(folder)
    generator.build(folder)
    return folder
