"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const GREY = "#dedede", BLACK = "#222222", SMALL = 2.6, LARGE = 6;
const VIRIDIS = ["#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
const SCALE = Array.from({ length: 256 }, (_, i) => {  // from VIRIDIS, even steps between them
  const u = i / 255 * (VIRIDIS.length - 1), k = Math.min(Math.floor(u), VIRIDIS.length - 2), [p, q] = [rgb(VIRIDIS[k]), rgb(VIRIDIS[k + 1])];
  return p.map((v, j) => Math.round(v + (q[j] - v) * (u - k)));
});
const KNOWN = ["progress", "progress_bhattacharyya", "accuracy"];
const named = key => key === "progress_bhattacharyya" ? "progress (-log)" : key;  // by the other objective
const columnOf = key => D.columns.find(x => x.key === key) ?? null;
const numeric = key => Boolean(columnOf(key)) && !columnOf(key).levels;
const seeds = [...new Set(D.trajectories.map(x => x.seed))].sort((a, b) => a - b);
const models = D.many ? makeModels(D.many, D.trajectories) : null;
const lastStep = D.many ? Math.max(...D.many.checkpoint.values) : Math.max(...D.trajectories.map(x => Math.max(...x.checkpoint)));
const state = { axes: [0, 1, 2], colour: D.first, clock: "checkpoint", position: 1, chosen: null, marks: true };
let hovered = null, pressed = null;
const cloud = D.many ? makeCloud($("plot"), models, D.trajectories) : null;

// ---- what is drawn

// How many models of a trajectory the slider shows.  Progress may fall back: its largest value so far counts.
function shown(x) {
  if (state.position >= 1) return x.checkpoint.length;
  if (state.clock === "checkpoint") return x.checkpoint.filter(c => c <= state.position * lastStep + 1e-9).length;
  const progress = x.values.progress;
  let n = 1;  // the first one is always there
  while (n < progress.length && (progress[n] === null || progress[n] <= state.position)) n++;
  return n;
}

function isDim(x, i) {
  const c = state.chosen;
  return c !== null && (c.kind === "task" ? x.run !== c.number : c.kind === "seed" ? x.seed !== c.number
    : c.kind === "level" ? value(x, 0, state.colour) !== c.number : i !== c.number);
}

// What is known of model n of a trajectory in a column; of text, the number of its level.
function value(x, n, key) {
  const found = models ? models.value(key, x.start + n) : x.values[key][n];
  return found !== null && columnOf(key).levels ? Math.round(found) : found;
}

function coordinates(points) {
  const [a, b, c] = state.axes;
  return { x: points.map(p => p[a]), y: points.map(p => p[b]), z: points.map(p => c < D.axes.length ? p[c] : 0) };
}

function hoverText(x, i) {  // of many models, whose number among all is i
  const at = key => models[key].values[models[key].which[i]];
  return hover(x, i - x.start, at("checkpoint"), at("t"));
}

function hover(x, n, checkpoint, t) {
  const lines = [`<b>${escaped(D.runs[x.run].name)}</b>, seed ${x.seed}`,
    `checkpoint ${checkpoint}` + (t === null ? "" : `, ${escaped(D.t_name)} ${t}`)];
  for (const column of D.columns) {
    const { key, levels } = column, v = value(x, n, key);
    if (v === null) continue;
    lines.push(`${escaped(named(key))} ${levels ? escaped(levels[v]) : KNOWN.includes(key) ? v.toFixed(3) : readable(v, column)}`);
  }
  return lines.join("<br>");
}

// A number of a column in as many digits as tell it from others: four of its range.
function readable(v, { low, high }) {
  const more = high > low ? Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) / (high - low))) : 11;
  return Number(v.toPrecision(Math.min(4 + Math.max(more, 0), 15)));
}

const escaped = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

function trace(x, i) {
  const n = shown(x), dim = isDim(x, i), run = D.runs[x.run], column = columnOf(state.colour), key = state.colour;
  const points = x.points.slice(0, n), order = points.map((_, k) => k);
  let colour = key === "seed" ? colourOfSeed(x.seed) : run.colour;
  if (column) colour = order.map(k => colourOf(column, x.values[key][k]));
  if (column && column.levels && colour.every(c => c === colour[0])) colour = colour[0];
  colour = dim ? GREY : colour;
  return {
    type: "scatter3d", mode: "lines+markers", ...coordinates(points), showlegend: false, name: run.name,
    hoverinfo: dim ? "skip" : "text", text: order.map(k => hover(x, k, x.checkpoint[k], x.t[k])), meta: i,
    line: { color: colour, width: dim ? 1 : 3, dash: run.dash },
    marker: { color: colour, symbol: run.symbol, size: order.map(k => k === n - 1 ? LARGE : SMALL), line: { width: 0 } },
  };
}

function ends(column) {
  return { cmin: column.low, cmax: column.high > column.low ? column.high : column.low + 1 };
}

function colourOf(column, v) {  // of what is not known: grey
  if (v === null) return GREY;
  if (column.levels) return column.colours[v];
  const { cmin, cmax } = ends(column);
  return `rgb(${SCALE[Math.round(255 * Math.min(Math.max((v - cmin) / (cmax - cmin), 0), 1))]})`;
}

function colourOfSeed(seed) {
  return D.palette[seeds.indexOf(seed) % D.palette.length];
}

function markTraces() {
  if (!D.marks || !state.marks) return [];
  const ends = [D.marks.points[0], D.marks.points[D.marks.points.length - 1]];
  const look = { type: "scatter3d", showlegend: false, hoverinfo: "text", meta: null };
  return [
    { ...look, mode: "lines", ...coordinates(D.marks.points), line: { color: BLACK, width: 4, dash: "dash" },
      text: D.marks.progress.map(s => `geodesic from ignorance to truth<br>progress ${s.toFixed(2)}`) },
    { ...look, mode: "markers", ...coordinates(ends), marker: { color: BLACK, size: 6, symbol: "diamond" },
      text: ["<b>P₀</b>, ignorance: uniform", "<b>P∗</b>, truth: one-hot"] },
  ];
}

// The bar of colours has a trace of its own, so that it stays whatever is dimmed.
function barTrace() {
  return { type: "scatter3d", mode: "markers", x: [null], y: [null], z: [null], showlegend: false, hoverinfo: "skip",
    meta: null, marker: { color: [0], colorscale: VIRIDIS.map((c, k) => [k / (VIRIDIS.length - 1), c]), ...ends(columnOf(state.colour)), showscale: true,
      colorbar: { title: { text: named(state.colour), side: "right" }, thickness: 12, len: 0.6, x: 1, xanchor: "right" } } };
}

// The same box at every moment of training, in equal units unless an axis is so short that it would be a sheet.
function layout() {
  const points = D.trajectories.flatMap(x => x.points).concat(state.marks && D.marks ? D.marks.points : []);
  const xyz = coordinates(points), extent = {}, away = $("plot").clientWidth < $("plot").clientHeight ? 1.75 : 1.25;
  const scene = { dragmode: "orbit" };
  for (const axis of "xyz") {
    const low = xyz[axis].reduce((a, b) => Math.min(a, b)), high = xyz[axis].reduce((a, b) => Math.max(a, b));
    const margin = 0.04 * (high - low) || 0.01;
    extent[axis] = high - low;
    const number = state.axes["xyz".indexOf(axis)];
    scene[axis + "axis"] = { range: [low - margin, high + margin], showbackground: true, backgroundcolor: "#f7f7f7",
      gridcolor: "#dddddd", zeroline: false, showspikes: false, nticks: 5, tickfont: { size: 12 }, tickangle: 0,
      title: { text: number < D.axes.length ? D.axes[number] : "", font: { size: 14 } } };
  }
  if (D.marks && state.marks) {  // not as text of the traces, which is cut where it leaves the box
    const ends = coordinates([D.marks.points[0], D.marks.points[D.marks.points.length - 1]]);
    scene.annotations = ["ignorance P<sub>0</sub>", "truth P<sub>∗</sub>"].map((text, k) => ({ text, x: ends.x[k],
      y: ends.y[k], z: ends.z[k], showarrow: false, yshift: 14, font: { size: 12 } }));
  }
  const largest = Math.max(...Object.values(extent)) || 1;
  scene.aspectmode = "manual";
  scene.aspectratio = Object.fromEntries(Object.entries(extent).map(([k, v]) => [k, Math.max(v / largest, 0.45) * 1.15]));
  // from where the still figure is seen, elevation 30 degrees, azimuth -60; so far away that no corner is cut off
  const far = away * Math.hypot(...Object.values(scene.aspectratio));
  scene.camera = { eye: { x: 0.433 * far, y: -0.75 * far, z: 0.5 * far }, center: { x: 0.04, y: 0, z: -0.1 } };
  scene.uirevision = "stay";
  return { scene, margin: { l: 0, r: 0, t: 0, b: 0 }, hovermode: "closest", uirevision: "stay", showlegend: false };
}

function draw() {
  sayMoment();
  colourChips();
  sayStress();
  if (D.many) { cloud?.show(); return null; }
  const traces = [...D.trajectories.map(trace), ...markTraces()];
  if (numeric(state.colour)) traces.push(barTrace());
  return Plotly.react("plot", traces, layout(), { responsive: true, displaylogo: false,
    modeBarButtons: [["toImage", "resetCameraDefault3d"]] });
}

function sayMoment() {
  $("moment").textContent = state.position >= 1 ? "whole training" : state.clock === "checkpoint"
    ? `checkpoint ${Math.floor(state.position * lastStep + 1e-9)} of ${lastStep}`
    : `progress ≤ ${state.position.toFixed(2)}`;
}

// Chips have the colours of the picture: those of tasks, or of seeds, or none where a scale says them.
function colourChips() {
  document.querySelectorAll("#runs i").forEach((dot, k) =>
    dot.style.background = state.colour === "task" ? D.runs[k].colour : GREY);
  $("seeds").hidden = state.colour !== "seed";
  const column = columnOf(state.colour), levels = column?.levels ?? null, list = $("levels");
  list.hidden = !levels;
  if (list.dataset.of === state.colour || !levels) return;
  list.dataset.of = state.colour;
  list.replaceChildren();
  levels.forEach((level, k) => chip("levels", level, column.colours[k], { kind: "level", number: k }));
}

// 1 - sqrt(1 - sum of lambda^2 over the axes shown / sum over all)
function sayStress() {
  const axes = state.axes.filter(k => k < D.axes.length), squares = axes.map(k => D.eigenvalues[k] ** 2);
  const share = D.total && 1 - Math.sqrt(Math.max(0, 1 - squares.reduce((a, b) => a + b, 0) / D.total));
  const shown = D.total ? `axes ${axes.map(k => k + 1).sort((a, b) => a - b).join(", ")} explain ${(100 * share).toFixed(0)} % of the stress; ` : "";
  $("stress").textContent = (shown + D.stress).replaceAll(" %", "\u00a0%");
}

function drawSpectrum() {
  const size = D.eigenvalues.map(Math.abs), numbers = size.map((_, k) => k + 1), largest = Math.max(...size);
  const of = kind => numbers.filter(k => D.imaginary[k - 1] === kind && size[k - 1] > 1e-12 * largest);
  const series = (ks, name, marker) => ({ x: ks, y: ks.map(k => size[k - 1]), name, mode: "markers",
    showlegend: ks.length > 0, hovertemplate: "axis %{x}: %{y:.3g}<extra></extra>", marker });
  Plotly.react("spectrum", [
    series(of(false).concat(of(true)).filter(k => state.axes.includes(k - 1)), "shown",
      { symbol: "circle-open", size: 13, color: "#D55E00", line: { width: 2 } }),
    series(of(false), "real", { symbol: "circle", size: 7, color: "#0072B2" }),
    series(of(true), "imaginary", { symbol: "square-open", size: 7, color: "#0072B2", line: { width: 2 } })], {
    margin: { l: 48, r: 6, t: 6, b: 34 }, xaxis: { title: { text: "axis" }, range: [0, numbers.length + 1] },
    yaxis: { type: "log", title: { text: "|eigenvalue|" }, exponentformat: "power", dtick: 1 },
    legend: { x: 1, xanchor: "right", y: 1, bgcolor: "rgba(255,255,255,0.7)" }, font: { size: 11 },
  }, { responsive: true, displayModeBar: false });
}
