"""Workload profiles and workloads: what a load needs, and what it is worth to serve it well.

A profile is a kind of load (``cloud``, ``crypto``); a workload is an amount of it in a scenario, which may
override any field of its profile.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dcsite.spec.base import Model

FacilityClass = Literal["hyperscale_new", "colo", "legacy", "none"]
CustomerClass = Literal["large_industrial", "industrial", "commercial", "crypto"]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]
Positive = Annotated[float, Field(strict=True, gt=0)]
NonNegative = Annotated[float, Field(strict=True, ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=120)]


class Range(Model):
    """Low and high end of a default, for sweeps and tornado charts."""

    low: float
    high: float


class Profile(Model):
    """A kind of load. Every field can be overridden in a scenario's workload."""

    name: Name
    title: str = ""
    rack_kw: Positive = Field(description="rated IT power of one rack [kW]")
    load_factor: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(
        description="mean over rated IT power [-]"
    )
    interruptible_fraction: Fraction = Field(0.0, description="share of the load that may stop [-]")
    break_even_usd_per_mwh: NonNegative | None = Field(
        None, description="worth of running the interruptible part for one IT-MWh [USD/MWh]"
    )
    max_availability: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(
        1.0, description="largest share of hours in which the interruptible part may run [-]"
    )
    pass_through: Fraction = Field(0.0, description="share of the energy price that follows the market [-]")
    latency_worth_usd_per_rack_year: NonNegative = Field(
        0.0, description="worth of reaching the whole market against nobody [USD per rack-year]"
    )
    reach_full_ms: Positive = Field(20.0, description="RTT up to which a user counts fully [ms]")
    reach_zero_ms: Positive = Field(80.0, description="RTT from which a user counts nothing [ms]")
    target_rtt_ms: Positive | None = Field(None, description="RTT that users should have [ms]")
    soft_rtt_ms: Positive | None = Field(None, description="RTT that users still accept [ms]")
    hard_rtt_ms: Positive | None = Field(None, description="RTT beyond which the service fails [ms]")
    technologies: tuple[str, ...] = Field(min_length=1, description="cooling technologies that suit the load")
    supply_c: Annotated[float, Field(strict=True, ge=10, le=60)] = Field(
        27.0, description="highest supply temperature [C]"
    )
    liquid_share: Fraction = Field(0.0, description="share of the heat that goes to liquid [-]")
    facility_class: FacilityClass = Field("hyperscale_new", description="electrical and fan vintage")
    survive_fraction: Fraction = Field(0.0, description="share to keep when a failure zone is lost [-]")
    accelerators_per_mw: NonNegative = Field(0.0, description="export-controlled accelerators per MW IT")
    customer_class: CustomerClass = Field("large_industrial", description="tariff class")
    peak_factor: Annotated[float, Field(strict=True, gt=0, le=1.5)] = Field(
        1.0, description="peak over rated IT power [-]"
    )
    capex_factor: Positive = Field(1.0, description="shell and plant cost over a standard hall [-]")
    capex_note: str = ""
    fixed_om_ratio: NonNegative = Field(0.03, description="fixed O&M per year over shell and plant cost [-]")
    it_hardware_usd_per_mw: NonNegative = Field(
        0.0, description="IT hardware [USD/MW]; the same at every site"
    )
    ranges: dict[str, Range] = Field(default_factory=dict, description="low and high end per field")
    notes: dict[str, str] = Field(default_factory=dict, description="source and quality per field")

    @model_validator(mode="after")
    def _reach_order(self) -> Profile:
        if self.reach_zero_ms <= self.reach_full_ms:
            message = f"reach_zero_ms must be above reach_full_ms ({self.reach_full_ms:g}), got {self.reach_zero_ms:g}"
            raise ValueError(message)
        return self


class Workload(Model):
    """An amount of a kind of load, its users and its limits. Unset fields come from the profile."""

    name: Name
    profile: str = Field(description="built-in profile or one of [profiles.NAME]")
    it_mw: Positive | None = Field(None, description="rated IT power [MW]; energy = rated x load factor")
    it_mw_by_year: dict[int, NonNegative] | None = Field(
        None, description="rated IT power from a year on [MW]"
    )
    users: str | tuple[str, ...] = Field("world", description="market: a name, ISO3 codes, or a file")
    demand: Literal["spending", "users"] = Field("spending", description="weight of a demand point")
    max_rtt_ms: Positive | None = Field(None, description="RTT limit of the covered share [ms]")
    hard_rtt_ms: Positive | None = Field(None, description="RTT that nobody may exceed [ms]")
    coverage: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(
        1.0, description="share of demand within max_rtt_ms [-]"
    )
    mean_rtt_ms: Positive | None = Field(None, description="limit of the demand-weighted mean RTT [ms]")
    latency_margin: Literal["p50", "p90"] = Field(
        "p50", description="compare limits with the P50 or P90 of the model"
    )
    min_block_mw: NonNegative = Field(0.0, description="smallest amount at a site that is used [MW]")
    max_sites: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        None, description="most sites for this load"
    )
    max_share_per_zone: Annotated[float, Field(strict=True, gt=0, le=1)] | None = None
    optional: bool = Field(False, description="place it only where it earns")
    sheds_at_peak: bool = Field(
        False, description="the load stops at the billed peak, so it pays no demand charge beyond the minimum"
    )
    min_run_fraction: Fraction = Field(0.0, description="least share of hours an interruptible load runs [-]")
    failure_rtt_ms: Positive | None = Field(None, description="RTT limit after a failure [ms]")
    residency: str | tuple[str, ...] | None = Field(
        None, description="ISO3 codes or 'EU': where data must stay"
    )
    accelerators: Annotated[int, Field(strict=True, ge=0)] | None = Field(
        None, description="accelerators in all, for export rules"
    )
    # overrides of the profile
    rack_kw: Positive | None = None
    load_factor: Annotated[float, Field(strict=True, gt=0, le=1)] | None = None
    interruptible_fraction: Fraction | None = None
    break_even_usd_per_mwh: NonNegative | None = None
    max_availability: Annotated[float, Field(strict=True, gt=0, le=1)] | None = None
    pass_through: Fraction | None = None
    latency_worth_usd_per_rack_year: NonNegative | None = None
    reach_full_ms: Positive | None = None
    reach_zero_ms: Positive | None = None
    target_rtt_ms: Positive | None = None
    soft_rtt_ms: Positive | None = None
    technologies: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    supply_c: Annotated[float, Field(strict=True, ge=10, le=60)] | None = None
    liquid_share: Fraction | None = None
    facility_class: FacilityClass | None = None
    survive_fraction: Fraction | None = None
    accelerators_per_mw: NonNegative | None = None
    customer_class: CustomerClass | None = None
    peak_factor: Annotated[float, Field(strict=True, gt=0, le=1.5)] | None = None
    capex_factor: Positive | None = None
    fixed_om_ratio: NonNegative | None = None
    it_hardware_usd_per_mw: NonNegative | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Workload:
        if self.it_mw is None and not self.it_mw_by_year:
            message = "it_mw or it_mw_by_year is required"
            raise ValueError(message)
        if (
            self.max_rtt_ms is not None
            and self.hard_rtt_ms is not None
            and self.hard_rtt_ms < self.max_rtt_ms
        ):
            message = (
                f"hard_rtt_ms must be at least max_rtt_ms ({self.max_rtt_ms:g}), got {self.hard_rtt_ms:g}"
            )
            raise ValueError(message)
        if self.coverage < 1 and self.max_rtt_ms is None:
            message = (
                f"coverage = {self.coverage:g} needs max_rtt_ms: the RTT within which that share must lie"
            )
            raise ValueError(message)
        if self.it_mw is not None and self.min_block_mw > self.it_mw:
            message = f"min_block_mw must be at most it_mw ({self.it_mw:g}), got {self.min_block_mw:g}"
            raise ValueError(message)
        return self

    def resolved(self, profile: Profile) -> Profile:
        """Return the profile with this workload's overrides applied (validated again)."""
        changes = {
            key: getattr(self, key)
            for key in Profile.model_fields
            if key in Workload.model_fields and key != "name" and getattr(self, key) is not None
        }
        return Profile.model_validate({**profile.model_dump(), **changes})
