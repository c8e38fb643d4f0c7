/* Faults on the time line, beside what became of the roles and slots. SPDX-License-Identifier: MIT */
import { clock, draw, el, newId, panel, span, sync, table, widthOf } from "./dom.js";
import { command, network } from "./network.js";

export const title = "Faults";
const WINDOW_MS = 120000;
const SLOTS_SHOWN = 120;

let picture, active, history, said, input, none;

/* Every fault that there was: when it was made and when it ended (null: it goes on). */
function spans() {
  const found = new Map();
  for (const e of network.events) {
    if (e.kind !== "fault" || !e.fault) continue;
    if (e.action === "added") found.set(e.fault.id, { id: e.fault.id, text: e.fault.text, from: e.at_ms, to: null });
    else if (found.has(e.fault.id)) found.get(e.fault.id).to = e.at_ms;
  }
  return [...found.values()];
}

// What happened at one moment.
function moments() {
  return network.events.flatMap((e) => {
    if (e.kind === "fault" && e.text) return [{ at: e.at_ms, what: e.text, kind: "warn" }];
    if (e.kind === "role" && (e.state === "failed" || e.state === "unready" || e.state === "stopped" || e.state === "paused")) return [{ at: e.at_ms, what: `${e.role} ${e.state}${e.reason ? `: ${e.reason}` : ""}`, kind: "" }];
    if (e.kind === "role" && e.state === "ready" && e.before !== "starting") return [{ at: e.at_ms, what: `${e.role} ready again`, kind: "good" }];
    if (e.kind === "hub") return [{ at: e.at_ms, what: e.text, kind: "warn" }];
    if (e.kind === "slot" && e.missed) return [{ at: e.at_ms, what: `slot ${e.slot} missed`, kind: "" }];
    return [];
  });
}

function drawing(width) {
  const { state } = network;
  const end = state.now_ms, begin = end - Math.min(WINDOW_MS, Math.max(20000, state.uptime_ms));
  const bars = spans().filter((s) => s.to === null || s.to > begin).slice(-12);
  const left = 8, right = 8, row = 26, lanes = 34, height = lanes + Math.max(1, bars.length) * row + 50;
  const px = (at) => left + ((Math.max(at, begin) - begin) / (end - begin)) * (width - left - right);
  const shown = moments().filter((m) => m.at >= begin);
  const node = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Time line of the last ${span(end - begin)}: ${bars.length} faults, ${shown.length} other moments; the tables below tell each.` });
  node.append(draw("text", { class: "small", x: left, y: 12 }, "moments"), draw("line", { class: "axis", x1: left, x2: width - right, y1: 30, y2: 30 }));
  for (const m of shown) {
    node.append(draw("line", { class: `tick ${m.kind}`, x1: px(m.at), x2: px(m.at), y1: 20, y2: 40 }, draw("title", {}, `${clock(m.at)} ${m.what}`)));
  }
  bars.forEach((b, i) => {
    const y = lanes + 16 + i * row, x = px(b.from), to = px(b.to ?? end);
    const late = x > width * 0.55;
    node.append(draw("rect", { class: "bar", x, y, width: Math.max(3, to - x), height: row - 8, rx: 3 }, draw("title", {}, `${b.text}, from ${clock(b.from)}${b.to ? ` to ${clock(b.to)}` : ""}`)),
      draw("text", { class: "small", x: late ? x - 6 : x + 6, y: y + 13, "text-anchor": late ? "end" : "start" }, b.text));
  });
  if (!bars.length) node.append(draw("text", { class: "small", x: left, y: lanes + 28 }, "No fault in this time"));
  const ticks = Math.max(2, Math.floor(width / 130));
  for (let i = 0; i <= ticks; i++) {
    const at = begin + ((end - begin) * i) / ticks;
    node.append(draw("text", { class: "small", x: px(at), y: height - 6, "text-anchor": i === 0 ? "start" : i === ticks ? "end" : "middle" }, clock(at).slice(0, 8)));
  }
  return node;
}

async function run(...words) {
  try {
    const answer = await command(...words);
    said.className = "";
    said.textContent = answer.text.trim();
  } catch (error) {
    said.className = "bad";
    said.textContent = error.message;
  }
}

export function open(root) {
  const id = newId("fault"), help = newId("help");
  picture = el("div");
  said = el("p", { role: "status" });
  input = el("input", { id, autocomplete: "off", spellcheck: "false", placeholder: "node-1->node-2 delay 40ms", "aria-describedby": help });
  active = el("ul", { class: "plain" });
  none = el("p", { class: "quiet" }, "None.");
  history = table("What happened, newest first", [
    { name: "Time", cell: (m) => clock(m.at) },
    { name: "What", text: true, cell: (m) => m.what },
  ]);
  root.append(panel("Time line", picture),
    panel("Faults now", none, active, el("form", { class: "row", onsubmit: (e) => {
      e.preventDefault();
      const words = input.value.trim().split(/\s+/).filter(Boolean);
      if (words.length) run("fault", "add", ...words);
    } }, el("div", { class: "wide grow" }, el("label", { for: id }, "Make a fault"), input), el("button", { class: "first" }, "Make it")),
    el("p", { id: help, class: "quiet" }, "FROM->TO or FROM<->TO, then delay 40ms jitter 10ms, drop 5%, cut, reset 1%, corrupt 0.1%, rate 64KiB, stall, relay->chain withhold, node-1->relay wrong-root; then, if wanted, slots 10-20. Names are those of the roles and nodes; * is everybody."), said),
    panel("History", history.node));
}

export function update() {
  picture.replaceChildren(drawing(widthOf(picture)));
  const { faults } = network.state;
  none.hidden = faults.length > 0;
  const held = active.contains(document.activeElement);
  sync(active, faults, (f) => f.id, (f) => el("li", {}, el("span", {}, `${f.text} `), el("button", { type: "button", "aria-label": `End the fault ${f.text}`, onclick: () => run("fault", "remove", String(f.id)) }, "End it")));
  // The button that ended a fault is gone with it.
  if (held && !active.contains(document.activeElement)) (active.querySelector("button") ?? input).focus({ preventScroll: true });
  const all = [...spans().flatMap((s) => [{ at: s.from, what: `fault: ${s.text}` }, ...(s.to ? [{ at: s.to, what: `fault ended: ${s.text}` }] : [])]), ...moments()];
  history.fill(all.sort((a, b) => b.at - a.at).slice(0, SLOTS_SHOWN).map((m) => ({ at: m.at, what: m.what })), (m) => m.at + m.what);
}
