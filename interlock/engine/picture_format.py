"""The names of what a diagram can be written as; apart from `diagrams`, so that a command line offers them quickly."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What a diagram can be written as."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    PNG = "png"
    PLANTUML = "plantuml"
    SCXML = "scxml"
    XSTATE = "xstate"
    TEXT = "text"
