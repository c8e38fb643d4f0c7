/* Plots: latency and throughput over the last slots. SPDX-License-Identifier: MIT */
import { chart, el, legend, number, parseSpan, quantile, size, span, widthOf } from "./dom.js";
import { buildOf, network } from "./network.js";

export const title = "Latency and throughput";
const SLOTS = 120;

let places;

const spread = (values, text) => {
  const known = values.filter((v) => v !== null && v !== undefined);
  return known.length ? `median ${text(quantile(known, 0.5))}, p90 ${text(quantile(known, 0.9))}, most ${text(Math.max(...known))}` : "nothing yet";
};

/* Each plot: what it shows, and its series from the state. */
const plots = [
  {
    name: "From sending to the block", make: ({ orders }) => {
      const landed = orders.filter((o) => o.landed_ms).map((o) => [o.block, o.landed_ms - o.sent_ms]);
      return { series: [{ points: landed, line: true }], yText: span, text: `the network's own bundles, by block: ${spread(landed.map((p) => p[1]), span)}` };
    },
  },
  {
    name: "From sending to the node's answer", make: ({ orders }) => {
      const taken = orders.filter((o) => o.taken_ms).map((o) => [o.target, o.taken_ms - o.sent_ms]);
      return { series: [{ points: taken, line: true, index: 6 }], yText: span, text: `by block: ${spread(taken.map((p) => p[1]), span)}` };
    },
  },
  {
    name: "When the block is seen", make: ({ slots }) => {
      const seen = slots.filter((s) => !s.missed).map((s) => [s.slot, s.seen_ms - s.begins_ms]);
      return { series: [{ points: seen, line: true, index: 2 }], yText: span, text: `into its slot: ${spread(seen.map((p) => p[1]), span)}` };
    },
  },
  {
    name: "State root and sealing", make: ({ slots }) => {
      const built = slots.slice(-48).filter((s) => s.by_relay).map((s) => [s.slot, buildOf(s.hash)?.built]).filter(([, b]) => b);
      const root = built.map(([slot, b]) => [slot, parseSpan(b.root) ?? 0]), seal = built.map(([slot, b]) => [slot, parseSpan(b.seal) ?? 0]);
      return {
        series: [{ points: root, line: true, index: 0 }, { points: seal, line: true, index: 1 }], yText: span, names: [[0, "state root"], [1, "sealing"]],
        text: `of the winning blocks: root ${spread(root.map((p) => p[1]), span)}; seal ${spread(seal.map((p) => p[1]), span)}`,
      };
    },
  },
  {
    name: "Transactions in each block", make: ({ slots }) => {
      const txs = slots.filter((s) => !s.missed).map((s) => [s.slot, s.txs]);
      return { series: [{ points: txs, line: true, index: 3 }], yText: (v) => (Number.isInteger(v) ? number(v) : ""), text: `by slot: ${spread(txs.map((p) => p[1]), number)}` };
    },
  },
  {
    name: "Gas in each block", make: ({ slots }) => {
      const gas = slots.filter((s) => !s.missed).map((s) => [s.slot, s.gas_used]);
      return { series: [{ points: gas, line: true, index: 4 }], yText: (v) => (v >= 1e6 ? `${v / 1e6} M` : v >= 1e3 ? `${v / 1e3} k` : String(v)), text: `by slot: ${spread(gas.map((p) => p[1]), number)}` };
    },
  },
  {
    name: "Value of each block", make: ({ slots }) => {
      const value = slots.filter((s) => s.value_wei).map((s) => [s.slot, Number(s.value_wei) / 1e18]);
      const text = (v) => `${Number(v.toPrecision(3))}`;
      return { series: [{ points: value, line: true, index: 5 }], yText: text, text: `in ETH, paid to the proposer, by slot: ${spread(value.map((p) => p[1]), text)}` };
    },
  },
  {
    name: "Bytes between the roles", make: () => {
      const first = network.traffic[0]?.at ?? 0;
      const rate = network.traffic.slice(1).map((t) => [(t.at - first) / 1000, t.rate]);
      return { x0: 0, x1: Math.max(10, rate.at(-1)?.[0] ?? 0), series: [{ points: rate, line: true, index: 7 }], yText: (v) => (v ? `${v / 1000} kB/s` : "0"), xText: (v) => `${Math.round(v)} s`, text: `since this page was opened: ${spread(rate.map((p) => p[1]), (v) => `${size(v)}/s`)}` };
    },
  },
];

export function open(root) {
  places = plots.map((plot) => {
    const picture = el("div"), text = el("span"), names = el("div");
    return { plot, picture, text, names, node: el("figure", { class: "panel" }, el("figcaption", {}, el("strong", {}, plot.name), text), picture, names) };
  });
  root.append(el("div", { class: "grid" }, places.map((p) => el("section", { class: "panel", "aria-label": p.plot.name }, p.node))));
}

export function update() {
  const state = { ...network.state, slots: network.state.slots.slice(-SLOTS) };
  for (const { plot, picture, text, names } of places) {
    const shown = plot.make(state);
    if (text.textContent !== shown.text) text.textContent = shown.text;
    if (shown.names && !names.firstChild) names.append(legend(shown.names));
    picture.replaceChildren(chart(Math.min(widthOf(picture), 560), { label: `${plot.name}, ${shown.text}`, series: shown.series, x0: shown.x0, x1: shown.x1, yText: shown.yText, xText: shown.xText ?? ((v) => (Number.isInteger(v) ? String(v) : "")) }));
  }
}
