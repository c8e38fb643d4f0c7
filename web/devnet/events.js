/* Event log. SPDX-License-Identifier: MIT */
import { clock, el, ether, newId, panel, short, sync } from "./dom.js";
import { network } from "./network.js";

export const title = "Events";
const SHOWN = 300;

let list, kind, text, pause, count, frozen = null;

/* An event in words; what is not known is told as it is. */
export function words(e) {
  switch (e.kind) {
    case "role": return `${e.role} ${e.before} → ${e.state}${e.reason ? `: ${e.reason}` : ""}`;
    case "node": return e.text ?? `${e.node} ${e.enabled ? "enabled" : "disabled"}, hub ${e.hub}`;
    case "block": return `block ${e.number} in slot ${e.slot} by ${e.winner || "(no name)"}, ${e.txs} transactions, ${e.gas_used} gas`;
    case "slot": return e.missed ? `slot ${e.slot} missed` : `slot ${e.slot}: ${e.by_relay ? `${e.winner} won with ${ether(e.value_wei)} ETH` : "built by the proposer itself"}, ${e.bids} bids`;
    case "order": return `${short(e.tx)} through ${e.node} ${e.state}${e.winner ? ` in block ${e.block} of ${e.winner}` : ""}${e.reason ? `: ${e.reason}` : ""}`;
    case "fault": return e.fault ? `${e.action}: ${e.fault.text}` : e.text;
    case "network": return e.text ?? `${e.state}${e.missing ? `: ${e.missing}` : ""}`;
    case "send": return `${e.method} ${short(e.tx)} through ${e.node}`;
    default: return e.text ?? JSON.stringify(Object.fromEntries(Object.entries(e).filter(([k]) => !["seq", "at_ms", "kind"].includes(k))));
  }
}

function line(e) {
  const hash = e.tx;
  return el("li", {}, el("span", { class: "when" }, clock(e.at_ms)), el("span", {}, e.kind),
    el("span", { class: `what${e.missed || e.state === "failed" || e.state === "refused" ? " bad" : ""}` }, words(e), hash && [" ", el("a", { href: `#order/${hash}`, "aria-label": `Way of order ${short(hash)}` }, "way")]));
}

export function open(root) {
  const ids = [newId("kind"), newId("text")];
  frozen = null;
  kind = el("select", { id: ids[0], onchange: () => update() }, ["all", "role", "node", "block", "slot", "order", "send", "fault", "hub", "network", "scenario", "chain"].map((k) => el("option", { value: k }, k)));
  text = el("input", { id: ids[1], type: "search", autocomplete: "off", oninput: () => update() });
  pause = el("button", { type: "button", "aria-pressed": "false", onclick: () => {
    frozen = frozen ? null : [...network.events];
    pause.setAttribute("aria-pressed", String(frozen !== null));
    update();
  } }, "Pause");
  count = el("p", { class: "quiet" });
  list = el("ol", { class: "log", role: "log", "aria-live": "off", "aria-label": "Events, newest first" });
  root.append(panel("Event log", el("div", { class: "row" }, el("div", { class: "field" }, el("label", { for: ids[0] }, "Kind"), kind),
    el("div", { class: "field" }, el("label", { for: ids[1] }, "Holds the text"), text), pause), count, list));
}

export function update() {
  const all = frozen ?? network.events;
  const wanted = text.value.trim().toLowerCase();
  const found = all.filter((e) => (kind.value === "all" || e.kind === kind.value) && (!wanted || JSON.stringify(e).toLowerCase().includes(wanted) || words(e).toLowerCase().includes(wanted)));
  count.textContent = `${found.length} of ${all.length} events${found.length > SHOWN ? `, the newest ${SHOWN} are shown` : ""}${frozen ? "; paused" : ""}`;
  sync(list, found.slice(-SHOWN).reverse(), (e) => e.seq, line);
}
