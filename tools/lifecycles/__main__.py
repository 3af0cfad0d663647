"""Writes the pages: ``python -m tools.lifecycles`` (`make docs`)."""

from __future__ import annotations

from tools.lifecycles.pages import DIRECTORY, pages

for name, text in pages().items():
    (DIRECTORY / name).write_text(text, encoding="utf-8")
