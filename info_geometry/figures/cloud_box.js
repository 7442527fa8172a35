// What the cloud is drawn with: the program of the graphics card, the view, and the box around it with its ticks, and the
// geodesic in it.  A scene: what makeCloud draws with.
function compiled(gl) {  // and used: what is beyond the moment `now` is not drawn
  const shader = (kind, source) => { const s = gl.createShader(kind); gl.shaderSource(s, source); gl.compileShader(s); return s; };
  const program = gl.createProgram();
  gl.attachShader(program, shader(gl.VERTEX_SHADER, `attribute vec3 point; attribute vec3 colour; attribute float moment;
    uniform mat4 view; uniform vec3 slope; uniform vec3 origin; uniform float size; varying vec3 shade; varying float when;
    void main() { gl_Position = view * vec4(point * slope + origin, 1.0); gl_PointSize = size; shade = colour; when = moment; }`));
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `precision mediump float; varying vec3 shade; varying float when;
    uniform float now; void main() { if (when > now) discard; gl_FragColor = vec4(shade, 1.0); }`));
  ["point", "colour", "moment"].forEach((name, i) => gl.bindAttribLocation(program, i, name));
  gl.linkProgram(program);
  gl.useProgram(program);
  return program;
}

function matrix({ azimuth: a, elevation: e, distance: d }, canvas) {  // of the view, in the order of WebGL
  const ca = Math.cos(a), sa = Math.sin(a), ce = Math.cos(e), se = Math.sin(e);
  const f = 1 / Math.tan(FOV / 2), wide = canvas.clientWidth / Math.max(canvas.clientHeight, 1), near = 0.01, far = 20;
  const x = [-sa, ca, 0], y = [-ca * se, -sa * se, ce], z = [ca * ce, sa * ce, se];  // right, up, towards the eye
  const A = (far + near) / (near - far), B = 2 * far * near / (near - far), m = new Float32Array(16);
  for (let k = 0; k < 3; k++) { m[4 * k] = x[k] * f / wide; m[4 * k + 1] = y[k] * f; m[4 * k + 2] = z[k] * A; m[4 * k + 3] = -z[k]; }
  m[14] = -d * A + B; m[15] = d;
  return m;
}

function ticks({ low, high }) {
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].find(x => x * power >= raw) * power;
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9 * step; v += step) found.push(Number(v.toPrecision(6)));
  return found;
}

function back({ azimuth: a, elevation: e }) {  // the corner that is away from the eye
  return [Math.cos(a) > 0 ? -1 : 1, Math.sin(a) > 0 ? -1 : 1, e > 0 ? -1 : 1];
}

function drawBox(pen, scene) {
  const { gl, at, box, camera, fill, attributes, pixel } = scene;
  const nowhere = corners => [0, 1, 2].map(k => box[k].size / 2 * corners[k]);
  const away = back(camera), lines = [], inside = corners => lines.push(...nowhere(corners));
  for (const k of [0, 1, 2]) {  // each back wall, with the ticks of its two axes
    for (const [along, across] of [[(k + 1) % 3, (k + 2) % 3], [(k + 2) % 3, (k + 1) % 3]]) {
      for (const value of [...ticks(box[along]), box[along].low, box[along].high]) {
        for (const end of [-1, 1]) {
          const corners = [0, 0, 0];
          corners[k] = away[k]; corners[across] = end; corners[along] = 2 * box[along].place(value) / box[along].size;
          inside(corners);
        }
      }
    }
  }
  fill("box", new Float32Array(lines));
  gl.uniform3f(at.slope, 1, 1, 1); gl.uniform3f(at.origin, 0, 0, 0);
  attributes("box", null, null, gl.FLOAT, 0);
  gl.vertexAttrib3f(1, 0.87, 0.87, 0.87);
  gl.drawArrays(gl.LINES, 0, lines.length / 3);
  const centre = pixel(0, 0, 0);
  for (const k of [0, 1, 2]) {
    if (state.axes[k] >= D.axes.length) continue;
    const edge = [-away[0], -away[1], -1];
    if (k === 2) {  // the one of two at the sides that is on the left
      const sides = [[away[0], -away[1], 0], [-away[0], away[1], 0]].sort((p, q) => pixel(...nowhere(p))[0] - pixel(...nowhere(q))[0]);
      edge[0] = sides[0][0]; edge[1] = sides[0][1];
    }
    const place = (value, out) => {
      const corners = [...edge];
      corners[k] = 2 * value / box[k].size;
      const [x, y] = pixel(...nowhere(corners)), length = Math.hypot(x - centre[0], y - centre[1]) || 1;
      return k === 2 ? [x - out, y] : [x + out * (x - centre[0]) / length, y + out * Math.abs(y - centre[1]) / length];
    };
    pen.fillStyle = "#444"; pen.font = "12px system-ui, sans-serif";
    for (const value of ticks(box[k])) pen.fillText(value, ...place(box[k].place(value), k === 2 ? 20 : 14));
    pen.fillStyle = "#222"; pen.font = "14px system-ui, sans-serif";
    const [x, y] = place(0, k === 2 ? 0 : 40);
    if (k === 2) { pen.save(); pen.translate(x - 50, y); pen.rotate(-Math.PI / 2); pen.fillText(D.axes[state.axes[k]], 0, 0); pen.restore(); }
    else pen.fillText(D.axes[state.axes[k]], x, y);
  }
}

function drawMarks(pen, scene) {
  if (!D.marks || !state.marks) return;
  const { gl, at, box, fill, attributes, pixel, ratio } = scene;
  const points = D.marks.points.map(p => state.axes.map((k, j) => k < D.axes.length ? box[j].place(p[k]) : 0));
  fill("box", new Float32Array(points.flat()));
  attributes("box", null, null, gl.FLOAT, 0);
  gl.vertexAttrib3f(1, 0.13, 0.13, 0.13);
  gl.uniform3f(at.slope, 1, 1, 1); gl.uniform3f(at.origin, 0, 0, 0);
  gl.disable(gl.DEPTH_TEST);
  gl.uniform1f(at.size, 4 * ratio());
  gl.drawArrays(gl.LINE_STRIP, 0, points.length);
  gl.drawArrays(gl.POINTS, 0, points.length);
  pen.fillStyle = BLACK; pen.font = "12px system-ui, sans-serif";
  [["ignorance P₀", points[0]], ["truth P∗", points[points.length - 1]]].forEach(([words, p]) => {
    const [x, y] = pixel(...p);
    pen.fillRect(x - 4, y - 4, 8, 8);
    pen.fillText(words, x, y - 14);
  });
}
