// What the pointer does to the cloud: hover over a model, turn, zoom.  `cloud.fresh`: whether what is hovered over is what is
// under the pointer; not where the picture has changed.
function watchPointer(host, hover, cloud, trajectories) {
  const camera = cloud.camera;
  function point(x, y) {
    cloud.fresh = true;
    const found = cloud.nearest(x, y);
    hovered = found ? found.number : null;
    hover.hidden = !found;
    if (!found) return;
    hover.innerHTML = hoverText(trajectories[found.number], found.model);
    hover.style.left = `${Math.min(x + 12, host.clientWidth - hover.offsetWidth - 4)}px`;
    hover.style.top = `${Math.max(y - hover.offsetHeight - 6, 2)}px`;
  }
  const pointers = new Map();
  let pinch = 0, pending = null;
  const spread = () => { const [p, q] = [...pointers.values()]; return Math.hypot(p.x - q.x, p.y - q.y); };
  const zoom = factor => { camera.distance = Math.min(Math.max(camera.distance * factor, 0.3), 12); cloud.move(); };
  host.addEventListener("pointerdown", event => {
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (event.isTrusted) host.setPointerCapture(event.pointerId);
    if (pointers.size === 2) pinch = spread();
    if (event.pointerType === "mouse" && cloud.fresh) return;
    const area = host.getBoundingClientRect();
    point(event.clientX - area.left, event.clientY - area.top);
  });
  host.addEventListener("pointermove", event => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      const area = host.getBoundingClientRect();
      cloud.fresh = false;
      if (pending === null) requestAnimationFrame(() => { if (!cloud.moving) point(...pending); pending = null; });
      pending = [event.clientX - area.left, event.clientY - area.top];
      return;
    }
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 2) { const now = spread(); zoom(pinch / Math.max(now, 1)); pinch = now; return; }
    hover.hidden = true;
    camera.azimuth -= (event.clientX - before.x) * 0.008;
    camera.elevation = Math.min(Math.max(camera.elevation + (event.clientY - before.y) * 0.008, -1.55), 1.55);
    cloud.move();
  });
  for (const kind of ["pointerup", "pointercancel"]) host.addEventListener(kind, event => pointers.delete(event.pointerId));
  host.addEventListener("pointerleave", event => {
    if (event.pointerType !== "mouse") return;  // a finger leaves after each tap, before it is seen what was tapped
    hover.hidden = true;
    hovered = null;
  });
  host.addEventListener("wheel", event => { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.001)); }, { passive: false });
  host.addEventListener("dblclick", cloud.reset);
}
