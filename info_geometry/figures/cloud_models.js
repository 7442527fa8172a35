"use strict";
// Many models from the 16-bit numbers in the page, and which of them each trajectory has.
function decoded(text, size = 2) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return size === 4 ? new Uint32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
}

function makeModels(many, trajectories) {
  const models = { points: many.points.map(x => ({ low: x.low, high: x.high, bits: decoded(x.bits) })) };
  models.columns = Object.fromEntries(Object.entries(many.columns).map(([key, x]) => [key, { low: x.low, high: x.high, bits: decoded(x.bits) }]));
  for (const key of ["checkpoint", "t"])
    models[key] = { values: many[key].values, which: decoded(many[key].bits, many[key].size) };
  let start = 0;
  trajectories.forEach((x, i) => { x.number = i; x.start = start; x.stop = start += x.size; });
  models.count = start;
  models.value = (key, i) => {  // null where it is not known
    const { low, high, bits } = models.columns[key];
    return bits[i] === UNKNOWN ? null : low + (high - low) * bits[i] / ALL;
  };
  return models;
}
