/* Slots: what became of each one, newest first. SPDX-License-Identifier: MIT */
import { el, ether, number, panel, parseSpan, span, table } from "./dom.js";
import { buildOf, missedReason, network } from "./network.js";

export const title = "Slots";
const SHOWN = 48;

let list, summary;

/* The network's own bundles for a block: how many were taken, how many landed in it. */
function bundles(state, slot) {
  const meant = state.orders.filter((o) => o.target === slot.number && o.state !== "refused");
  return `${slot.orders} of ${Math.max(meant.length, slot.orders)}`;
}

function row(state, slot) {
  if (slot.missed) return { slot: slot.slot, missed: missedReason(slot.slot) };
  const built = slot.by_relay ? buildOf(slot.hash)?.built : null;
  return {
    slot: slot.slot, number: slot.number, hash: slot.hash, winner: slot.winner, by_relay: slot.by_relay,
    bids: slot.bids, builders: slot.builders, value: slot.value_wei, bundles: bundles(state, slot), txs: slot.txs, gas: slot.gas_used,
    root: parseSpan(built?.root), seal: parseSpan(built?.seal), seen: slot.seen_ms - slot.begins_ms,
  };
}

export function open(root) {
  summary = el("p", { class: "quiet" });
  const cell = (make) => (r) => (r.missed ? "" : make(r));
  list = table("The newest slots, newest first. Seen: how late into the slot its block was seen.", [
    { name: "Slot", cell: (r) => el("a", { href: `#auction/${r.slot}`, "aria-label": `Auction of slot ${r.slot}` }, String(r.slot)) },
    { name: "Block", cell: cell((r) => el("span", { title: r.hash }, String(r.number))) },
    { name: "Winner", text: true, cell: (r) => (r.missed ? `missed: ${r.missed}` : r.by_relay ? r.winner || "(no name)" : r.bids === undefined ? "…" : "the proposer itself") },
    { name: "Bids", cell: cell((r) => (r.bids === undefined ? "…" : `${r.bids} by ${r.builders}`)) },
    { name: "Value, ETH", brief: "ETH", cell: cell((r) => ether(r.value)) },
    { name: "Bundles", cell: cell((r) => r.bundles) },
    { name: "Txs", cell: cell((r) => number(r.txs)) },
    { name: "Gas", cell: cell((r) => number(r.gas)) },
    { name: "Root", cell: cell((r) => span(r.root)) },
    { name: "Seal", cell: cell((r) => span(r.seal)) },
    { name: "Seen", cell: cell((r) => span(r.seen)) },
  ], (r) => (r.missed ? "missed" : null));
  root.append(panel("What became of each slot", summary, list.node));
}

export function update() {
  const { state } = network;
  const all = state.slots;
  const missed = all.filter((s) => s.missed).length, won = all.filter((s) => s.by_relay).length;
  summary.textContent = `${all.length} slots known: ${won} blocks through the relay, ${all.length - won - missed} by the proposer itself, ${missed} missed. Bundles: the network's own, landed of taken.`;
  list.fill(all.slice(-SHOWN).reverse().map((s) => row(state, s)), (r) => r.slot);
}

