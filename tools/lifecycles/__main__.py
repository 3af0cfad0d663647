"""Writes the pages, and the picture in the README: ``python -m tools.lifecycles`` (`make docs`)."""

from __future__ import annotations

from tools.lifecycles.pages import DIRECTORY, PICTURE, pages, picture

for name, text in pages().items():
    (DIRECTORY / name).write_text(text, encoding="utf-8")
PICTURE.write_bytes(picture())
