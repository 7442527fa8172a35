// ---- controls

function choose(chosen) {
  const c = state.chosen;
  state.chosen = c && chosen && c.kind === chosen.kind && c.number === chosen.number ? null : chosen;
  const now = state.chosen, x = now && now.kind === "trajectory" ? D.trajectories[now.number] : null;
  document.querySelectorAll("aside button").forEach(button => button.setAttribute("aria-pressed", String(Boolean(now)
    && (x ? button.dataset.chip === `task ${x.run}` : button.dataset.chip === `${now.kind} ${now.number}`))));
  $("chosen").textContent = x ? `${D.runs[x.run].name}, seed ${x.seed}` : !now ? ""
    : now.kind === "seed" ? `seed ${now.number}, all tasks`
    : now.kind === "level" ? `${named(state.colour)} ${columnOf(state.colour).levels[now.number]}`
    : `${D.runs[now.number].name}, all seeds`;
  draw();
}

function option(select, value, text) {
  select.add(new Option(text, value));
}

let timer = null;
function play(on) {
  if (timer) { clearInterval(timer); timer = null; }
  $("play").textContent = on ? "pause" : "play";
  if (!on) return;
  if (state.position >= 1) state.position = 0.1;  // what comes before is hardly to be told apart
  if (cloud) { glide(performance.now()); return; }
  timer = setInterval(() => {
    state.position = Math.min(1, state.position + (state.clock === "checkpoint" ? 1 / Math.max(lastStep, 1) : 0.02));
    $("position").value = Math.round(1000 * state.position);
    if (state.position >= 1) play(false);
    draw();
  }, 150);
}

// Many models are played without steps, at the same speed.
function glide(before) {
  const speed = (state.clock === "checkpoint" ? 1 / Math.max(lastStep, 1) : 0.02) / 150;
  timer = setInterval(() => {}, 1e6);  // says that it plays
  const mine = timer, next = now => {
    if (timer !== mine) return;
    state.position = Math.min(1, state.position + Math.min(now - before, 300) * speed);
    before = now;
    $("position").value = Math.round(1000 * state.position);
    if (state.position >= 1) play(false);
    sayMoment();
    cloud.move();
    cloud.show();
    if (state.position < 1) requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}

D.axes.forEach((label, k) => ["axis0", "axis1", "axis2"].forEach(id => option($(id), k, label)));
["axis0", "axis1", "axis2"].forEach((id, which) => {
  if (which >= D.axes.length) { $(id).disabled = true; return; }
  $(id).value = state.axes[which];
  $(id).addEventListener("change", () => {
    const before = state.axes[which], value = Number($(id).value), other = state.axes.indexOf(value);
    state.axes[which] = value;
    if (other >= 0 && other !== which) { state.axes[other] = before; $("axis" + other).value = before; }  // swapped
    draw();
    drawSpectrum();
  });
});
["task", "seed", ...D.columns.map(x => x.key)].forEach(key => option($("colour"), key, named(key)));
$("colour").value = state.colour;
$("colour").addEventListener("change", () => {
  if (state.chosen?.kind === "level") choose(null);
  state.colour = $("colour").value;
  draw();
});
option($("clock"), "checkpoint", "checkpoint");
if (columnOf("progress")) option($("clock"), "progress", "progress");
$("clock").addEventListener("change", () => { state.clock = $("clock").value; draw(); });
$("position").addEventListener("input", () => { play(false); state.position = $("position").value / 1000; draw(); });
$("play").addEventListener("click", () => play(!timer));
$("marks").addEventListener("change", () => { state.marks = $("marks").checked; draw(); });
$("marks-label").hidden = !D.marks;
document.addEventListener("keydown", event => { if (event.key === "Escape" && state.chosen) choose(null); });
function chip(list, text, colour, chosen) {
  const button = document.createElement("button"), dot = document.createElement("i");
  button.type = "button";
  button.dataset.chip = `${chosen.kind} ${chosen.number}`;
  button.setAttribute("aria-pressed", "false");
  dot.style.background = colour;
  button.append(dot, text);
  button.addEventListener("click", () => choose(chosen));
  $(list).append(button);
}
D.runs.forEach((run, k) => chip("runs", run.name, run.colour, { kind: "task", number: k }));
seeds.forEach(seed => chip("seeds", `seed ${seed}`, colourOfSeed(seed), { kind: "seed", number: seed }));
$("what").textContent = D.what;
$("made").textContent = D.made;
if (cloud) $("turning").textContent = "While it moves, fewer trajectories are drawn where the computer is slow.";
// plotly's own click wants the pointer within 5 pixels of a model; here what is hovered over is chosen.
$("plot").addEventListener("pointerdown", event => { pressed = [event.clientX, event.clientY]; }, true);
$("plot").addEventListener("pointerup", event => {
  const still = pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) < 6;  // not turned
  // after a tap, plotly says only in the next frames what is there
  if (still) setTimeout(() => { if (hovered !== null) choose({ kind: "trajectory", number: hovered }); }, 80);
}, true);

Promise.resolve(draw()).then(() => {
  if (D.many) { drawSpectrum(); requestAnimationFrame(() => { document.body.dataset.ready = "yes"; }); return; }
  const over = event => { hovered = event.points[0].data.meta ?? null; };
  $("plot").on("plotly_hover", over);
  $("plot").on("plotly_click", over);
  $("plot").on("plotly_unhover", () => { hovered = null; });
  drawSpectrum();
  document.body.dataset.ready = "yes";
});
