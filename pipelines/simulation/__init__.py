"""A labelled population of simulated accounts, written as deliveries in the native format.

This package is a second mind: it shares no code, text or constant with the parts that detect,
so that a detector cannot pass by recognising its own words. It imports nothing of `pipelines`
but the errors, and a test holds that.
"""

from pipelines.simulation.campaigns import Evasion
from pipelines.simulation.simulator import SimulationSummary, simulate

__all__ = ["Evasion", "SimulationSummary", "simulate"]
