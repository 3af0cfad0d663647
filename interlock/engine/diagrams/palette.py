"""The colours of the pictures: dark text on light, never the only sign of anything."""

from __future__ import annotations

INK = "#1E293B"
MUTED = "#64748B"
LINE = "#94A3B8"
GUARD = "#6D28D9"
REFUSAL = "#B91C1C"
ACTION = "#0F766E"
STATE_FILL = "#FFFFFF"
FINAL_FILL = "#F1F5F9"
REGION_FILLS = ("#F8FAFC", "#EFF3F8")
ACTIVE_FILL = "#DBEAFE"
ACTIVE_LINE = "#1D4ED8"
HEAT_FROM = (0xFF, 0xFB, 0xEB)
HEAT_TO = (0xFB, 0xA9, 0x4C)


def heat_fill(heat: float) -> str:
    """From cream (0) to amber (1), as ``#RRGGBB``; `INK` on the darkest has a contrast of over 7 to 1."""
    channels = (round(low + (high - low) * heat) for low, high in zip(HEAT_FROM, HEAT_TO, strict=True))
    return "#" + "".join(f"{channel:02X}" for channel in channels)


def state_fill(kind: str, active: bool, count: int | None, heat: float) -> str:
    """The fill of a state without children: heat where it was counted, else active, else its kind's."""
    if count:
        return heat_fill(heat)
    if active:
        return ACTIVE_FILL
    return FINAL_FILL if kind == "final" else STATE_FILL
