/* The auction of a slot: every bid that the relay has, as they come. SPDX-License-Identifier: MIT */
import { chart, clock, el, ether, legend, newId, panel, short, span, table, widthOf } from "./dom.js";
import { ask, builderOf, network, seriesOf, slotBegins } from "./network.js";

export const title = "Auction";
const ASK_MS = 250;

let root, follow, input, place, names, list, top, slot = 0, held = false, bids = [], timer = null, failed = "", gone = false;

async function look() {
  clearTimeout(timer);
  if (!network.state) return;
  // The auction for a slot runs before its block is due: the next slot's is the one that runs.
  if (!held) slot = network.state.chain.slot + 1;
  const asked = slot;
  try {
    const doc = await ask(`/api/bids/${asked}`);
    if (asked === slot) bids = doc;
    failed = "";
  } catch (error) {
    failed = error.message;
  }
  if (gone) return;
  render();
  timer = setTimeout(look, document.hidden ? 1000 : ASK_MS);
}

function hold(number) {
  held = number !== null;
  if (held) slot = number;
  bids = [];
  follow.setAttribute("aria-pressed", String(!held));
  look();
}

function shownBids() {
  const begins = slotBegins(slot) ?? 0;
  return bids.map((b) => ({
    block: b.block_hash, builder: builderOf(b.builder_pubkey), value: b.value, txs: b.num_tx, gas: b.gas_used,
    at: Number(b.timestamp_ms), ms: Number(b.timestamp_ms) - begins, optimistic: b.optimistic_submission === true,
  })).sort((a, b) => b.at - a.at);
}

function render() {
  if (!network.state) return;
  const { state } = network;
  const shown = shownBids();
  const record = state.slots.find((s) => s.slot === slot);
  // Of equal bids the first counts, which comes last here.
  const best = shown.reduce((m, b) => (!m || BigInt(b.value) >= BigInt(m.value) ? b : m), null);
  if (document.activeElement !== input) input.value = String(slot);
  const outcome = record?.missed ? "missed" : record ? (record.by_relay ? `won by ${record.winner}` : record.bids === undefined ? "block seen" : "built by the proposer itself") : "runs";
  top.textContent = failed ? `The relay does not answer: ${failed}` : `Slot ${slot} ${outcome}: ${shown.length} bids${best ? `, top ${ether(best.value)} ETH by ${best.builder}` : ""}.`;
  const builders = [...new Set([...state.nodes.map((n) => n.name), ...shown.map((b) => b.builder)])];
  const length = state.chain.slot_ms;
  const begins = slotBegins(slot);
  const low = Math.min(-length, ...shown.map((b) => b.ms));
  place.replaceChildren(chart(widthOf(place), {
    label: `Bids of slot ${slot} by time into the slot and value`,
    series: builders.map((name) => ({ index: seriesOf(name), points: shown.filter((b) => b.builder === name).map((b) => [b.ms, Number(b.value) / 1e18, `${b.builder}: ${ether(b.value)} ETH at ${span(b.ms)}`]) })),
    x0: low, x1: Math.max(length * 0.1, ...shown.map((b) => b.ms)), height: 240, fromZero: false,
    xText: (v) => span(v), yText: (v) => ether(String(Math.max(0, Math.round(v * 1e18)))), now: begins === null ? 0 : Math.min(state.now_ms - begins, length * 0.1),
  }));
  names.replaceChildren(legend(builders.map((name) => [seriesOf(name), name])));
  list.fill(shown.slice(0, 100).map((b) => ({ ...b, won: record?.hash === b.block, top: b === best })), (b) => b.block + b.at);
}

export function open(where, parameter) {
  root = where;
  gone = false;
  const id = newId("slot");
  follow = el("button", { type: "button", "aria-pressed": "true", onclick: () => hold(held ? null : slot) }, "Follow the running auction");
  input = el("input", { id, type: "number", min: "1", inputmode: "numeric" });
  const go = el("form", { class: "row", onsubmit: (e) => {
    e.preventDefault();
    const n = Number(input.value);
    if (Number.isSafeInteger(n) && n > 0) hold(n);
  } }, el("div", { class: "field" }, el("label", { for: id }, "Slot"), input), el("button", {}, "Show"), follow);
  place = el("div");
  names = el("div");
  top = el("p");
  list = table("Newest first; before 0 is before the slot begins", [
    { name: "Into the slot", cell: (b) => el("span", { title: clock(b.at) }, span(b.ms)) },
    { name: "Builder", text: true, cell: (b) => b.builder },
    { name: "Value, ETH", cell: (b) => ether(b.value) },
    { name: "Txs", cell: (b) => b.txs },
    { name: "Gas", cell: (b) => Number(b.gas).toLocaleString("en") },
    { name: "Block", text: true, cell: (b) => el("code", { title: b.block }, short(b.block)) },
    { name: "Note", text: true, cell: (b) => [b.won && el("strong", { class: "good" }, "delivered "), b.top && "top ", b.optimistic && "optimistic"].some(Boolean) ? el("span", {}, b.won && el("strong", { class: "good" }, "delivered "), b.top && "top ", b.optimistic && "optimistic") : "" },
  ], (b) => (b.won ? "won" : null));
  root.append(panel("Bids over time", go, top, place, names), panel("Bids", list.node));
  held = parameter !== null && /^\d{1,15}$/.test(parameter);
  if (held) slot = Number(parameter);
  follow.setAttribute("aria-pressed", String(!held));
  bids = [];
  look();
}

export function update() {
  if (!timer) look(); // at first, what the network is was not known
}

export function close() {
  gone = true;
  clearTimeout(timer);
  timer = null;
}
