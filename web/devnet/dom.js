/* Building blocks: elements from text only (no markup is ever parsed), lists that change in place,
 * charts, and how figures are written. SPDX-License-Identifier: MIT */

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const draw = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

let ids = 0;
export const newId = (word) => `${word}-${++ids}`;

/* What one should hear without looking for it. Regions that come into the page with their text are
 * not told by screen readers: this one is always there. */
export function say(text) {
  const place = document.getElementById("said");
  if (place.textContent !== text) place.textContent = text;
}

/* A panel with its heading. */
export function panel(title, ...children) {
  const id = newId("panel");
  return el("section", { class: "panel", "aria-labelledby": id }, el("h3", { id }, title), ...children);
}

/* sync makes the children of a node those of the items, in order; an item whose signature has not
 * changed keeps its node, and with it the selection; what had the focus has it again. */
export function sync(parent, items, keyOf, make) {
  const old = new Map([...parent.children].map((node) => [node.syncKey, node]));
  const kept = new Set();
  const active = document.activeElement;
  const holder = [...parent.children].find((node) => node.contains(active));
  const index = holder ? [...holder.querySelectorAll("a, button")].indexOf(active) : -1;
  let place = parent.firstChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const signature = JSON.stringify(item);
    let node = old.get(key);
    old.delete(key);
    if (!node || node.syncSignature !== signature) {
      const fresh = make(item);
      fresh.syncKey = key;
      fresh.syncSignature = signature;
      if (node) {
        if (place === node) place = fresh;
        node.replaceWith(fresh);
      }
      node = fresh;
    }
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
    kept.add(node);
  }
  for (const node of [...parent.children]) {
    if (!kept.has(node)) node.remove();
  }
  if (index >= 0 && document.activeElement !== active) { // it was replaced or moved
    const now = [...parent.children].find((node) => node.syncKey === holder.syncKey);
    now?.querySelectorAll("a, button")[index]?.focus({ preventScroll: true });
  }
}

/* A table whose rows are synced. columns: {name, brief (on a phone), text: bool, cell(item)}; the
 * first is the row's heading. rowClass(item) may give a class. */
export function table(caption, columns, rowClass = () => null) {
  const body = el("tbody");
  const node = el("div", { class: "scroll" }, el("table", { class: "cards" },
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, columns.map((c) => el("th", { scope: "col", class: c.text && "text" }, c.name)))),
    body));
  const row = (item) => el("tr", { class: rowClass(item) }, columns.map((c, i) =>
    el(i ? "td" : "th", { scope: i ? null : "row", class: c.text && "text", "data-name": c.brief ?? c.name }, c.cell(item) ?? "–")));
  return { node, fill: (items, keyOf) => sync(body, items, keyOf, row) };
}

export function pairs(entries) {
  return el("dl", { class: "pairs" }, entries.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

// Figures

export function ether(wei) {
  if (wei === null || wei === undefined || !/^\d+$/.test(String(wei))) return "–";
  const digits = String(wei).padStart(19, "0");
  const text = `${digits.slice(0, -18)}.${digits.slice(-18)}`;
  return String(Number(Number(text).toPrecision(6)).toFixed(9)).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

export function size(n) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let i = 0;
  for (; n >= 1024 && i < 3; i++) n /= 1024;
  return `${n < 10 && i ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

/* Milliseconds, with the unit that fits. */
export function span(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  const size = Math.abs(ms);
  if (size === 0) return "0";
  if (size < 1) return `${Math.round(ms * 1000)} µs`;
  if (size < 1000) return `${size < 10 ? ms.toFixed(2) : Math.round(ms)} ms`;
  return size < 120000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.floor(size / 60000)} min ${Math.floor(size / 1000) % 60} s`;
}

export function clock(ms) {
  const t = new Date(ms);
  const two = (n, width = 2) => String(n).padStart(width, "0");
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${two(t.getMilliseconds(), 3)}`;
}

export const short = (hash) => (hash && hash.length > 20 ? `${hash.slice(0, 10)}…${hash.slice(-6)}` : hash ?? "–");
export const isHash = (text) => /^0x[0-9a-fA-F]{64}$/.test(text);
export const number = (n) => (n === null || n === undefined ? "–" : Number(n).toLocaleString("en"));

/* "12.3us", "1.2ms" as the logs write durations, in milliseconds. */
export function parseSpan(text) {
  const found = /^([\d.]+)(ns|us|ms|s)$/.exec(text ?? "");
  return found ? Number(found[1]) * { ns: 1e-6, us: 1e-3, ms: 1, s: 1000 }[found[2]] : null;
}

export function quantile(values, q) {
  const sorted = values.filter((v) => v !== null && v !== undefined).sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] : null;
}

// Charts

const SHAPES = 4;

/* A mark of a series: the colour and the shape both tell which one it is. */
export function mark(series, x, y, title) {
  const c = `dot c${series % 8}`;
  const shape = [
    () => draw("circle", { class: c, cx: x, cy: y, r: 4 }),
    () => draw("rect", { class: c, x: x - 3.5, y: y - 3.5, width: 7, height: 7 }),
    () => draw("path", { class: c, d: `M${x} ${y - 5}l5 8.5h-10z` }),
    () => draw("path", { class: c, d: `M${x} ${y - 5.5}l5 5.5l-5 5.5l-5 -5.5z` }),
  ][series % SHAPES]();
  if (title) shape.append(draw("title", {}, title));
  return shape;
}

export function legend(entries) {
  return el("ul", { class: "legend" }, entries.map(([series, name]) =>
    el("li", {}, draw("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, mark(series, 7, 7)), name)));
}

function steps(low, high, count) {
  const raw = (high - low) / count || 1;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= raw);
  const list = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) list.push(v);
  return list;
}

/* chart draws series of [x, y, title] into an SVG as wide as its place. options: label (what is
 * seen, for those who do not see it), series [{points, line}], xText, yText, x0, x1 (may be left out),
 * height, now (an x to mark). */
export function chart(width, options) {
  const { series, label, xText = String, yText = String, height = 190, now } = options;
  const all = series.flatMap((s) => s.points);
  const left = 64, right = 12, top = 10, bottom = 24;
  const xs = all.map((p) => p[0]);
  const x0 = options.x0 ?? Math.min(...xs), x1 = Math.max(options.x1 ?? Math.max(...xs), x0 + 1e-9);
  const ys = all.map((p) => p[1]);
  const high = Math.max(...ys, 0), low = options.fromZero === false ? Math.min(...ys) : 0;
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  const y0 = options.fromZero === false ? low - room : 0, y1 = high + room;
  const px = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
  const py = (y) => height - bottom - ((y - y0) / (y1 - y0)) * (height - top - bottom);
  const node = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  if (!all.length) {
    node.append(draw("text", { class: "small", x: left, y: height / 2 }, "Nothing yet"));
    return node;
  }
  for (const v of steps(y0, y1, 5)) {
    if (!yText(v)) continue;
    node.append(draw("line", { class: "axis", x1: left, x2: width - right, y1: py(v), y2: py(v) }),
      draw("text", { class: "small", x: left - 6, y: py(v) + 4, "text-anchor": "end" }, yText(v)));
  }
  for (const v of steps(x0, x1, Math.max(2, Math.floor(width / 80)))) {
    node.append(draw("text", { class: "small", x: px(v), y: height - 6, "text-anchor": px(v) > width - 30 ? "end" : "middle" }, xText(v)));
  }
  if (now !== undefined && now >= x0 && now <= x1) {
    node.append(draw("line", { class: "now", x1: px(now), x2: px(now), y1: top, y2: height - bottom }));
  }
  series.forEach((s, i) => {
    const which = s.index ?? i;
    if (s.line && s.points.length > 1) {
      node.append(draw("polyline", { class: `line c${which % 8}`, points: s.points.map((p) => `${px(p[0]).toFixed(1)},${py(p[1]).toFixed(1)}`).join(" ") }));
    }
    if (s.line && s.points.length > 40) return;
    for (const p of s.points) node.append(mark(which, px(p[0]), py(p[1]), p[2]));
  });
  return node;
}

/* The width that a chart has in its place, in pixels: text stays readable on a phone. */
export const widthOf = (node) => Math.max(280, Math.min(1150, node.clientWidth || 600));
