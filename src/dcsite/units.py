"""Unit conversions: the one place where a factor between units stands.

Names end in their unit everywhere in dcsite (``price_usd_per_mwh``, ``wet_bulb_c``); whenever two
units meet, they meet through a constant of this module.
"""

from __future__ import annotations

from typing import Final

HOURS_PER_YEAR: Final = 8760.0
"""Hours of a common year; energy per MW and year is this times the load factor."""

HOURS_PER_MONTH: Final = 730.0
"""Hours of an average month (8,760 / 12), the base of demand charges."""

KW_PER_MW: Final = 1000.0
KG_PER_TONNE: Final = 1000.0
LITERS_PER_M3: Final = 1000.0
KWH_PER_MWH: Final = 1000.0
JOULES_PER_KWH: Final = 3.6e6
M2_PER_ACRE: Final = 4046.8564224
M2_PER_SQFT: Final = 0.09290304
M3_PER_US_GALLON: Final = 0.003785411784
M3_PER_S_PER_FT3_PER_S: Final = 0.028316846592
KELVIN_AT_0_C: Final = 273.15
USD_PER_MILLION_USD: Final = 1.0e6
