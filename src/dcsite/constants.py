"""Numbers that came from outside the program, each with its source.

A number from outside is a :class:`Sourced` constant here or a row of a data table; a number that is a
choice is a scenario key or profile field with a default. There is no third place. A test walks this
module and fails on an empty source.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sourced:
    """A figure with unit, source and year."""

    value: float
    unit: str
    source: str
    year: int


EARTH_RADIUS_KM = Sourced(
    6371.0088, "km", "IUGG mean radius R1, Moritz, Geodetic Reference System 1980", 2000
)
LIGHT_SPEED_KM_PER_MS = Sourced(299.792458, "km/ms", "BIPM, SI Brochure: exact by definition", 2019)
FIBER_KM_PER_MS_ROUND_TRIP = Sourced(
    100.0,
    "km/ms",
    "light in silica fiber of group index about 1.5, there and back (ITU-T G.652 fiber, rounded up)",
    2016,
)
_ALONSO_LAMATA = (
    "Alonso and Lamata, Consistency in the analytic hierarchy process: a new approach, "
    "Int. J. Uncertainty, Fuzziness and Knowledge-Based Systems 14(4): mean consistency index of random judgments"
)
AHP_RANDOM_INDEX = {
    size: Sourced(index, "-", _ALONSO_LAMATA, 2006)
    for size, index in (
        (3, 0.5247),
        (4, 0.8816),
        (5, 1.1086),
        (6, 1.2479),
        (7, 1.3417),
        (8, 1.4057),
        (9, 1.4499),
        (10, 1.4854),
    )
}
"""Number of criteria to the mean consistency index of random pairwise judgments on the 1/9..9 scale."""
