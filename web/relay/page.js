/* The relay's page: slots, bids over time by builder, winner, delivered value, as the relay's events tell
 * them. What the network says is only ever shown as text. SPDX-License-Identifier: MIT */
const KEPT = 24, BIDS_KEPT = 2000, SHAPES = 4, COLOURS = 8;
const by = id => document.getElementById(id);
const state = {slots: new Map(), names: new Map(), slotMs: 12000, zeroMs: 0, shown: 0, follow: true, dirty: false};

// Wei as a decimal string to ETH, exactly, with at most `digits` after the point.
function eth(wei, digits = 6) {
  const v = BigInt(wei), unit = 10n ** 18n;
  const fraction = (v % unit).toString().padStart(18, "0").slice(0, digits).replace(/0+$/, "");
  if (!fraction && v > 0n && v < unit) return "< 0." + "0".repeat(digits - 1) + "1";
  return (v / unit).toString() + (fraction ? "." + fraction : "");
}
const short = key => key.slice(0, 10) + "…" + key.slice(-4);
function nameOf(builder) {
  if (!state.names.has(builder)) state.names.set(builder, state.names.size);
  return state.names.get(builder);
}
const seconds = ms => (ms < 0 ? "−" : "+") + (Math.abs(ms) / 1000).toFixed(Math.abs(ms) < 10000 ? 2 : 1) + " s";

function slotOf(number) {
  let s = state.slots.get(number);
  if (!s) {
    s = {slot: number, bids: [], count: 0, top: null, delivered: null, proposer: null};
    state.slots.set(number, s);
    const old = [...state.slots.keys()].sort((a, b) => b - a).slice(KEPT);
    for (const n of old) if (n !== state.shown) state.slots.delete(n);
  }
  return s;
}
function take(kind, e) {
  const s = slotOf(e.slot);
  if (kind === "slot") {
    s.proposer = e.proposer ?? s.proposer;
    if (state.follow) state.shown = e.slot;
  } else if (kind === "bid") {
    s.count++;
    if (s.bids.length < BIDS_KEPT) s.bids.push(e.bid);
    if (state.follow && e.slot > state.shown) state.shown = e.slot;
  } else if (kind === "top") {
    s.top = e.bid;
  } else if (kind === "delivered") {
    s.delivered = e;
  }
  state.dirty = true;
}
function begin(all) {
  state.slotMs = all.slot_ms;
  state.zeroMs = all.slot_zero_ms;
  state.slots.clear();
  by("relay").textContent = all.relay;
  for (const s of all.slots) {
    state.slots.set(s.slot, {slot: s.slot, bids: s.bids, count: s.bids.length + s.left_out, top: s.top || null,
      delivered: s.delivered || null, proposer: s.proposer ?? null});
  }
  if (state.follow || !state.slots.has(state.shown)) {
    state.shown = Math.max(all.head + 1, ...state.slots.keys());
    slotOf(state.shown);
  }
  state.dirty = true;
}

const SVG = "http://www.w3.org/2000/svg";
function draw(parent, tag, attributes, text) {
  const e = document.createElementNS(SVG, tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  parent.append(e);
  return e;
}
// Colour and shape tell builders apart, so that colour alone is never needed.
function mark(parent, x, y, n) {
  const style = {fill: `var(--c${n % COLOURS})`, "fill-opacity": .85};
  switch (Math.floor(n / COLOURS + n) % SHAPES) {
  case 0: return draw(parent, "circle", {cx: x, cy: y, r: 4, ...style});
  case 1: return draw(parent, "rect", {x: x - 3.5, y: y - 3.5, width: 7, height: 7, ...style});
  case 2: return draw(parent, "path", {d: `M${x} ${y - 5}l5 8.5h-10z`, ...style});
  default: return draw(parent, "path", {d: `M${x} ${y - 5}l5 5-5 5-5-5z`, ...style});
  }
}
const scale = v => (v < 1e-6 && v > 0 ? v.toExponential(1) : v.toFixed(v < 0.01 ? 6 : v < 1 ? 4 : 2));
function chart(s) {
  const plot = by("plot");
  plot.replaceChildren();
  // As wide as its place, so that its text keeps its size on a phone.
  const svg = plot.ownerSVGElement, width = Math.max(280, Math.min(1080, svg.clientWidth || 720));
  svg.setAttribute("viewBox", `0 0 ${width} 285`);
  const left = 70, right = width - 8, top = 12, bottom = 246, steps = width < 480 ? 2 : 4;
  const times = s.bids.map(b => b.ms), values = s.bids.map(b => Number(b.value) / 1e18);
  const t0 = Math.min(-state.slotMs, ...times), t1 = Math.max(state.slotMs / 3, ...times);
  const v1 = Math.max(...values, 0) * 1.05 || 1;
  const x = ms => left + (ms - t0) / (t1 - t0) * (right - left), y = v => bottom - v / v1 * (bottom - top);
  for (let i = 0; i <= steps; i++) {
    const v = v1 * i / steps;
    draw(plot, "line", {class: "axis", x1: left, x2: right, y1: y(v), y2: y(v)});
    draw(plot, "text", {x: left - 6, y: y(v) + 4, "text-anchor": "end"}, scale(v));
    const ms = t0 + (t1 - t0) * i / steps;
    draw(plot, "text", {x: x(ms), y: bottom + 18, "text-anchor": i === 0 ? "start" : i === steps ? "end" : "middle"}, seconds(ms));
  }
  draw(plot, "line", {class: "start", x1: x(0), x2: x(0), y1: top, y2: bottom});
  draw(plot, "text", {x: x(0) - 4, y: top + 10, "text-anchor": "end"}, "slot begins");
  draw(plot, "text", {x: left, y: 278}, "time from the slot's begin; value in ETH");
  s.bids.forEach((b, i) => {
    const m = mark(plot, x(b.ms), y(values[i]), nameOf(b.builder));
    draw(m, "title", {}, `${eth(b.value)} ETH at ${seconds(b.ms)}, ${short(b.builder)}`);
  });
  by("chart-title").textContent = `Bids over time in slot ${s.slot}: ${s.count} bids, ` +
    (s.top ? `the highest ${eth(s.top.value)} ETH` : "none yet");
}
// What was paid in each slot, beside the highest bid.
function values() {
  const list = [...state.slots.values()].sort((a, b) => a.slot - b.slot).slice(-KEPT);
  const plot = by("bars"), svg = plot.ownerSVGElement;
  const width = Math.max(280, Math.min(1080, svg.clientWidth || 720));
  plot.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} 190`);
  const left = 70, right = width - 8, top = 12, bottom = 150, steps = 3, place = (right - left) / KEPT;
  const ether = wei => Number(wei) / 1e18;
  const most = Math.max(...list.map(s => Math.max(s.top ? ether(s.top.value) : 0, s.delivered ? ether(s.delivered.bid.value) : 0)), 0) * 1.05 || 1;
  const y = v => bottom - v / most * (bottom - top);
  for (let i = 0; i <= steps; i++) {
    const v = most * i / steps;
    draw(plot, "line", {class: "axis", x1: left, x2: right, y1: y(v), y2: y(v)});
    draw(plot, "text", {x: left - 6, y: y(v) + 4, "text-anchor": "end"}, scale(v));
  }
  const every = width < 480 ? 6 : 3;
  list.forEach((s, i) => {
    const x = left + (KEPT - list.length + i) * place;
    if (s.delivered) {
      const v = ether(s.delivered.bid.value);
      const bar = draw(plot, "rect", {class: "bar", x: x + 2, width: Math.max(2, place - 4), y: y(v), height: bottom - y(v), fill: `var(--c${nameOf(s.delivered.bid.builder) % COLOURS})`});
      draw(bar, "title", {}, `slot ${s.slot}: ${eth(s.delivered.bid.value)} ETH by ${short(s.delivered.bid.builder)}`);
    }
    if (s.top) draw(plot, "line", {class: "best", x1: x + 1, x2: x + place - 1, y1: y(ether(s.top.value)), y2: y(ether(s.top.value))});
    if ((list.length - 1 - i) % every === 0) draw(plot, "text", {x: x + place / 2, y: bottom + 18, "text-anchor": "middle"}, s.slot);
  });
  draw(plot, "text", {x: left, y: 184}, "slot; value in ETH");
  const paid = list.filter(s => s.delivered);
  const sum = paid.reduce((all, s) => all + BigInt(s.delivered.bid.value), 0n);
  by("values-text").textContent = paid.length
    ? `${paid.length} of the last ${list.length} slots were delivered, ${eth(sum.toString())} ETH in all`
    : "Nothing is delivered yet";
}
function cell(row, name, text, kind = "td") {
  const c = document.createElement(kind);
  c.dataset.name = name;
  if (text instanceof Node) c.append(text); else c.textContent = text;
  row.append(c);
  return c;
}
function builders(s) {
  const all = new Map();
  for (const b of s.bids) {
    const e = all.get(b.builder) || {n: 0, high: 0n, last: b};
    e.n++;
    e.last = b;
    if (BigInt(b.value) > e.high) e.high = BigInt(b.value);
    all.set(b.builder, e);
  }
  const list = [...all].sort((a, b) => (b[1].high > a[1].high ? 1 : b[1].high < a[1].high ? -1 : 0));
  const rows = list.map(([builder, e]) => {
    const row = document.createElement("tr"), code = document.createElement("code");
    code.textContent = short(builder);
    code.title = builder;
    cell(row, "Builder", code).className = "name";
    cell(row, "Bids", e.n);
    cell(row, "Last bid (ETH)", eth(e.last.value) + (e.last.optimistic ? ", optimistic" : ""));
    cell(row, "Highest (ETH)", eth(e.high.toString()));
    cell(row, "Last at", seconds(e.last.ms));
    return row;
  });
  by("builders").replaceChildren(...rows);
  by("legend").replaceChildren(...list.map(([builder]) => {
    const item = document.createElement("li"), icon = document.createElementNS(SVG, "svg");
    icon.setAttribute("viewBox", "0 0 14 14");
    icon.setAttribute("aria-hidden", "true");
    mark(icon, 7, 7, nameOf(builder));
    item.append(icon, short(builder));
    return item;
  }));
}
function slots() {
  const focused = document.activeElement?.dataset?.slot;
  const rows = [...state.slots.values()].sort((a, b) => b.slot - a.slot).slice(0, KEPT).map(s => {
    const row = document.createElement("tr"), button = document.createElement("button");
    button.type = "button";
    button.textContent = s.slot;
    button.dataset.slot = s.slot;
    button.setAttribute("aria-label", `Show slot ${s.slot}`);
    button.setAttribute("aria-pressed", String(s.slot === state.shown));
    button.addEventListener("click", () => show(s.slot));
    cell(row, "Slot", button);
    cell(row, "Proposer", s.proposer ?? "unknown");
    cell(row, "Bids", s.count);
    cell(row, "Top bid (ETH)", s.top ? eth(s.top.value) : "none");
    cell(row, "Delivered (ETH)", s.delivered ? eth(s.delivered.bid.value) : "no").className = s.delivered ? "good" : "";
    cell(row, "Builder", s.delivered ? short(s.delivered.bid.builder) : "none");
    cell(row, "Transactions", s.delivered ? s.delivered.txs : "none");
    return row;
  });
  by("slots").replaceChildren(...rows);
  if (focused) document.querySelector(`button[data-slot="${CSS.escape(focused)}"]`)?.focus();
}
function show(number) {
  state.shown = number;
  state.follow = false;
  state.dirty = true;
}
by("follow").addEventListener("click", () => {
  state.follow = !state.follow;
  if (state.follow) state.shown = Math.max(...state.slots.keys());
  state.dirty = true;
});
function render() {
  const s = state.slots.get(state.shown);
  by("follow").setAttribute("aria-pressed", String(state.follow));
  if (s) {
    by("slot").textContent = s.slot;
    by("proposer").textContent = s.proposer === null ? "unknown" : "validator " + s.proposer;
    by("count").textContent = s.count;
    by("top").textContent = s.top ? `${eth(s.top.value)} ETH, ${short(s.top.builder)}` : "none";
    by("delivered").textContent = s.delivered
      ? `${eth(s.delivered.bid.value)} ETH, ${s.delivered.txs} transactions` : "no";
    by("delivered").className = s.delivered ? "good" : "";
    chart(s);
    builders(s);
  }
  values();
  slots();
}
function clock() {
  if (!state.shown) return;
  const ms = Date.now() - (state.zeroMs + state.shown * state.slotMs);
  by("begins").textContent = ms < 0 ? `in ${(-ms / 1000).toFixed(1)} s` : `${(ms / 1000).toFixed(1)} s ago`;
}
function connect() {
  const source = new EventSource("live/events");
  source.addEventListener("open", () => { by("state").textContent = "Live"; by("state").className = "good"; });
  source.addEventListener("error", () => {
    by("state").textContent = "The connection is lost; trying again";
    by("state").className = "warn";
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  });
  source.addEventListener("snapshot", e => begin(JSON.parse(e.data)));
  for (const kind of ["slot", "bid", "top", "delivered"]) {
    source.addEventListener(kind, e => take(kind, JSON.parse(e.data)));
  }
}
addEventListener("resize", () => { state.dirty = true; });
setInterval(() => { clock(); if (state.dirty) { state.dirty = false; render(); } }, 250);
connect();
