// Draws the atoms of a run and arrows for their dipoles on a canvas. Lengths are in nm, dipoles in D.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const canvas = element("view"), pen = canvas.getContext("2d");
  const N = data.numbers.length, F = data.times.length;
  const COLORS = { H: "#d5d5d5", C: "#606060", N: "#3a5fcd", O: "#d9342b", F: "#7fc97f", Na: "#8a5cc9", Mg: "#3f8f3f", P: "#e08a1e",
    S: "#e3c32b", Cl: "#3fae49", K: "#6f45b0", Ca: "#4a7a4a", Br: "#8c3b24", I: "#7a2d8c", X: "#bbbbbb" };

  function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed.values), (c) => c.charCodeAt(0));
    const integers = new DataView(bytes.buffer), values = new Float32Array(bytes.length / 2);
    for (let i = 0; i < values.length; i++) values[i] = integers.getInt16(2 * i, true) * packed.step;
    return values;
  }
  const positions = unpack(data.positions);
  const charges = data.charges ? unpack(data.charges) : null;
  const largestCharge = charges ? charges.reduce((a, q) => Math.max(a, Math.abs(q)), 1e-6) : 1;
  const arrows = data.arrows.map((a) => ({ ...a, vectors: unpack(a.vectors) }));
  const M = Math.max(...data.molecules) + 1;
  const sizes = new Array(M).fill(0);
  data.molecules.forEach((m) => sizes[m]++);
  // Without a stretch the typical arrow has this length in nm.
  const TYPICAL = { molecules: 0.16, atoms: 0.08 };
  for (const a of arrows) {
    const count = a.vectors.length / 3, lengths = [];
    for (let i = 0; i < count; i += 1 + Math.floor(count / 5000)) {
      const d = Math.hypot(a.vectors[3 * i], a.vectors[3 * i + 1], a.vectors[3 * i + 2]);
      if (d > 0) lengths.push(d);
    }
    lengths.sort((x, y) => x - y);
    a.nmPerDebye = lengths.length ? TYPICAL[a.of] / lengths[Math.floor(0.75 * lengths.length)] : 0;
  }

  // The view: a rotation, a zoom, and the point in the middle.
  let turn = [1, 0, 0, 0, 1, 0, 0, 0, 1], zoom = 1.2, frame = 0, playing = false;
  const low = [1e9, 1e9, 1e9], high = [-1e9, -1e9, -1e9];
  const corners = [];
  if (data.box)
    for (let n = 0; n < 8; n++)
      for (let k = 0; k < 3; k++) corners.push((n & 1) * data.box[0][0][k] + ((n >> 1) & 1) * data.box[0][1][k] + (n >> 2) * data.box[0][2][k]);
  [...positions.subarray(0, 3 * N), ...corners].forEach((x, i) => {
    low[i % 3] = Math.min(low[i % 3], x);
    high[i % 3] = Math.max(high[i % 3], x);
  });
  const middle = low.map((l, k) => 0.5 * (l + high[k]));
  const extent = 0.5 * Math.hypot(...low.map((l, k) => high[k] - l)) + 0.15;

  function rotate(axis, angle) {
    const c = Math.cos(angle), s = Math.sin(angle), [a, b] = axis === "x" ? [1, 2] : [0, 2];
    const sign = axis === "x" ? 1 : -1;
    for (let k = 0; k < 3; k++) {
      const p = turn[3 * a + k], q = turn[3 * b + k];
      turn[3 * a + k] = c * p - sign * s * q;
      turn[3 * b + k] = sign * s * p + c * q;
    }
  }

  let width = 0, height = 0;
  // Place on the canvas, depth, and pixels per nm there.
  function project(x, y, z) {
    const p = x - middle[0], q = y - middle[1], r = z - middle[2];
    const depth = turn[6] * p + turn[7] * q + turn[8] * r;
    const scale = (zoom * 0.5 * Math.min(width, height) / extent) * (3.5 * extent / Math.max(0.2, 3.5 * extent - depth));
    return [0.5 * width + scale * (turn[0] * p + turn[1] * q + turn[2] * r),
      0.5 * height - scale * (turn[3] * p + turn[4] * q + turn[5] * r), depth, scale];
  }

  const sprites = new Map();
  function sprite(color) {
    if (!sprites.has(color)) {
      const ball = document.createElement("canvas"), size = 64;
      ball.width = ball.height = size;
      const ink = ball.getContext("2d"), light = ink.createRadialGradient(22, 20, 2, 32, 32, 32);
      light.addColorStop(0, "#ffffff");
      light.addColorStop(0.35, color);
      light.addColorStop(1, "#303030");
      ink.fillStyle = light;
      ink.beginPath();
      ink.arc(32, 32, 31, 0, 2 * Math.PI);
      ink.fill();
      sprites.set(color, ball);
    }
    return sprites.get(color);
  }
  function colorOf(i) {
    if (element("color").value !== "charge") return COLORS[data.symbols[data.numbers[i]]] || "#d98cb3";
    const share = Math.round(10 * charges[frame * N + i] / largestCharge) / 10;  // blue: positive
    const pale = Math.round(235 * (1 - Math.abs(share)));
    return share > 0 ? `rgb(${pale},${pale},255)` : `rgb(255,${pale},${pale})`;
  }

  function line(from, to, color, thickness) {
    pen.strokeStyle = color;
    pen.lineWidth = thickness;
    pen.beginPath();
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0], to[1]);
    pen.stroke();
  }
  function arrow(from, to, color) {
    const thick = Math.max(1.5, 0.012 * to[3]), dx = to[0] - from[0], dy = to[1] - from[1], length = Math.hypot(dx, dy);
    const head = Math.min(4 * thick, length), [ux, uy] = length > 0 ? [dx / length, dy / length] : [0, 0];
    line(from, [to[0] - 0.8 * head * ux, to[1] - 0.8 * head * uy], color, thick);
    pen.fillStyle = color;
    pen.beginPath();
    pen.moveTo(to[0], to[1]);
    pen.lineTo(to[0] - head * ux - 0.5 * head * uy, to[1] - head * uy + 0.5 * head * ux);
    pen.lineTo(to[0] - head * ux + 0.5 * head * uy, to[1] - head * uy - 0.5 * head * ux);
    pen.fill();
  }
  function drawBox() {
    if (!data.box) return;
    const b = data.box[frame];
    const corner = (i, j, k) => project(...[0, 1, 2].map((c) => i * b[0][c] + j * b[1][c] + k * b[2][c]));
    for (const [i, j] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
      line(corner(0, i, j), corner(1, i, j), "#b0b0b0", 1);
      line(corner(i, 0, j), corner(i, 1, j), "#b0b0b0", 1);
      line(corner(i, j, 0), corner(i, j, 1), "#b0b0b0", 1);
    }
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    width = canvas.clientWidth;
    height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawBox();
    const chosen = arrows[element("arrows").selectedIndex], start = 3 * N * frame, places = [], items = [];
    const faint = chosen ? 0.65 : 1;  // atoms recede behind the arrows
    for (let i = 0; i < N; i++) {
      const p = project(positions[start + 3 * i], positions[start + 3 * i + 1], positions[start + 3 * i + 2]);
      places.push(p);
      const radius = 0.45 * data.radii[data.numbers[i]] * p[3];
      items.push([p[2], () => pen.drawImage(sprite(colorOf(i)), p[0] - radius, p[1] - radius, 2 * radius, 2 * radius)]);
    }
    for (const [i, j] of data.bonds) {
      const p = places[i], q = places[j], half = [0.5 * (p[0] + q[0]), 0.5 * (p[1] + q[1])];
      const thickness = Math.max(1.5, 0.025 * p[3]);
      items.push([0.5 * (p[2] + q[2]) - 0.01, () => {
        line(p, half, colorOf(i), thickness);
        line(half, q, colorOf(j), thickness);
      }]);
    }
    if (chosen) {
      const ofMolecules = chosen.of === "molecules", count = ofMolecules ? M : N;
      const origins = new Float32Array(3 * count), stretch = chosen.nmPerDebye * element("length").value;
      for (let i = 0; i < N; i++)
        for (let k = 0; k < 3; k++) {
          const m = ofMolecules ? data.molecules[i] : i;
          origins[3 * m + k] += positions[start + 3 * i + k] / (ofMolecules ? sizes[m] : 1);
        }
      for (let m = 0; m < count; m++) {
        const v = [0, 1, 2].map((k) => stretch * chosen.vectors[3 * (frame * count + m) + k]);
        if (Math.hypot(...v) < 0.004) continue;
        const o = [0, 1, 2].map((k) => origins[3 * m + k] - 0.5 * v[k]);
        const from = project(...o), to = project(o[0] + v[0], o[1] + v[1], o[2] + v[2]);
        items.push([Math.max(from[2], to[2]) + 0.03, () => arrow(from, to, "#0a6e5c"), true]);
      }
      element("scale").textContent = `Arrows point from negative to positive charge; 1 D has the length of ${(10 * stretch).toPrecision(2)} A`
        + ` (${data.kind} dipoles).`;
    } else element("scale").textContent = "";
    items.sort((a, b) => a[0] - b[0]);
    for (const [, paint, isArrow] of items) {
      pen.globalAlpha = isArrow ? 1 : faint;
      paint();
    }
    pen.globalAlpha = 1;
    const time = data.times[frame];
    element("time").textContent = time === null ? `frame ${frame + 1} of ${F}` : `${+time.toPrecision(6)} ps`;
    element("frame").value = frame;
  }

  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }
  function play() {
    playing = !playing;
    element("play").textContent = playing ? "Pause" : "Play";
    if (playing) advance();
  }
  function advance() {
    if (!playing) return;
    frame = (frame + 1) % F;
    redraw();
    setTimeout(advance, 80);
  }

  const touches = new Map();
  canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); touches.set(e.pointerId, [e.clientX, e.clientY]); });
  canvas.addEventListener("pointermove", (e) => {
    if (!touches.has(e.pointerId)) return;
    const before = touches.get(e.pointerId), now = [e.clientX, e.clientY];
    if (touches.size === 2) {
      const other = [...touches].find(([id]) => id !== e.pointerId)[1];
      const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) + 1;
      zoom = Math.min(20, Math.max(0.2, zoom * apart(now) / apart(before)));
    } else {
      rotate("y", (now[0] - before[0]) * 0.008);
      rotate("x", (now[1] - before[1]) * 0.008);
    }
    touches.set(e.pointerId, now);
    redraw();
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (e) => touches.delete(e.pointerId));
  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    zoom = Math.min(20, Math.max(0.2, zoom * Math.exp(-0.0015 * e.deltaY)));
    redraw();
  }, { passive: false });

  for (const a of arrows) element("arrows").add(new Option(a.name));
  element("arrows").add(new Option("none"));
  if (charges) element("color").add(new Option("charge", "charge"));
  element("frame").max = F - 1;
  element("frame").addEventListener("input", () => { frame = +element("frame").value; redraw(); });
  for (const id of ["arrows", "length", "color"]) element(id).addEventListener("input", redraw);
  element("play").addEventListener("click", play);
  window.addEventListener("resize", redraw);
  rotate("y", 0.5);
  rotate("x", 0.35);
  draw();
})();
