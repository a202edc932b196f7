"""Runs R indicators: a fresh, locked-in child process for each, exact tables in and out, a failure card when it fails.

Here: running one script. Not here: what an indicator declares (platform_assets.indicators), where its tables are kept.
"""

from resources.r_runtime.card import FailureCard, Frame, IndicatorFailed
from resources.r_runtime.model import Event, InputTable, Limits, PlotFile, RunResult, SandboxMode, Session, Warned
from resources.r_runtime.runtime import RRuntime, RUnavailable

__all__ = [
    "Event",
    "FailureCard",
    "Frame",
    "IndicatorFailed",
    "InputTable",
    "Limits",
    "PlotFile",
    "RRuntime",
    "RUnavailable",
    "RunResult",
    "SandboxMode",
    "Session",
    "Warned",
]
