// Many models, drawn by WebGL from 16-bit numbers as they stand in the page: all trajectories at once.  A moment of training
// is one number, beyond which nothing is drawn; turning is one matrix.  Where that is slow, fewer trajectories are drawn
// while the picture moves, evenly chosen, and all of them when it stands.
const SLOW = 30, FAST = 18, STILL = 220, FEWEST = 6000, FOV = 40 * Math.PI / 180, NEAR_PIXELS = 8, ALL = 65534, UNKNOWN = 65535;

function makeCloud(host, models, trajectories) {
  const M = models.count, R = trajectories.length;
  const moments = { checkpoint: new Float32Array(M), progress: new Float32Array(M) };
  for (const x of trajectories) {
    let most = 0;
    for (let i = x.start; i < x.stop; i++) {
      moments.checkpoint[i] = models.checkpoint.values[models.checkpoint.which[i]] / Math.max(lastStep, 1);
      if (models.columns.progress && i > x.start) most = Math.max(most, models.value("progress", i) ?? 0);
      moments.progress[i] = most;  // progress may fall back: its largest value so far counts
    }
    moments.checkpoint[x.start] = 0;  // the first one is always there
  }
  // an even part of all trajectories comes first, however many are drawn
  const order = trajectories.map((_, i) => i).sort((a, b) => a * 0.6180339887 % 1 - b * 0.6180339887 % 1);

  host.classList.add("cloud");
  const canvas = document.createElement("canvas"), text = document.createElement("canvas"), hover = document.createElement("div");
  const bar = document.createElement("div");
  hover.id = "hover"; bar.id = "bar"; hover.hidden = bar.hidden = true;
  bar.style.background = `linear-gradient(to top, ${VIRIDIS})`;
  host.append(canvas, text, bar, hover);
  const renderer = context => String(context && context.getParameter(
    context.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER));
  const software = /swiftshader|llvmpipe|software|basic render/i.test(renderer(document.createElement("canvas").getContext("webgl")));
  const gl = canvas.getContext("webgl", { antialias: !software, alpha: false });
  if (!gl || !gl.getExtension("OES_element_index_uint")) {
    host.textContent = "This browser draws no WebGL, which a picture of so many models needs.";
    return null;
  }
  const buffers = {};
  let at = {};
  const fill = (name, data, kind = gl.ARRAY_BUFFER) => { gl.bindBuffer(kind, buffers[name]); gl.bufferData(kind, data, gl.DYNAMIC_DRAW); };
  function prepare() {  // all that the graphics card holds, but for what `cloud.show` fills in
    gl.getExtension("OES_element_index_uint");
    const program = compiled(gl);
    at = Object.fromEntries(["view", "slope", "origin", "size", "now"].map(x => [x, gl.getUniformLocation(program, x)]));
    for (const name of ["point", "colour", "checkpoint", "progress", "lines", "dots", "heads", "headColours", "box"])
      buffers[name] = gl.createBuffer();
    for (const [name, data] of Object.entries(moments)) fill(name, data);
    gl.clearColor(1, 1, 1, 1);
  }
  prepare();
  canvas.addEventListener("webglcontextlost", event => { event.preventDefault(); cloud.request(); });
  canvas.addEventListener("webglcontextrestored", () => { prepare(); axes = look = ""; cloud.show(); });

  const cloud = { share: 1, frames: 0, moving: false, fresh: false, models: M, software };
  const camera = { azimuth: 0, elevation: 0, distance: 1 };
  const colours = new Uint8Array(4 * M), interleaved = new Uint16Array(4 * M);
  let box = null, view = null, bright = [], counts = { bright: 0, dim: 0, dots: 0, heads: 0 }, axes = "", look = "", last = 0;
  let scheduled = false, timer = null;

  // ---- what is drawn

  function setAxes() {
    const [a, b, c] = state.axes.map(k => models.points[k]);
    for (let i = 0; i < M; i++) {
      interleaved[4 * i] = a ? a.bits[i] : 0; interleaved[4 * i + 1] = b ? b.bits[i] : 0; interleaved[4 * i + 2] = c ? c.bits[i] : 0;
    }
    fill("point", interleaved);
    const marks = D.marks && state.marks ? D.marks.points : [];
    box = [a, b, c].map((x, k) => {
      const more = x ? marks.map(p => p[state.axes[k]]) : [];
      const low = Math.min(x ? x.low : 0, ...more), high = Math.max(x ? x.high : 0, ...more), margin = 0.04 * (high - low) || 0.01;
      return { low: low - margin, high: high + margin, from: x ? x.low : 0, to: x ? x.high : 0, extent: high - low };
    });
    const largest = Math.max(...box.map(x => x.extent)) || 1;
    for (const x of box) {  // in equal units unless an axis is so short that it would be a sheet
      x.size = Math.max(x.extent / largest, 0.45);
      x.place = value => ((value - x.low) / (x.high - x.low) - 0.5) * x.size;
      x.origin = x.place(x.from);
      x.slope = (x.place(x.to) - x.origin) / ALL;
    }
  }

  function setColours() {
    const column = columnOf(state.colour), key = state.colour, scale = column && !column.levels ? SCALE : null;
    const levels = column?.levels ? column.colours.map(rgb) : null, tasks = D.runs.map(run => rgb(run.colour)), grey = rgb(GREY);
    bright = [];
    const dim = [];
    for (const number of order) (isDim(trajectories[number], number) ? dim : bright).push(number);
    for (const x of trajectories) {
      const grown = isDim(x, x.number) ? grey : key === "seed" ? rgb(colourOfSeed(x.seed)) : column ? null : tasks[x.run];
      for (let i = x.start; i < x.stop; i++) {
        let c = grown;
        if (!c) {
          const bit = models.columns[key].bits[i];
          c = bit === UNKNOWN ? grey : scale ? scale[Math.round(255 * bit / ALL)]
            : levels[Math.round(models.value(key, i))];
        }
        colours[4 * i] = c[0]; colours[4 * i + 1] = c[1]; colours[4 * i + 2] = c[2];
      }
    }
    fill("colour", colours);
    const lines = new Uint32Array(2 * Math.max(M - R, 0)), dots = new Uint32Array(M);
    let n = 0, m = 0;
    cloud.ends = { dim: [0], bright: [0] };
    for (const [kind, numbers] of [["dim", dim], ["bright", bright]]) {
      const start = n;
      for (const number of numbers) {
        const x = trajectories[number];
        for (let i = x.start; i < x.stop; i++) {
          if (i > x.start) { lines[n++] = i - 1; lines[n++] = i; }
          if (kind === "bright") dots[m++] = i;
        }
        cloud.ends[kind].push(n - start);
      }
      counts[kind] = n - start;
    }
    counts.dots = m;
    fill("lines", lines, gl.ELEMENT_ARRAY_BUFFER);
    fill("dots", dots, gl.ELEMENT_ARRAY_BUFFER);
    bar.hidden = !scale;
    bar.replaceChildren(...(scale ? [[readable(column.high, column), 0], [named(key), 50], [readable(column.low, column), 100]] : []).map(([words, top]) => {
      const label = document.createElement("span");
      label.textContent = words;
      label.style.top = `calc(${top}% - 9px)`;
      return label;
    }));
  }

  // The last model that is shown of each trajectory is marked.
  function setHeads() {
    const when = moments[state.clock], places = new Uint16Array(4 * bright.length), shades = new Uint8Array(4 * bright.length);
    bright.forEach((number, k) => {
      const x = trajectories[number];
      let low = x.start, high = x.stop - 1;
      if (state.position < 1) while (low < high) { const i = (low + high + 1) >> 1; when[i] <= state.position ? low = i : high = i - 1; }
      const i = state.position < 1 ? low : x.stop - 1;
      for (let j = 0; j < 3; j++) { places[4 * k + j] = interleaved[4 * i + j]; shades[4 * k + j] = colours[4 * i + j]; }
    });
    counts.heads = bright.length;
    fill("heads", places);
    fill("headColours", shades);
  }

  function pixel(x, y, z) {
    const w = view[3] * x + view[7] * y + view[11] * z + view[15];
    return [(1 + (view[0] * x + view[4] * y + view[8] * z + view[12]) / w) / 2 * canvas.clientWidth,
      (1 - (view[1] * x + view[5] * y + view[9] * z + view[13]) / w) / 2 * canvas.clientHeight];
  }

  function attributes(point, colour, moment, type, stride) {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[point]); gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 3, type, false, stride, 0);
    if (colour) { gl.bindBuffer(gl.ARRAY_BUFFER, buffers[colour]); gl.enableVertexAttribArray(1);
      gl.vertexAttribPointer(1, 3, gl.UNSIGNED_BYTE, true, 4, 0); } else gl.disableVertexAttribArray(1);
    if (moment) { gl.bindBuffer(gl.ARRAY_BUFFER, buffers[moment]); gl.enableVertexAttribArray(2);
      gl.vertexAttribPointer(2, 1, gl.FLOAT, false, 0, 0); } else { gl.disableVertexAttribArray(2); gl.vertexAttrib1f(2, 0); }
  }

  const ratio = () => Math.min(window.devicePixelRatio || 1, 2);
  function frame(now) {
    scheduled = false;
    if (cloud.moving && last) {
      const took = now - last;
      if (took > SLOW && took < 1000) cloud.share = Math.max(cloud.share * (took > 2 * SLOW ? 0.6 : 0.85), FEWEST / Math.max(M - R, FEWEST));
      else if (took < FAST) cloud.share = Math.min(cloud.share * 1.08, 1);
    }
    last = cloud.moving ? now : 0;
    cloud.frames++;
    const share = cloud.moving ? cloud.share : 1, pen = text.getContext("2d");
    if (gl.isContextLost()) {
      pen.setTransform(ratio(), 0, 0, ratio(), 0, 0);
      pen.clearRect(0, 0, text.width, text.height);
      pen.fillStyle = BLACK; pen.font = "14px system-ui, sans-serif"; pen.textAlign = "center";
      pen.fillText("The browser has dropped this picture.", host.clientWidth / 2, host.clientHeight / 2 - 10);
      pen.fillText("If it does not come back, reload this page.", host.clientWidth / 2, host.clientHeight / 2 + 10);
      return;
    }
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    view = matrix(camera, canvas);
    const scene = { gl, at, box, camera, fill, attributes, pixel, ratio };
    pen.setTransform(ratio(), 0, 0, ratio(), 0, 0);
    pen.clearRect(0, 0, text.width, text.height);
    pen.textAlign = "center"; pen.textBaseline = "middle";
    gl.uniformMatrix4fv(at.view, false, view);
    gl.uniform1f(at.now, 2);
    gl.disable(gl.DEPTH_TEST);
    drawBox(pen, scene);
    gl.uniform3f(at.slope, ...box.map(x => x.slope)); gl.uniform3f(at.origin, ...box.map(x => x.origin));
    gl.uniform1f(at.now, state.position >= 1 ? 2 : state.position);
    attributes("point", "colour", state.clock, gl.UNSIGNED_SHORT, 8);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.lines);
    const some = kind => cloud.ends[kind][Math.ceil(share * (cloud.ends[kind].length - 1))];
    gl.drawElements(gl.LINES, some("dim"), gl.UNSIGNED_INT, 0);  // without depth: they hide nothing
    gl.enable(gl.DEPTH_TEST);
    gl.drawElements(gl.LINES, some("bright"), gl.UNSIGNED_INT, 4 * counts.dim);
    if (!cloud.moving) {
      gl.uniform1f(at.size, SMALL * ratio());
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.dots);
      gl.drawElements(gl.POINTS, counts.dots, gl.UNSIGNED_INT, 0);
    }
    cloud.drawn = some("dim") / 2 + some("bright") / 2;
    attributes("heads", "headColours", null, gl.UNSIGNED_SHORT, 8);
    gl.uniform1f(at.size, (R > 500 ? 4 : LARGE) * ratio());
    gl.uniform1f(at.now, 2);
    gl.drawArrays(gl.POINTS, 0, Math.ceil(share * counts.heads));
    drawMarks(pen, scene);
  }

  cloud.request = () => { if (!scheduled) { scheduled = true; requestAnimationFrame(frame); } };
  cloud.move = () => {  // something moves; when nothing does any more, all is drawn
    cloud.moving = true;
    cloud.fresh = false;
    clearTimeout(timer);
    timer = setTimeout(() => { cloud.moving = false; cloud.request(); }, STILL);
    cloud.request();
  };
  cloud.show = () => {
    cloud.fresh = false;
    const nowAxes = [...state.axes, state.marks].join(), nowLook = JSON.stringify([state.colour, state.chosen]);
    if (nowAxes !== axes) { const begun = box; setAxes(); if (!begun) cloud.reset(); axes = nowAxes; }
    if (nowLook !== look) { setColours(); look = nowLook; }
    setHeads();
    cloud.request();
  };
  cloud.reset = () => {  // from where the still figure is seen
    const half = Math.hypot(...box.map(x => x.size)) / 2, narrow = Math.min(1, host.clientWidth / Math.max(host.clientHeight, 1));
    Object.assign(camera, { azimuth: -Math.PI / 3, elevation: Math.PI / 6, distance: 0.98 * half / Math.sin(FOV / 2) / narrow });
    cloud.request();
  };
  cloud.camera = camera;
  cloud.colour = number => {  // of each model of a trajectory
    const { start, stop } = trajectories[number];
    return Array.from({ length: stop - start }, (_, n) => [...colours.slice(4 * (start + n), 4 * (start + n) + 3)]);
  };
  cloud.pixel = i => pixel(...[0, 1, 2].map(k => interleaved[4 * i + k] * box[k].slope + box[k].origin));

  // ---- the pointer

  cloud.nearest = (x, y) => {  // the model that is shown there, or null
    const when = moments[state.clock], most = state.position >= 1 ? 2 : state.position;
    // what `pixel` says, without arrays: (a + b . bits) / (c + d . bits), less the place of the pointer, across and down
    const w = clip(3), h = clip(0), v = clip(1), wide = canvas.clientWidth / 2, high = canvas.clientHeight / 2;
    const [h0, h1, h2, h3] = h.map((value, k) => wide * value + (wide - x) * w[k]);
    const [v0, v1, v2, v3] = v.map((value, k) => -high * value + (high - y) * w[k]);
    const [w0, w1, w2, w3] = w;
    let found = null, least = NEAR_PIXELS ** 2;
    for (const number of bright) {
      const { start, stop } = trajectories[number];
      for (let i = start; i < stop; i++) {
        if (when[i] > most) continue;
        const a = interleaved[4 * i], b = interleaved[4 * i + 1], c = interleaved[4 * i + 2];
        const depth = w0 * a + w1 * b + w2 * c + w3;
        const across = (h0 * a + h1 * b + h2 * c + h3) / depth, down = (v0 * a + v1 * b + v2 * c + v3) / depth;
        const off = across * across + down * down;
        if (off < least) { least = off; found = { number, model: i }; }
      }
    }
    return found;
  };
  function clip(row) {  // of the matrix, by the 16 bits of the three axes, and its constant
    const of = [0, 1, 2].map(k => view[4 * k + row]);
    return [...of.map((value, k) => value * box[k].slope), of.reduce((sum, value, k) => sum + value * box[k].origin, view[12 + row])];
  }
  watchPointer(host, hover, cloud, trajectories);
  new ResizeObserver(() => {
    for (const each of [canvas, text]) { each.width = host.clientWidth * ratio(); each.height = host.clientHeight * ratio(); }
    if (box) cloud.request();
  }).observe(host);
  for (const each of [canvas, text]) { each.width = host.clientWidth * ratio(); each.height = host.clientHeight * ratio(); }
  return cloud;
}
