"""The scenario: one question to dcsite, complete with every limit and assumption."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, ValidationInfo, field_validator, model_validator

from dcsite.spec.address import is_address, read_address
from dcsite.spec.base import Model
from dcsite.spec.futures import RISK_KINDS, Future, PriceCase, PriceYear, check_futures
from dcsite.spec.workload import Fraction, Name, NonNegative, Positive, Workload

Basis = Literal["delivered_ex_tax", "delivered_mixed", "delivered_all_in"]
Iso3 = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 3166 alpha-3 code")]
CRITERIA = (
    "price",
    "water",
    "cooling",
    "latency",
    "carbon",
    "hazard",
    "policy",
    "capex",
    "time_to_power",
    "grid_strength",
)


class License(Model):
    """What an export license costs when one is needed."""

    delay_months: NonNegative = 0.0
    cost_usd: NonNegative = 0.0


class ExistingSite(Model):
    """IT capacity that already stands."""

    id: Name
    it_mw: NonNegative
    technology: str | None = None
    keep: bool = Field(True, description="false: it may be retired (its cost is sunk)")


class SiteOverride(Model):
    """What the user knows better about one site than the tables."""

    id: Name
    grid_mw: NonNegative | None = None
    grid_mw_by_year: dict[int, NonNegative] | None = None
    energized_year: int | None = None
    land_m2: NonNegative | None = None
    water_m3_per_year: NonNegative | None = None
    water_m3_per_hour: NonNegative | None = None
    water_group: str | None = None
    price_usd_per_mwh: Annotated[float, Field(strict=True, gt=-50, le=600)] | None = None
    carbon_g_per_kwh: NonNegative | None = None
    capex_usd_per_mw: NonNegative | None = None
    equipment_tax_ratio: NonNegative | None = Field(
        None, description="tax on shell and plant on top of capex; 0 or unset where exempt [-]"
    )


class Sites(Model):
    """Which sites are candidates."""

    catalog: Literal["world", "none"] = "world"
    file: str | None = Field(
        None,
        description="own sites: CSV, GeoJSON, GeoPackage, GeoParquet, or postgresql://host/database?table=name",
    )
    only: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    default_grid_mw: Positive = Field(200.0, description="grid MW where nothing is known; an assumption")
    opening_usd: NonNegative = Field(
        10_000_000.0,
        description="cost of opening a hall: connection, works, permits [USD]; an assumption",
    )
    where: dict[str, str | tuple[str, ...]] = Field(
        default_factory=dict, description='keep only sites with, for example, { country = "USA", tag = "ai" }'
    )
    existing: tuple[ExistingSite, ...] = ()
    override: tuple[SiteOverride, ...] = ()

    @field_validator("file")
    @classmethod
    def _hide(cls, file: str | None) -> str | None:
        """Keep no password: a scenario is written to runs and reports."""
        return str(read_address(file)) if file is not None and is_address(file) else file


class Share(Model):
    """Share of a workload that a group of sites may or must carry."""

    where: dict[str, str | tuple[str, ...]] = Field(description='for example { country = "USA" }')
    workload: str | None = None
    max_share: Fraction | None = None
    min_share: Fraction | None = None


class AcceleratorTier(Model):
    """Most accelerators in a group of sites, without and with an export license (see ``licenses``)."""

    where: dict[str, str | tuple[str, ...]] = Field(description='for example { country = "ARE" }')
    without_license: NonNegative = Field(description="most accelerators without a license")
    with_license: NonNegative = Field(description="most accelerators once the license is granted")

    @model_validator(mode="after")
    def _order(self) -> AcceleratorTier:
        if self.with_license < self.without_license:
            message = f"with_license must be at least without_license ({self.without_license:g})"
            raise ValueError(message)
        return self


class GridZone(Model):
    """Facility power that a group of sites draws from one network, on top of each site's own connection."""

    where: dict[str, str | tuple[str, ...]] = Field(description='for example { zone = "US-VA" }')
    grid_mw: NonNegative = Field(description="most design-hour power of the group [MW]")


class Limits(Model):
    """Limits of the portfolio as a whole."""

    max_sites: Annotated[int, Field(strict=True, ge=1)] | None = None
    min_sites: Annotated[int, Field(strict=True, ge=0)] | None = None
    min_site_mw: NonNegative = 0.0
    max_technologies_per_site: Annotated[int, Field(strict=True, ge=1)] | None = None
    budget_usd: Positive | None = None
    budget_carry: bool = False
    carbon_kg_per_mwh: NonNegative | None = Field(None, description="emissions per IT-MWh [kg/MWh]")
    carbon_t_per_year: NonNegative | None = None
    n_minus_1: Literal["site", "zone", "country"] | None = None
    max_share_per_zone: Annotated[float, Field(strict=True, gt=0, le=1)] | None = None
    zone: Annotated[str, Field(min_length=1)] = Field(
        "zone",
        description="what a share zone is: site, zone (grid operator, else country), country, or a column of the sites",
    )
    basins: dict[str, NonNegative] = Field(default_factory=dict, description="water_group to m3 per year")
    grid_zone: tuple[GridZone, ...] = Field(
        (), description="common limits of groups of sites behind one network"
    )
    share: tuple[Share, ...] = ()
    accelerators: dict[str, NonNegative] = Field(
        default_factory=dict, description="ISO3 to most accelerators"
    )
    accelerator_tiers: tuple[AcceleratorTier, ...] = Field(
        (), description="two limits per group of sites: without and with a license"
    )


class Objective(Model):
    """What is minimized."""

    kind: Literal["cost", "npv", "score", "carbon", "water", "latency", "expected", "cvar", "regret"] = Field(
        "cost", description="expected, cvar and regret look at the futures declared below"
    )
    then: tuple[Literal["cost", "carbon", "water", "latency"], ...] = ()
    carbon_price_usd_per_t: NonNegative = 0.0
    carbon_price_by_year: dict[int, NonNegative] = Field(
        default_factory=dict,
        description="path of the carbon price instead: nominal price from each year on; before the first: 0 [USD/t]",
    )
    latency_worth: bool = Field(False, description="add the worth of latency to the cost")
    wait_usd_per_mw_month: NonNegative = Field(
        0.0,
        description="what a month without power costs per MW of IT power, counted from the end of construction and "
        "over the spread of each connection's date (dcsite money gives one); with periods the date itself counts "
        "[USD/MW-month]",
    )
    after_tax: bool = Field(
        False, description="cost after corporate tax: operation x (1 - tax), capital less its depreciation"
    )
    depreciation_years: Annotated[int, Field(strict=True, ge=1, le=60)] | None = Field(
        None, description="straight-line depreciation for after_tax; default: the horizon"
    )
    beta: Annotated[float, Field(strict=True, ge=0, lt=1)] = Field(
        0.8, description="cvar: the tail is the worst 1 - beta of the probability [-]; a choice"
    )
    risk_weight: Fraction = Field(
        1.0,
        validation_alias=AliasChoices("risk_weight", "lambda"),
        description="cvar: minimize (1 - lambda) x mean + lambda x CVaR; also written lambda [-]; a choice",
    )
    pass_through: Fraction = Field(
        1.0,
        description="in futures with a market year: share of the energy price that follows it, for loads that "
        "do not say so themselves [-]; a choice",
    )
    years: tuple[PriceYear, ...] = Field(
        (), description="futures: whole market years, the same for all zones, equally likely"
    )
    carbon_prices_usd_per_t: tuple[NonNegative, ...] = Field((), description="futures: carbon prices [USD/t]")
    price_cases: tuple[PriceCase, ...] = Field((), description="futures: ends of the price rows")
    scenarios: tuple[Future, ...] = Field((), description="futures one by one, by name and probability")

    @model_validator(mode="after")
    def _futures(self) -> Objective:
        axes = {
            "years": self.years,
            "carbon_prices_usd_per_t": self.carbon_prices_usd_per_t,
            "price_cases": self.price_cases,
        }
        if self.carbon_price_by_year and self.carbon_price_usd_per_t > 0:
            message = "give either carbon_price_usd_per_t or carbon_price_by_year"
            raise ValueError(message)
        check_futures(self.scenarios)
        for key, values in axes.items():
            if values and self.scenarios:
                message = f"give either scenarios or {key}"
                raise ValueError(message)
            double = [value for place, value in enumerate(values) if value in values[:place]]
            if double:
                message = f"{key}: {double[0]} is given twice"
                raise ValueError(message)
        if self.kind in RISK_KINDS and not (self.scenarios or any(axes.values())):
            message = (
                f"kind = '{self.kind}' needs futures: years = [2020, 2021, 2022], carbon_prices_usd_per_t, "
                "price_cases, or [[objective.scenarios]]"
            )
            raise ValueError(message)
        return self


class Solver(Model):
    """How far the proof goes."""

    gap: Annotated[float, Field(strict=True, ge=0, lt=1)] = Field(
        0.001, description="asked gap between cost and proven bound, over the cost [-]"
    )
    time_limit_s: Positive | None = Field(
        60.0,
        description="processor seconds of the search, so a busy machine does not change the plan; the plan found "
        "so far is kept, with its gap (a solver reached by PuLP counts wall seconds) [s]",
    )
    node_limit: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        None, description="branches of one solve: the limit that stops at the same plan on every machine"
    )
    module_mw: Positive | None = None
    technologies: Literal["all", "best"] = "all"


class OwnCriterion(Model):
    """A criterion of your own: a figure per site, and what is best and worst."""

    title: str = ""
    unit: str = ""
    best: float = Field(description="figure of value 1")
    worst: float = Field(description="figure of value 0")
    column: Annotated[str, Field(pattern=r"^x_")] | None = Field(
        None, description="column x_... of your sites file"
    )
    file: str | None = Field(None, description="CSV with site_id, value and, if you like, sd")
    sd: NonNegative = Field(
        0.0, description="standard deviation where the file states none, for ties and draws"
    )

    @model_validator(mode="after")
    def _whole(self) -> OwnCriterion:
        if (self.column is None) == (self.file is None):
            message = "give either column or file"
            raise ValueError(message)
        if self.best == self.worst:
            message = "best and worst must differ"
            raise ValueError(message)
        return self


OwnName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Score(Model):
    """How sites are scored."""

    own: dict[OwnName, OwnCriterion] = Field(
        default_factory=dict, description="criteria of your own, by name; weigh them in weights"
    )
    weights: dict[str, NonNegative] | None = None
    pairwise: dict[str, Positive] = Field(
        default_factory=dict,
        description='weights from judgments: "price/water" = 3 says price matters three times as much',
    )
    method: Literal["weighted_sum", "topsis", "promethee"] = "weighted_sum"
    anchors: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="criterion to (best, worst)"
    )
    price_ref_usd_per_mwh: Positive = Field(
        80.0, description="price at which the derived weights value overhead energy [USD/MWh]; a choice"
    )
    pue_ref: Annotated[float, Field(ge=1)] = Field(
        1.2, description="PUE at which the derived weights value the price of power [-]; a choice"
    )

    @field_validator("own")
    @classmethod
    def _new(cls, value: dict[str, OwnCriterion]) -> dict[str, OwnCriterion]:
        taken = [name for name in value if name in CRITERIA]
        if taken:
            message = f"'{taken[0]}' is the name of a built-in criterion: choose another"
            raise ValueError(message)
        return value

    @field_validator("pairwise")
    @classmethod
    def _pairs(cls, value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        known = (*CRITERIA, *info.data.get("own", {}))
        for key in value:
            names = key.split("/")
            if len(names) != 2 or names[0] == names[1] or any(name not in known for name in names):
                message = f"'{key}' is not CRITERION/CRITERION; the criteria are {', '.join(known)}"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Score:
        if self.weights and self.pairwise:
            message = "give either weights or pairwise"
            raise ValueError(message)
        return self

    @field_validator("weights", "anchors")
    @classmethod
    def _known(cls, value: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        known = CRITERIA if info.field_name == "anchors" else (*CRITERIA, *info.data.get("own", {}))
        for key in value or {}:
            if key not in known:
                message = f"unknown criterion '{key}'; the criteria are {', '.join(known)}"
                raise ValueError(message)
        if value and isinstance(next(iter(value.values())), float) and sum(value.values()) <= 0:
            message = "at least one weight must be above 0"
            raise ValueError(message)
        return value


class Money(Model):
    """Money over time: what a project earns, and how it is built, taxed and helped. All rates are nominal."""

    revenue_usd_per_mwh: NonNegative | None = Field(
        None, description="income per MWh of IT energy; unset: cost only [USD/MWh]"
    )
    revenue_growth_ratio: Annotated[float, Field(gt=-0.5, lt=0.5)] = Field(
        0.0, description="yearly change of the income [-]"
    )
    inflation_ratio: Annotated[float, Field(gt=-0.5, lt=0.5)] = Field(
        0.02, description="yearly change of costs other than power [-]; a choice"
    )
    build_schedule: tuple[Fraction, ...] = Field(
        (0.3, 0.5, 0.2),
        description="shares of the capital paid at years 0, 1, ...; the hall opens with the last; a choice",
    )
    delay_months: NonNegative = Field(0.0, description="operation begins this much later than that [months]")
    tax_ratio: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="corporate tax; unset: the country's [-]"
    )
    depreciation: Literal["straight_line", "declining_balance"] = Field(
        "straight_line", description="over objective.depreciation_years, default the horizon"
    )
    incentive_ratio: Fraction = Field(0.0, description="share of the capital paid back in the first year [-]")
    incentive_usd_per_mw: NonNegative = Field(0.0, description="amount paid back in the first year [USD/MW]")
    sales_tax_ratio: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="sales tax on equipment; rates are not in the tables [-]"
    )
    equipment_share_ratio: Fraction = Field(
        0.6, description="share of the capital that is taxable equipment [-]; a choice"
    )
    incentives: Literal["off", "on"] = Field(
        "off",
        description="on: sales-tax programs of the tables exempt equipment where their investment is met",
    )
    hardware_life_years: Annotated[int, Field(ge=1, le=30)] = Field(
        5, description="IT hardware is bought again after [years]; a choice"
    )
    residual_ratio: Fraction = Field(0.0, description="share of the capital that is left at the end [-]")

    @field_validator("build_schedule")
    @classmethod
    def _whole(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if abs(sum(value) - 1.0) > 1e-6:
            message = f"the shares must sum to 1, got {sum(value):g}"
            raise ValueError(message)
        return value


class Period(Model):
    """One phase of a build-out."""

    start: Annotated[int, Field(strict=True, ge=2000, le=2100)]
    budget_usd: Positive | None = None


class Scenario(Model):
    """One question: loads, candidate sites, limits, rules and assumptions."""

    format: Literal[1]
    title: str = ""
    discount_rate: Annotated[float, Field(strict=True, gt=-0.5, lt=1)] = 0.08
    horizon_years: Annotated[int, Field(strict=True, ge=1, le=60)] = 15
    rules: str = Field("us-2026-01", description="export rule set")
    operator_hq: Iso3 = "USA"
    licenses: Literal["assume-granted", "assume-denied"] | License = "assume-granted"
    accelerator_class: Literal["h200", "above"] | None = None
    electricity_basis: Basis = "delivered_ex_tax"
    strict_basis: bool = Field(False, description="never fall back to another basis")
    subsidy_removed: bool = Field(False, description="cost recovery instead of subsidized tariffs")
    carbon_basis: str = Field(
        "auto", description="one basis per ranking; auto takes the zone life-cycle file"
    )
    user_network: Literal["public", "cloud"] = "public"
    access: str | None = Field(None, description="last mile of the users, e.g. ftth, cable, mobile_5g")
    rtt_reference: str | None = Field(None, description="own RTT measurements (CSV)")
    demand_points: Annotated[int, Field(strict=True, ge=100, le=10_050)] = Field(
        300, description="demand points in the optimizer"
    )
    allow_risk: bool = Field(False, description="keep sites that the default risk filter drops")
    ignore_unverified: bool = Field(False, description="lift exclusions that rest on unverified rows")
    by: Annotated[int, Field(strict=True, ge=2000, le=2100)] | None = Field(
        None, description="power needed by this year"
    )
    as_of_year: Annotated[int, Field(strict=True, ge=2000, le=2100)] = 2026
    price_year: Annotated[int, Field(strict=True, ge=2020, le=2025)] | None = Field(
        None,
        description="market year that prices follow as far as contracts pass it through; none: as listed",
    )
    connection_delay_years: NonNegative = Field(
        0.0, description="every known connection comes so much later than its source says [years]"
    )
    price_case: Literal["listed", "low", "high"] = Field(
        "listed", description="low or high end of each price row, where it has one"
    )
    water_value_usd_per_m3: NonNegative = Field(
        3.0, description="value of scarce water in the score [USD/m3]"
    )
    scarcity: Literal["standard", "none"] = Field(
        "standard", description="weight water by 1/(1 - stress), or not at all"
    )
    water_doubling_km: Positive = Field(
        50.0, description="distance to water at which the effort of supply doubles [km]; a choice"
    )
    desalination_factor: Annotated[float, Field(strict=True, ge=1)] = Field(
        2.0, description="effort of salt water against fresh water in the score [-]; a choice"
    )
    land_m2_per_mw: NonNegative = Field(
        2023.0, description="land per MW of IT power [m2/MW]; 0.5 acre, an estimate"
    )
    escalation: Literal["none", "5y", "10y"] = Field(
        "10y", description="nominal change of power prices over periods, cut to 0..4 % a year"
    )
    technology: str | None = Field(None, description="one cooling technology for all, instead of the best")
    sites: Sites = Field(default_factory=Sites)
    workloads: tuple[Workload, ...]
    limits: Limits = Field(default_factory=Limits)
    objective: Objective = Field(default_factory=Objective)
    solver: Solver = Field(default_factory=Solver)
    score: Score = Field(default_factory=Score)
    money: Money = Field(default_factory=Money)
    periods: tuple[Period, ...] = ()
    no_migration: bool = False
    profiles: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="own profiles: [profiles.NAME] with base = a built-in one"
    )

    def carbon_price_over(self, start: int, years: int) -> float:
        """Carbon price of some years as one number: its mean, weighted by present value at year ends. [USD/t]"""
        path = self.objective.carbon_price_by_year
        if not path:
            return self.objective.carbon_price_usd_per_t
        total = weights = 0.0
        for number in range(years):
            past = [year for year in path if year <= start + number]
            weight = (1.0 + self.discount_rate) ** -(number + 1)
            total += weight * (path[max(past)] if past else 0.0)
            weights += weight
        return total / weights

    @property
    def carbon_price_usd_per_t(self) -> float:
        """Carbon price over the horizon, from the first period or the year of the study on. [USD/t]"""
        start = self.periods[0].start if self.periods else self.as_of_year
        return self.carbon_price_over(start, self.horizon_years)

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        if not self.workloads:
            message = "workloads: at least one [[workloads]] table is needed"
            raise ValueError(message)
        names = [workload.name for workload in self.workloads]
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            message = f"workloads: the name '{double[0]}' is used twice"
            raise ValueError(message)
        clash = sorted(set(self.sites.exclude) & set(self.sites.require))
        if clash:
            message = f"sites: '{clash[0]}' is both required and excluded"
            raise ValueError(message)
        starts = [period.start for period in self.periods]
        if starts != sorted(set(starts)):
            message = "periods: the start years must rise"
            raise ValueError(message)
        limits = self.limits
        if limits.min_sites and limits.max_sites and limits.min_sites > limits.max_sites:
            message = f"limits: min_sites ({limits.min_sites}) is above max_sites ({limits.max_sites})"
            raise ValueError(message)
        for number, share in enumerate(limits.share):
            if share.workload is not None and share.workload not in names:
                message = f"limits.share[{number}].workload: no workload is named '{share.workload}'"
                raise ValueError(message)
        return self
