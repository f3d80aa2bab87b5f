// The score of dcsite.scoring, once more, in the browser: same anchors, same choice of technology, same order.
// Pure functions on the page's data; tests run them against Python's figures.
"use strict";

const SCORE_SCALE = 100;
const TIE_SIGMAS = 1;

/** Value of column `name` in `row`: stored per row, per site ({site: [...]}), or once. */
function figure(workload, name, row) {
  const column = workload.columns[name];
  if (column === undefined || column === null) return null;
  if (Array.isArray(column)) return column[row];
  return typeof column === "object" ? column.site[workload.rows.place[row]] : column;
}

/** 1 at or beyond `best`, 0 at or beyond `worst`, linear between; null stays null. */
function linearValue(x, best, worst) {
  if (x === null || x === undefined) return null;
  return Math.min(1, Math.max(0, (x - worst) / (best - worst)));
}

/** Weights that sum to 1, of the criteria above 0, in the order of the criteria; null when all are 0. */
function normalWeights(workload, raw) {
  const used = workload.criteria.filter((criterion) => (raw[criterion.name] || 0) > 0);
  const total = workload.criteria.reduce((sum, criterion) => sum + Math.max(0, raw[criterion.name] || 0), 0);
  if (!(total > 0)) return null;
  return used.map((criterion) => ({ criterion, weight: raw[criterion.name] / total }));
}

function roundTo(x, digits) {
  const factor = 10 ** digits;
  return Math.round(x * factor) / factor;
}

function compareText(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** TOPSIS closeness of one list of values, with the anchors as ideal points. */
function closeness(values, weights) {
  let best = 0, worst = 0;
  weights.forEach(({ weight }, c) => {
    best += (weight - weight * values[c]) ** 2;
    worst += (weight * values[c]) ** 2;
  });
  return (SCORE_SCALE * Math.sqrt(worst)) / (Math.sqrt(best) + Math.sqrt(worst));
}

/** PROMETHEE II net flow of each row: preference 0 up to `indifference`, 1 from `preference` on, linear between. */
function netFlows(rows, weights, { indifference, preference }) {
  if (rows.length < 2) return rows.map(() => SCORE_SCALE / 2);
  return rows.map((row) => {
    let flow = 0;
    weights.forEach(({ weight }, c) => {
      let sum = 0;
      for (const other of rows) {
        const difference = row.values[c] - other.values[c];
        const strength = (Math.abs(difference) - indifference) / (preference - indifference);
        sum += Math.sign(difference) * Math.min(1, Math.max(0, strength));
      }
      flow += (weight * sum) / (rows.length - 1);
    });
    return (SCORE_SCALE * (1 + flow)) / 2;
  });
}

/** Give each row its score and parts (0-100) under the workload's method. */
function scoreRows(workload, rows, weights) {
  const method = workload.method;
  if (method === "promethee") {
    const flows = netFlows(rows, weights, workload.promethee);
    rows.forEach((row, place) => { row.score = flows[place]; });
  } else if (method === "topsis") {
    for (const row of rows) row.score = closeness(row.values, weights);
  }
  for (const row of rows) {
    row.parts = weights.map(({ weight }, c) => SCORE_SCALE * row.values[c] * weight);
    const total = row.parts.reduce((sum, part) => sum + part, 0);
    if (method === "weighted_sum") row.score = total;
    else row.parts = row.parts.map((part) => (total > 0 ? (part / total) * row.score : 0));
    row.sd = SCORE_SCALE * Math.sqrt(row.spreads.reduce((sum, spread, c) => sum + (spread * weights[c].weight) ** 2, 0));
  }
}

/** Standard deviation of the score difference of two rows; errors that both share cancel. */
function differenceSd(a, b, weights) {
  const variance = weights.reduce((sum, { criterion, weight }, c) => {
    const x = SCORE_SCALE * weight * a.spreads[c];
    const y = SCORE_SCALE * weight * b.spreads[c];
    const shared = a.groups[c] !== null && a.groups[c] === b.groups[c] ? criterion.shared : 0;
    return sum + x * x + y * y - 2 * shared * x * y;
  }, 0);
  return a === b ? 0 : Math.sqrt(Math.max(0, variance));
}

/**
 * Rank the sites of a workload.
 *
 * @param data      the page's data
 * @param workload  one entry of data.workloads
 * @param raw       weights by criterion, any scale
 * @returns { rows: best first {site, row, technology, score, parts, values, sd, rank, tie}, weights, effective,
 *            missing: [{site, criterion}] } or null when all weights are 0
 */
function rankSites(data, workload, raw) {
  const weights = normalWeights(workload, raw);
  if (weights === null) return null;
  const best = new Map();
  const lacking = new Map();
  const overheads = (row) => {
    const overhead = figure(workload, "overhead_mwh_per_mwh", row);
    return overhead === null ? Infinity : roundTo(overhead, 9);
  };
  workload.rows.site.forEach((site, row) => {
    const values = [];
    const spreads = [];
    const groups = [];
    for (const { criterion } of weights) {
      const value = linearValue(figure(workload, criterion.column, row), criterion.best, criterion.worst);
      if (value === null) {
        if (!lacking.has(site)) lacking.set(site, criterion);
        return;
      }
      values.push(value);
      const spread = figure(workload, criterion.spread, row);
      spreads.push(spread === null ? 0 : spread / Math.abs(criterion.worst - criterion.best));
      groups.push(criterion.shared > 0 ? figure(workload, criterion.group, row) : null);
    }
    const technology = data.technologies[workload.rows.technology[row]];
    const merit = workload.method === "topsis" ? closeness(values, weights)
      : values.reduce((sum, value, c) => sum + value * weights[c].weight, 0);
    const key = roundTo(merit, 12);
    const other = best.get(site);
    const wins = !other || key > other.key || (key === other.key && (overheads(row) < overheads(other.row)
      || (overheads(row) === overheads(other.row) && compareText(technology, other.technology) < 0)));
    if (wins) best.set(site, { site, row, technology, key, values, spreads, groups });
  });
  const rows = [...best.values()];
  scoreRows(workload, rows, weights);
  rows.sort((a, b) => roundTo(b.score, 9) - roundTo(a.score, 9) || compareText(data.sites[a.site].id, data.sites[b.site].id));
  let leader = 0, group = 1;
  rows.forEach((row, place) => {
    row.rank = place + 1;
    if (rows[leader].score - row.score > TIE_SIGMAS * differenceSd(rows[leader], row, weights) + 1e-9) { leader = place; group += 1; }
    row.tie = group;
  });
  const deviations = weights.map(({ weight }, c) => {
    const mean = rows.reduce((sum, row) => sum + row.values[c], 0) / rows.length;
    return weight * Math.sqrt(rows.reduce((sum, row) => sum + (row.values[c] - mean) ** 2, 0) / rows.length);
  });
  const total = deviations.reduce((sum, deviation) => sum + deviation, 0);
  const effective = {};
  weights.forEach(({ criterion }, c) => { effective[criterion.name] = total > 0 ? deviations[c] / total : 0; });
  const missing = [...lacking].filter(([site]) => !best.has(site)).map(([site, criterion]) => ({ site, criterion }));
  return { rows, weights, effective, missing };
}

if (typeof module !== "undefined") module.exports = { rankSites, linearValue, normalWeights, figure };
