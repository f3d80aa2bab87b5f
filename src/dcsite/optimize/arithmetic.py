"""Contradictions that arithmetic shows before any solve: necessary conditions, each with its numbers.

All are tested and all failures are reported together. Passing proves nothing; failing is a proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.errors import Problem as Complaint
from dcsite.optimize.inputs import MWH_PER_GWH, M, matching, rtt_of
from dcsite.optimize.model import eligible_sites, required_mw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dcsite.optimize.inputs import Flags, Floats, Inputs, Ints
    from dcsite.physics.evaluation import Evaluation

SLACK = 1.0 + 1.0e-9


def impossible(inputs: Inputs, evaluation: Evaluation) -> list[Complaint]:
    """Every arithmetic contradiction of a scenario with its sites; empty if none is found."""
    found = list(_candidates(inputs))
    if found:
        return found
    found += _size(inputs)
    found += _latency(inputs, evaluation)
    found += _counts(inputs)
    found += _money_and_carbon(inputs)
    found += _spread(inputs)
    found += _existing(inputs)
    return found


def _where(load: str) -> str:
    return f"workload '{load}'"


def _forced(inputs: Inputs) -> list[int]:
    return [w for w, load in enumerate(inputs.workloads) if not load.optional]


def _candidates(inputs: Inputs) -> Iterator[Complaint]:
    eligible = eligible_sites(inputs)
    for w in _forced(inputs):
        load = inputs.workloads[w]
        if eligible[:, w].any() or inputs.demand_mw[w].max(initial=0.0) <= 0:
            continue
        own = inputs.dropped[inputs.dropped["workload"].isin([load.name, ""])]
        counts = own.drop_duplicates(["site_id", "rule"])["rule"].value_counts()
        why = ", ".join(f"{rule}: {number}" for rule, number in sorted(counts.items())[:6])
        text = f"sites dropped by rule: {why or 'none'}"
        if len(own):
            first = own[own["rule"] == counts.index[0]].iloc[0]
            text += f"; for example {first['site_id']}: {first['reason']}"
        yield Complaint(_where(load.name), "no candidate site may carry it", text)


def _capacity(inputs: Inputs, w: int, p: int) -> Floats:
    """Most MW of a workload at each site, (S,)."""
    most = np.zeros(len(inputs.site_ids))
    for n in np.flatnonzero(inputs.slot_workload == w):
        s, h = inputs.slot_site[n], inputs.slot_hall[n]
        most[s] += min(inputs.hall_max_mw[h, p], inputs.grid_mw[s, p] / inputs.pue_peak[n])
    own = inputs.slot_workload == w
    least = np.full(len(inputs.site_ids), np.inf)
    np.minimum.at(least, inputs.slot_site[own], inputs.pue_peak[own])
    grid = np.divide(inputs.grid_mw[:, p], least, out=np.zeros_like(most), where=np.isfinite(least))
    return np.asarray(np.minimum(np.minimum(most, grid), inputs.demand_mw[w, p]))


def _size(inputs: Inputs) -> Iterator[Complaint]:
    for p, period in enumerate(inputs.period_names):
        suffix = f" in {period}" if period else ""
        need = 0.0
        for w in _forced(inputs):
            load, demand = inputs.workloads[w], float(inputs.demand_mw[w, p])
            room = _capacity(inputs, w, p)
            own = inputs.slot_workload == w
            if demand <= 0 or not own.any():
                continue
            need += demand * float(inputs.pue_peak[own].min())
            asked = demand
            if room.sum() * SLACK < asked:
                yield Complaint(
                    _where(load.name),
                    f"asks {asked:,.0f} MW{suffix}, its {int((room > 0).sum())} sites hold {room.sum():,.0f} MW",
                    f"{asked - room.sum():,.0f} MW less, or more grid_mw or land",
                )
            elif load.min_block_mw > 0 and room.max() * SLACK < load.min_block_mw:
                best = inputs.site_ids[int(room.argmax())]
                yield Complaint(
                    _where(load.name),
                    f"a block of {load.min_block_mw:g} MW fits nowhere{suffix}",
                    f"the largest site is {best} with {room.max():,.0f} MW",
                )
            if load.max_sites is not None:
                top = float(np.sort(room)[::-1][: load.max_sites].sum())
                if top * SLACK < demand:
                    yield Complaint(
                        _where(load.name),
                        f"max_sites = {load.max_sites}: the largest {load.max_sites} sites hold {top:,.0f} "
                        f"MW{suffix}, {demand:,.0f} MW are asked",
                        "more sites, or more grid_mw",
                    )
        used = np.unique(inputs.slot_site)
        power = float(inputs.grid_mw[used, p].sum())
        if need > power * SLACK:
            yield Complaint(
                "grid",
                f"the loads draw at least {need:,.0f} MW at the design hour{suffix}, all sites together have "
                f"{power:,.0f} MW",
                "more grid_mw, or less load",
            )


def _latency(inputs: Inputs, evaluation: Evaluation) -> Iterator[Complaint]:
    order = np.argsort(evaluation.sites.index.astype(str).to_numpy(), kind="stable")
    eligible = eligible_sites(inputs)
    for w in np.flatnonzero(inputs.has_arcs):
        load = inputs.workloads[w]
        if load.optional or not eligible[:, w].any():
            continue
        market = evaluation.markets[load.name]
        rtt = rtt_of(evaluation, load)[order]
        share = market.points["weight_ratio"].to_numpy(dtype=np.float64)
        share = share / share.sum()
        sites = np.flatnonzero(eligible[:, w])
        nearest = rtt[sites].min(axis=0)
        hard = load.hard_rtt_ms if load.hard_rtt_ms is not None else None
        if hard is None and load.coverage >= 1:
            hard = load.max_rtt_ms
        if hard is not None:
            yield from _unreached(inputs, load.name, float(hard), nearest, rtt, sites, share, evaluation)
        if load.max_rtt_ms is not None and load.coverage < 1:
            inside = float(share[nearest <= load.max_rtt_ms].sum())
            if inside * SLACK < load.coverage:
                near = np.argsort(nearest, kind="stable")
                enough = nearest[near][int(np.searchsorted(np.cumsum(share[near]), load.coverage))]
                yield Complaint(
                    _where(load.name),
                    f"coverage = {load.coverage:g} within {load.max_rtt_ms:g} ms: all candidate sites together "
                    f"reach {inside:.3f} of the demand",
                    f"coverage {np.floor(inside * 1000) / 1000:g}, or max_rtt_ms {np.ceil(enough):g}",
                )
            most = inputs.scenario.limits.max_sites
            most = load.max_sites if most is None else most
            if most is not None and inside * SLACK >= load.coverage:
                top = _coverage_bound(rtt[sites] <= load.max_rtt_ms, share, most)
                if top * SLACK < load.coverage:
                    yield Complaint(
                        _where(load.name),
                        f"coverage = {load.coverage:g} within {load.max_rtt_ms:g} ms: {most} sites reach at "
                        f"most {top:.3f}",
                        "more max_sites, a lower coverage or a higher max_rtt_ms",
                    )
        if load.mean_rtt_ms is not None:
            mean = float((nearest * share).sum())
            if mean > load.mean_rtt_ms * SLACK:
                yield Complaint(
                    _where(load.name),
                    f"mean_rtt_ms = {load.mean_rtt_ms:g}: with a site next to everybody it is {mean:.1f} ms",
                    f"mean_rtt_ms {np.ceil(mean):g} or more candidate sites",
                )


def _coverage_bound(reach: Flags, share: Floats, most: int) -> float:
    """Upper bound on the demand that ``most`` sites reach: the sum of the best single ones, at most all."""
    single = np.sort(reach.astype(float) @ share)[::-1]
    return float(min(single[:most].sum(), share[reach.any(axis=0)].sum()))


def _unreached(
    inputs: Inputs,
    name: str,
    limit: float,
    nearest: Floats,
    rtt: Floats,
    sites: Ints,
    share: Floats,
    evaluation: Evaluation,
) -> Iterator[Complaint]:
    points = evaluation.markets[name].points
    far = np.flatnonzero((nearest > limit) & (share > 0))
    if not len(far):
        return
    worst = far[np.argsort(-share[far], kind="stable")][:3]
    words = []
    for u in worst:
        best = int(sites[int(rtt[sites, u].argmin())])
        text = f"{points['name'].iloc[u]}: the nearest is {inputs.site_ids[best]} at {nearest[u]:.0f} ms"
        nearer = np.flatnonzero((rtt[:, u] <= limit) & ~np.isin(np.arange(len(rtt)), sites))
        if len(nearer):
            close = inputs.site_ids[int(nearer[rtt[nearer, u].argmin()])]
            own = inputs.dropped[
                (inputs.dropped["site_id"] == close) & inputs.dropped["workload"].isin([name, ""])
            ]
            why = own["reason"].iloc[0] if len(own) else "no hall of it may stand there"
            text += f" ({close} is nearer but out: {why})"
        words.append(text)
    yield Complaint(
        _where(name),
        f"no site within {limit:g} ms of {len(far)} demand points ({share[far].sum():.1%} of the demand); "
        + "; ".join(words),
        f"raise the RTT limit to {np.ceil(nearest[share > 0].max()):g} ms, set coverage, or add sites",
    )


def _counts(inputs: Inputs) -> Iterator[Complaint]:
    limits = inputs.scenario.limits
    able = np.isin(np.arange(len(inputs.site_ids)), inputs.hall_site)
    required = np.flatnonzero(inputs.required)
    least = required_mw(inputs)
    eligible = np.asarray(eligible_sites(inputs).any(axis=1))
    for s in required:
        if not eligible[s]:
            own = inputs.dropped[inputs.dropped["site_id"] == inputs.site_ids[s]]
            why = own["reason"].iloc[0] if len(own) else "no load may stand there"
            yield Complaint("sites.require", f"{inputs.site_ids[s]} is required but out: {why}")
        elif inputs.grid_mw[s, -1] * SLACK < least[s]:
            yield Complaint(
                "sites.require",
                f"{inputs.site_ids[s]} must carry {least[s]:g} MW, its connection has {inputs.grid_mw[s, -1]:g} MW",
            )
    if limits.min_sites and int(able.sum()) < limits.min_sites:
        yield Complaint(
            "limits.min_sites", f"{limits.min_sites} sites are asked, {int(able.sum())} may be used"
        )
    most = limits.max_sites
    if most is None:
        return
    kept = {int(s) for s, fixed in zip(inputs.hall_site, inputs.hall_fixed, strict=True) if fixed}
    together = sorted(kept | {int(s) for s in required})
    if len(together) > most:
        yield Complaint(
            "limits.max_sites",
            f"max_sites = {most}, but {len(together)} sites are required or stand already",
            f"max_sites {len(together)}",
        )
    for p, period in enumerate(inputs.period_names):
        suffix = f" in {period}" if period else ""
        need = 0.0
        site_peak = np.full(len(inputs.site_ids), np.inf)
        np.minimum.at(site_peak, inputs.slot_site, inputs.pue_peak)
        room = np.zeros(len(inputs.site_ids))
        for w in _forced(inputs):
            need += float(inputs.demand_mw[w, p])
            room += _capacity(inputs, w, p)
        power = np.where(np.isfinite(site_peak), inputs.grid_mw[:, p] / site_peak, 0.0)
        top = float(np.sort(np.minimum(room, power))[::-1][:most].sum())
        if top * SLACK < need:
            yield Complaint(
                "limits.max_sites",
                f"max_sites = {most}: the largest {most} sites hold {top:,.0f} MW{suffix}, {need:,.0f} MW are asked",
                "more sites, or more grid_mw",
            )


def _least(inputs: Inputs, values: Floats, w: int) -> float:
    own = inputs.slot_workload == w
    return float(np.nanmin(values[own])) if own.any() else 0.0


def _money_and_carbon(inputs: Inputs) -> Iterator[Complaint]:
    scenario = inputs.scenario
    last = len(inputs.period_start) - 1
    forced = _forced(inputs)
    standing = float(inputs.hall_min_mw[inputs.hall_existing].sum())
    demand = float(inputs.demand_mw[forced, last].sum()) if forced else 0.0
    new = np.flatnonzero(~inputs.hall_existing)
    if scenario.limits.budget_usd is not None and demand > standing and len(new):
        cash = (demand - standing) * float(inputs.capex[new].min()) + float(inputs.opening[new].min())
        if cash * M > scenario.limits.budget_usd * SLACK:
            yield Complaint(
                "limits.budget_usd",
                f"the cheapest {demand - standing:,.0f} MW cost {cash:,.0f} M USD, the budget is "
                f"{scenario.limits.budget_usd / M:,.0f} M USD",
                f"a budget of {np.ceil(cash):,.0f} M USD or less load",
            )
    if any(inputs.interruptible[inputs.slot_workload == w].any() for w in range(len(inputs.workloads))):
        firm = [w for w in forced if not inputs.interruptible[inputs.slot_workload == w].any()]
    else:
        firm = forced
    carbon = sum(float(inputs.demand_mw[w, last]) * _least(inputs, inputs.carbon, w) for w in firm)
    cap = scenario.limits.carbon_t_per_year
    if cap is not None and carbon * 1000.0 > cap * SLACK:
        yield Complaint(
            "limits.carbon_t_per_year",
            f"at the cleanest sites the loads emit {carbon * 1000:,.0f} t a year, the cap is {cap:,.0f} t",
            f"a cap of {np.ceil(carbon * 1000):,.0f} t",
        )
    rate = scenario.limits.carbon_kg_per_mwh
    energy = sum(float(inputs.demand_mw[w, last]) * _least(inputs, inputs.energy, w) for w in firm)
    if rate is not None and energy > 0 and len(firm) == len(inputs.workloads):
        best = carbon * 1000.0 * 1000.0 / (energy * MWH_PER_GWH)
        if best > rate * SLACK:
            yield Complaint(
                "limits.carbon_kg_per_mwh",
                f"at the cleanest sites the loads emit {best:,.1f} kg per MWh of IT energy, the limit is {rate:g}",
                f"a limit of {np.ceil(best):g} kg/MWh",
            )


def _spread(inputs: Inputs) -> Iterator[Complaint]:
    limits = inputs.scenario.limits
    last = len(inputs.period_start) - 1
    names, zone = inputs.zones(limits.zone)
    for w in _forced(inputs):
        load = inputs.workloads[w]
        demand = float(inputs.demand_mw[w, last])
        share = load.max_share_per_zone or limits.max_share_per_zone
        room = _capacity(inputs, w, last)
        if share is not None and share < 1 and demand > 0:
            per_zone = np.bincount(zone, weights=room, minlength=len(names))
            total = float(np.minimum(per_zone, share * demand).sum())
            if total * SLACK < demand:
                yield Complaint(
                    _where(load.name),
                    f"max_share_per_zone = {share:g}: the {int((per_zone > 0).sum())} zones hold {total:,.0f} of "
                    f"{demand:,.0f} MW",
                    "a larger share, or sites in more zones",
                )
        theta = float(inputs.survive[w])
        if limits.n_minus_1 is not None and theta > 0 and demand > 0:
            fail_names, fail = inputs.zones(limits.n_minus_1)
            per_zone = np.bincount(fail, weights=room, minlength=len(fail_names))
            worst = int(per_zone.argmax())
            left = float(per_zone.sum() - per_zone[worst])
            if left * SLACK < theta * demand and per_zone[worst] > 0 and (per_zone > 0).sum() == 1:
                yield Complaint(
                    _where(load.name),
                    f"n_minus_1 = '{limits.n_minus_1}': all its sites lie in {fail_names[worst]}",
                    "add sites elsewhere, or set survive_fraction = 0",
                )
    least: dict[str, float] = {}
    for number, entry in enumerate(limits.share):
        inside = matching(inputs.sites, entry.where)
        if entry.min_share is None:
            continue
        for w in _forced(inputs):
            load = inputs.workloads[w]
            if entry.workload not in (None, load.name):
                continue
            own = inputs.slot_workload == w
            if entry.min_share > 0 and not inside[inputs.slot_site[own]].any() and entry.workload is not None:
                yield Complaint(
                    f"limits.share[{number}]",
                    f"min_share = {entry.min_share:g} of '{load.name}', but no site of it lies there",
                )
        key = entry.workload or ""
        clash = [other for other in limits.share if other is not entry and other.min_share is not None]
        apart = all(not (matching(inputs.sites, other.where) & inside).any() for other in clash)
        if apart:
            least[key] = least.get(key, 0.0) + entry.min_share
    for key, total in sorted(least.items()):
        if total > SLACK:
            yield Complaint("limits.share", f"the least shares of {key or 'all loads'} add up to {total:g}")


def _existing(inputs: Inputs) -> Iterator[Complaint]:
    need = inputs.scenario.land_m2_per_mw
    for s in sorted({int(inputs.hall_site[h]) for h in np.flatnonzero(inputs.hall_fixed)}):
        built = float(inputs.hall_min_mw[(inputs.hall_site == s) & inputs.hall_fixed].sum())
        if np.isfinite(inputs.land_m2[s]) and built * need > inputs.land_m2[s] * SLACK:
            yield Complaint(
                "sites.existing",
                f"{inputs.site_ids[s]}: {built:g} MW stand on {built * need:,.0f} m2, land_m2 is "
                f"{inputs.land_m2[s]:,.0f}",
            )
