// The page: reads its data, keeps one state, draws map, bars, table and cards from it. Names are text, never markup.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const FIRST_ROWS = 25;
const NUMBERED = 10;
const MOST_CHOSEN = 6;
const WEAK = new Set(data.weak);

/** One element: attributes by name, `on...` as listeners, children as nodes or text. */
function el(tag, attributes = {}, ...children) {
  const node = tag === "svg:circle" || tag === "svg:text" || tag === "svg:title"
    ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A figure as printed: stated digits, thousands separated, a dash where nothing is known. */
function print(value, field, sign = false) {
  if (value === null || value === undefined) return "–";
  const text = (value / field.scale).toLocaleString("en-US", {
    minimumFractionDigits: field.digits, maximumFractionDigits: field.digits, signDisplay: sign ? "exceptZero" : "auto",
  });
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text;
}

const points = (x) => x.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const percent = (x) => `${Math.round(100 * x)} %`;
const color = (name) => `var(--c-${name}, var(--s4))`;
const shortTitle = (criterion) => criterion.name.replace(/_/g, " ").replace(/^./, (mark) => mark.toUpperCase());

// --- state -----------------------------------------------------------------------------------------------

/** A page of sites that lie close together begins with the part of the map that holds them. */
const FIRST_VIEW = Math.max(0, data.views.findIndex(({ name }) => name === "Sites"));
const state = { workload: 0, raw: {}, preset: "default", chosen: [], find: "", sort: "rank", down: false, all: false, view: FIRST_VIEW };
let result = null;
const defaults = new Map();

const workload = () => data.workloads[state.workload];

/** Criteria that the workload has figures for. */
const usable = (entry) => entry.criteria.filter((criterion) => criterion.known > 0);

function presetsOf(entry) {
  const named = data.presets.map(({ name, weights }) => ({ name, title: name, weights }));
  return [{ name: "default", title: "Default", weights: entry.weights }, ...named];
}

function takePreset(name) {
  const preset = presetsOf(workload()).find((entry) => entry.name === name);
  if (!preset) return false;
  state.raw = {};
  for (const criterion of usable(workload())) {
    // Percent, so that the sliders stand where the weights are.
    const total = Object.values(preset.weights).reduce((sum, weight) => sum + weight, 0);
    const weight = preset.weights[criterion.name] || 0;
    if (weight > 0) state.raw[criterion.name] = (100 * weight) / total;
  }
  state.preset = name;
  return true;
}

/** Ranks with the workload's own weights, to tell who moved. */
function defaultRanks() {
  const entry = workload();
  if (!defaults.has(entry.name)) {
    const ranked = rankSites(data, entry, entry.weights);
    defaults.set(entry.name, new Map(ranked ? ranked.rows.map((row) => [row.site, row.rank]) : []));
  }
  return defaults.get(entry.name);
}

function hashOfState() {
  const parts = [];
  const put = (key, value) => parts.push(`${key}=${encodeURIComponent(value)}`);
  if (data.workloads.length > 1) put("workload", workload().name);
  if (state.preset) put("preset", state.preset);
  else put("weights", Object.entries(state.raw).filter(([, value]) => value > 0).map(([name, value]) => `${name}:${value}`).join(","));
  if (state.chosen.length) put("compare", state.chosen.map((site) => data.sites[site].id).join(","));
  if (state.find) put("find", state.find);
  if (state.sort !== "rank" || state.down) put("sort", (state.down ? "-" : "") + state.sort);
  if (state.all) put("all", "1");
  if (state.view !== FIRST_VIEW) put("view", data.views[state.view].name);
  return parts.join("&");
}

/** Take the state from the address; anything that is not known is ignored. */
function stateOfHash(text) {
  if (!text.includes("=")) return false;
  const asked = new URLSearchParams(text);
  const place = data.workloads.findIndex((entry) => entry.name === asked.get("workload"));
  if (place >= 0) state.workload = place;
  if (!takePreset(asked.get("preset") || "default")) takePreset("default");
  if (asked.get("weights")) {
    const known = new Set(usable(workload()).map((criterion) => criterion.name));
    const raw = {};
    for (const part of asked.get("weights").split(",")) {
      const [name, value] = part.split(":");
      const weight = Number(value);
      if (known.has(name) && Number.isFinite(weight) && weight >= 0) raw[name] = weight;
    }
    if (Object.values(raw).some((weight) => weight > 0)) { state.raw = raw; state.preset = ""; }
  }
  const ids = new Map(data.sites.map((site, index) => [site.id, index]));
  state.chosen = (asked.get("compare") || "").split(",").filter((id) => ids.has(id)).map((id) => ids.get(id)).slice(0, MOST_CHOSEN);
  state.find = asked.get("find") || "";
  const sort = asked.get("sort") || "rank";
  state.down = sort.startsWith("-");
  state.sort = sort.replace(/^-/, "");
  if (!COLUMNS.some((column) => column.key === state.sort)) { state.sort = "rank"; state.down = false; }
  state.all = asked.get("all") === "1";
  const view = data.views.findIndex(({ name }) => name === asked.get("view"));
  state.view = view < 0 ? FIRST_VIEW : view;
  return true;
}

let written = "";
let timer = 0;
/** Write the state to the address, at most five times a second: browsers refuse more. */
function saveHash() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    written = hashOfState();
    try { history.replaceState(null, "", `#${written}`); } catch { /* some places allow no address of their own */ }
  }, 200);
}

// --- columns ---------------------------------------------------------------------------------------------

const tableFields = data.fields.filter((field) => field.table);
const COLUMNS = [
  { key: "pick", title: "", plain: true },
  { key: "rank", title: "Rank", number: true, value: (row) => row.rank },
  { key: "site", title: "Site", value: (row) => data.sites[row.site].name.toLowerCase() },
  { key: "score", title: "Score, by parts", value: (row) => -row.score, wide: true },
  ...tableFields.map((field) => ({
    key: field.key, title: field.title, unit: field.unit, number: true, width: field.width, field,
    value: (row) => { const x = figure(workload(), field.key, row.row); return x === null ? null : -field.better * x; },
  })),
];

// --- drawing ---------------------------------------------------------------------------------------------

function drawTabs() {
  for (const button of byId("tabs").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.workload) === state.workload));
  }
}

function buildPresets() {
  byId("presets").replaceChildren(...presetsOf(workload()).map((preset) => el("button", {
    type: "button", "data-preset": preset.name, onclick: () => { takePreset(preset.name); draw(); },
  }, preset.title)));
}

function drawPresets() {
  for (const button of byId("presets").children) {
    button.setAttribute("aria-pressed", String(button.dataset.preset === state.preset));
  }
}

const outputs = new Map();
const inputs = new Map();

function buildSliders() {
  outputs.clear();
  inputs.clear();
  const boxes = { true: byId("sliders"), false: byId("sliders-more") };
  boxes.true.replaceChildren();
  boxes.false.replaceChildren();
  for (const criterion of workload().criteria) {
    const id = `weight-${criterion.name}`;
    const off = criterion.known === 0;
    const output = el("output", { for: id });
    const input = el("input", {
      type: "range", id, min: 0, max: 100, step: 1, disabled: off, style: { "--track": color(criterion.name) },
      oninput: (event) => {
        state.raw[criterion.name] = Number(event.target.value);
        state.preset = "";
        drawSoon();
      },
    });
    const title = `${criterion.title}: best ${criterion.best}, worst ${criterion.worst} ${criterion.unit}${criterion.note ? `; ${criterion.note}` : ""}`;
    boxes[String(criterion.main)].append(el("div", { class: off ? "slider off" : "slider", title },
      el("label", { for: id }, criterion.title), output, input));
    outputs.set(criterion.name, output);
    inputs.set(criterion.name, input);
  }
}

function drawSliders() {
  const total = usable(workload()).reduce((sum, criterion) => sum + (state.raw[criterion.name] || 0), 0);
  for (const criterion of workload().criteria) {
    const input = inputs.get(criterion.name);
    const raw = criterion.known ? state.raw[criterion.name] || 0 : 0;
    if (Number(input.value) !== Math.round(raw)) input.value = String(Math.round(raw));
    input.style.setProperty("--at", `${Math.min(100, raw)}%`);
    const nominal = total > 0 ? raw / total : 0;
    const effective = result && result.effective[criterion.name];
    const text = criterion.known === 0 ? "no figures"
      : effective === undefined || effective === null ? percent(nominal) : `${percent(nominal)}, effective ${percent(effective)}`;
    outputs.get(criterion.name).textContent = text;
    input.setAttribute("aria-valuetext", text);
  }
  byId("options").value = total > 0
    ? `--weights ${usable(workload()).filter((criterion) => state.raw[criterion.name] > 0)
      .map((criterion) => `${criterion.name}=${Number(((100 * state.raw[criterion.name]) / total).toPrecision(6))}`).join(",")}`
    : "";
  byId("weights-note").textContent = "Nominal weight, then its effective share: how much of the spread of the scores it makes."
    + (workload().derived ? " Default weights follow from rack power and the worth of latency." : "")
    + (workload().method === "weighted_sum" ? "" : ` Method: ${workload().method}.`);
}

const spots = new Map();

function buildMap() {
  const group = byId("spots");
  byId("views").replaceChildren(...data.views.map(({ name }, place) => el("button", {
    type: "button", class: "small-button", onclick: () => { state.view = place; draw(); },
  }, name)));
  data.sites.forEach((site, index) => {
    if (site.x === null) return;
    const title = el("svg:title");
    const circle = el("svg:circle", { cx: site.x, cy: site.y, r: 3, onclick: () => choose(index) }, title);
    const number = el("svg:text", { x: site.x, y: site.y + 3.2, class: "number" });
    group.append(circle, number);
    spots.set(index, { circle, number, title });
  });
}

function drawMap() {
  // On a narrow screen the map shrinks; circles and numbers do not shrink with it.
  const { box } = data.views[state.view];
  const shrunk = Math.min(2.2, Math.max(1, 640 / (byId("map").clientWidth || 640)));
  const zoom = (shrunk * box[2]) / data.views[0].box[2];
  byId("map").setAttribute("viewBox", box.join(" "));
  for (const [place, button] of [...byId("views").children].entries()) button.setAttribute("aria-pressed", String(place === state.view));
  const found = new Map(result ? result.rows.map((row) => [row.site, row]) : []);
  const shown = new Set(result ? matching().map((row) => row.site) : []);
  for (const [site, { circle, number, title }] of spots) {
    const row = found.get(site);
    const mw = data.plan[site];
    const top = row !== undefined && row.rank <= NUMBERED;
    circle.classList.toggle("hidden", row === undefined && mw === undefined);
    circle.classList.toggle("faded", !shown.has(site));
    circle.classList.toggle("chosen", state.chosen.includes(site));
    circle.classList.toggle("planned", mw !== undefined);
    const score = row ? row.score : 0;
    circle.setAttribute("r", (zoom * (top ? 8 : 2.4 + 3 * (score / 100))).toFixed(1));
    circle.setAttribute("fill-opacity", (top ? 0.55 + 0.4 * (score / 100) : 0.25 + 0.7 * (score / 100)).toFixed(2));
    circle.style.setProperty("stroke-width", String(zoom * (mw !== undefined || state.chosen.includes(site) ? 2.3 : 1)));
    number.style.setProperty("font-size", `${9 * zoom}px`);
    number.setAttribute("y", (data.sites[site].y + 3.2 * zoom).toFixed(1));
    number.textContent = top && shown.has(site) ? String(row.rank) : "";
    const name = `${data.sites[site].name} (${data.sites[site].id})`;
    title.textContent = (row ? `${row.rank}. ${name}: ${points(row.score)} of 100` : `${name}: not ranked`)
      + (mw === undefined ? "" : `; ${mw.toLocaleString("en-US")} MW in the plan`);
  }
  // The leaders lie on top, the first uppermost.
  const group = byId("spots");
  for (const row of result ? result.rows.slice(0, NUMBERED).reverse() : []) {
    const spot = spots.get(row.site);
    if (spot) group.append(spot.circle, spot.number);
  }
}

function drawLegend() {
  const used = result ? result.weights : [];
  byId("legend").replaceChildren(...used.map(({ criterion }) => el("li", {},
    el("i", { style: { background: color(criterion.name) } }, shortTitle(criterion)[0]), criterion.title)),
  ...(Object.keys(data.plan).length ? [el("li", {}, el("i", { class: "ring" }), "in the plan")] : []));
}

function bar(row, used) {
  const words = used.map(({ criterion }, c) => `${criterion.title} ${points(row.parts[c])}`).join(", ");
  return el("div", { class: "bar", title: words, role: "img", "aria-label": `Score ${points(row.score)}: ${words}` },
    ...used.map(({ criterion }, c) => el("span", {
      style: { width: `${Math.max(0, row.parts[c])}%`, background: color(criterion.name) },
    }, row.parts[c] >= 9 ? shortTitle(criterion)[0] : "")));
}

function matching() {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return result.rows;
  return result.rows.filter((row) => {
    const site = data.sites[row.site];
    const text = `${site.id} ${site.name} ${site.country}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function sorted(rows) {
  const column = COLUMNS.find((entry) => entry.key === state.sort);
  const sign = state.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a.rank - b.rank;
    return sign * (x < y ? -1 : x > y ? 1 : 0) || a.rank - b.rank;
  });
}

function buildHead() {
  byId("rank-table").tHead.rows[0].replaceChildren(...COLUMNS.map((column) => {
    const attributes = { scope: "col", class: [column.number ? "num" : "", column.width || ""].join(" ").trim() || null, "data-column": column.key };
    if (column.plain) return el("th", attributes, el("span", { class: "visually" }, "Compare"));
    return el("th", attributes, el("button", {
      type: "button",
      onclick: () => {
        state.down = state.sort === column.key ? !state.down : false;
        state.sort = column.key;
        draw();
      },
    }, column.title), column.unit ? el("span", { class: "unit" }, column.unit) : null);
  }));
}

function moved(row) {
  const before = defaultRanks().get(row.site);
  if (before === undefined || before === row.rank) return null;
  const up = before > row.rank;
  return el("span", { class: `move ${up ? "up" : "down"}`, title: `${before} with the default weights` },
    `${up ? "▲" : "▼"}${Math.abs(before - row.rank)}`);
}

function drawTable() {
  const table = byId("rank-table");
  for (const head of table.tHead.rows[0].cells) {
    if (head.dataset.column === state.sort) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  const rows = result ? sorted(matching()) : [];
  const shown = state.all ? rows : rows.slice(0, FIRST_ROWS);
  const entry = workload();
  table.tBodies[0].replaceChildren(...shown.map((row) => {
    const site = data.sites[row.site];
    const picked = state.chosen.includes(row.site);
    const quality = figure(entry, "price_quality", row.row);
    return el("tr", { class: picked ? "chosen" : null, "data-site": site.id },
      el("td", {}, el("input", { type: "checkbox", checked: picked, "data-key": `pick ${site.id}`, "aria-label": `Compare ${site.name}`, onchange: () => choose(row.site) })),
      el("td", { class: "num" }, String(row.rank), moved(row)),
      el("td", {}, el("span", { class: "site" }, site.name), figure(entry, "subsidized", row.row) ? el("span", { class: "flag" }, "subsidized") : null,
        el("span", { class: "under" }, site.name === site.id ? site.country : `${site.id} ${site.country}`),
        el("span", { class: "under technology" }, row.technology.replace(/_/g, " "))),
      el("td", { class: "wide" }, el("div", { class: "scored" }, bar(row, result.weights), el("b", {}, points(row.score))),
        el("span", { class: "under" }, `tie group ${row.tie}`)),
      ...tableFields.map((field) => el("td", { class: `num ${field.width}`.trim() },
        print(figure(entry, field.key, row.row), field),
        field.key === "effective_price_usd_per_mwh" && quality
          ? el("span", { class: WEAK.has(quality) ? `under q-${quality}` : "under" }, quality) : null)));
  }));
  byId("count").textContent = `${shown.length} of ${result ? result.rows.length : 0} sites`;
  byId("all").setAttribute("aria-pressed", String(state.all));
  byId("all").hidden = rows.length <= FIRST_ROWS;
  const lacking = new Map();
  for (const { criterion } of result ? result.missing : []) lacking.set(criterion.title, (lacking.get(criterion.title) || 0) + 1);
  byId("missing").textContent = lacking.size
    ? `Left out for want of a figure: ${[...lacking].map(([title, count]) => `${title.toLowerCase()} ${count}`).join(", ")}.` : "";
}

function drawAnswer() {
  const box = byId("answer");
  if (!result) { box.textContent = "All weights are zero: nothing tells the sites apart."; return; }
  if (!result.rows.length) { box.textContent = "No site has all the figures that these weights ask for."; return; }
  const first = result.rows[0];
  const tied = result.rows.filter((row) => row.tie === first.tie).length - 1;
  box.replaceChildren(el("b", {}, data.sites[first.site].name),
    ` leads for ${workload().name} with ${points(first.score)} of 100${tied ? `; ${tied} more within the noise of the figures` : ""}.`);
}

/** Tick a site, or take the tick off. */
function choose(site) {
  const place = state.chosen.indexOf(site);
  if (place >= 0) state.chosen.splice(place, 1);
  else {
    if (state.chosen.length >= MOST_CHOSEN) state.chosen.shift();
    state.chosen.push(site);
  }
  draw();
}

function drawCards() {
  const entry = workload();
  const rows = result ? result.rows.filter((row) => state.chosen.includes(row.site)) : [];
  const lost = state.chosen.filter((site) => !rows.some((row) => row.site === site));
  const best = new Map();
  for (const field of data.fields) {
    const known = rows.map((row) => figure(entry, field.key, row.row)).filter((x) => x !== null);
    if (known.length > 1 && Math.max(...known) > Math.min(...known)) best.set(field.key, field.better > 0 ? Math.max(...known) : Math.min(...known));
  }
  const parts = new Set(data.parts.map((part) => part.key));
  byId("cards").replaceChildren(...rows.map((row) => {
    const site = data.sites[row.site];
    return el("article", { class: "card", "aria-label": site.name },
      el("h3", {}, site.name),
      el("p", { class: "small" }, `${site.id} ${site.country}; ${row.technology.replace(/_/g, " ")}`),
      el("p", {}, `Rank ${row.rank}, score `, el("b", {}, points(row.score))),
      bar(row, result.weights),
      el("dl", {}, ...data.fields.filter((field) => !parts.has(field.key) && figure(entry, field.key, row.row) !== null).flatMap((field) => {
        const value = figure(entry, field.key, row.row);
        return [el("dt", {}, field.title, field.unit ? ` [${field.unit}]` : ""),
          el("dd", { class: best.get(field.key) === value ? "best" : null }, print(value, field))];
      })),
      el("p", { class: "small" }, `Price: ${["price_basis", "price_quality", "price_year", "price_source_id"].map((key) => figure(entry, key, row.row)).filter(Boolean).join(", ").replace(/_/g, " ")}`),
      el("button", { type: "button", class: "remove", "data-key": `remove ${site.id}`, onclick: () => choose(row.site) }, "Remove"));
  }), ...lost.map((site) => el("article", { class: "card" }, el("h3", {}, data.sites[site].name),
    el("p", {}, `Not ranked for ${entry.name} with these weights.`),
    el("button", { type: "button", class: "remove", "data-key": `remove ${data.sites[site].id}`, onclick: () => choose(site) }, "Remove"))));
  byId("compare-hint").hidden = state.chosen.length > 1;
  drawFalls(entry, rows);
}

/** Steps of annual cost from the best-scored chosen site to each other; the steps sum to the difference. */
function drawFalls(entry, rows) {
  const box = byId("falls");
  box.replaceChildren();
  const [first, ...others] = rows;
  const cost = (row, key) => figure(entry, key, row.row);
  const falls = others.map((row) => ({ row, steps: data.parts.map(({ key, title }) => ({ title, step: cost(row, key) - cost(first, key), known: cost(row, key) !== null && cost(first, key) !== null })) }))
    .filter(({ steps }) => steps.every(({ known }) => known));
  if (!falls.length) return;
  let low = 0, high = 0;
  for (const { steps } of falls) {
    let at = 0;
    for (const { step } of steps) { at += step; low = Math.min(low, at); high = Math.max(high, at); }
  }
  const span = high - low || 1;
  const place = (x) => `${(100 * (x - low)) / span}%`;
  box.append(el("h3", {}, `Annual cost against ${data.sites[first.site].name}, thousand USD per MW and year`));
  for (const { row, steps } of falls) {
    const lines = [];
    let at = 0;
    const line = (title, from, to, kind) => lines.push(
      el("span", {}, title),
      el("div", { class: "track", style: { "--zero": place(0) } }, el("i", { class: kind, style: { left: place(Math.min(from, to)), width: `${(100 * Math.abs(to - from)) / span}%` } })),
      el("span", {}, print(to - from, { scale: 1000, digits: 1 }, true)));
    for (const { title, step } of steps) { line(title, at, at + step, step < 0 ? "cheaper" : "dearer"); at += step; }
    line("Sum", 0, at, "sum");
    const words = at < 0 ? "cheaper" : "dearer";
    box.append(el("h4", {}, `${data.sites[row.site].name}: ${print(Math.abs(at), { scale: 1000, digits: 1 })} ${words}`), el("div", { class: "fall" }, ...lines));
  }
}

/** Redraw everything. What had the keyboard's focus has it again, or else its neighborhood. */
function draw({ save = true } = {}) {
  const begin = performance.now();
  const key = document.activeElement?.dataset?.key;
  result = rankSites(data, workload(), Object.fromEntries(usable(workload()).map((criterion) => [criterion.name, state.raw[criterion.name] || 0])));
  drawTabs();
  drawPresets();
  drawSliders();
  drawAnswer();
  drawLegend();
  drawMap();
  drawTable();
  drawCards();
  if (byId("find").value !== state.find) byId("find").value = state.find;
  if (key) {
    const again = [...document.querySelectorAll("[data-key]")].find((node) => node.dataset.key === key);
    (again || byId(key.startsWith("remove") ? "cards" : "rank-table")).focus({ preventScroll: true });
  }
  if (save) saveHash();
  cost = performance.now() - begin;
}

const SLOW_MS = 40;
let cost = 0;
let waiting = 0;
/** Redraw at once, or with the next frame where redrawing takes long: a slider sends many events. */
function drawSoon() {
  if (cost < SLOW_MS) { draw(); return; }
  if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; draw(); });
}

function openWorkload(place) {
  state.workload = place;
  if (!state.preset || !takePreset(state.preset)) takePreset("default");
  buildPresets();
  buildSliders();
}

function start() {
  buildHead();
  buildMap();
  byId("tabs").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-workload]");
    if (button) { openWorkload(Number(button.dataset.workload)); draw(); }
  });
  byId("find").addEventListener("input", (event) => { state.find = event.target.value; draw(); });
  byId("all").addEventListener("click", () => { state.all = !state.all; draw(); });
  byId("reset").addEventListener("click", () => {
    Object.assign(state, { chosen: [...data.chosen], find: "", sort: "rank", down: false, all: false, view: FIRST_VIEW });
    takePreset("default");
    draw();
  });
  byId("copy").addEventListener("click", async () => {
    const field = byId("options");
    field.select();
    try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
    byId("copy").textContent = "Copied";
    setTimeout(() => { byId("copy").textContent = "Copy"; }, 1500);
  });
  window.addEventListener("hashchange", () => {
    const text = location.hash.slice(1);
    if (text !== written && stateOfHash(text)) { buildPresets(); buildSliders(); draw({ save: false }); }
  });
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) { width = window.innerWidth; drawMap(); }
  });
  state.chosen = [...data.chosen];
  const begin = data.workloads.findIndex((entry) => entry.name === data.start);
  openWorkload(begin < 0 ? 0 : begin);
  if (stateOfHash(location.hash.slice(1))) { buildPresets(); buildSliders(); }
  draw({ save: false });
}

window.dcsite = { data, state, rankSites, ranking: () => result };
if (data.workloads.length) start();
