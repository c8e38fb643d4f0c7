/* The dashboard: its header and which view is shown. SPDX-License-Identifier: MIT */
import { el, say, span, sync } from "./dom.js";
import { network, onChange, start } from "./network.js";
import * as auction from "./auction.js";
import * as events from "./events.js";
import * as faults from "./faults.js";
import * as order from "./order.js";
import * as plots from "./plots.js";
import * as send from "./send.js";
import * as slots from "./slots.js";
import * as topology from "./topology.js";

/* A view: title; open(root, parameter) fills its place once it is shown; update() when something is
 * known anew; close() when another one is shown. */
const views = { topology, slots, auction, order, plots, faults, events, send };
const main = document.getElementById("main");
let shown = null;

function route() {
  const [name, parameter] = location.hash.slice(1).split("/");
  return { name: Object.hasOwn(views, name) ? name : "topology", parameter: parameter ? decodeURIComponent(parameter) : null };
}

function show(focus) {
  const { name, parameter } = route();
  shown?.close?.();
  shown = views[name];
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else {
      link.removeAttribute("aria-current");
    }
  }
  document.title = `${shown.title} – devnet`;
  const heading = el("h2", { tabindex: "-1" }, shown.title);
  const root = el("div", { id: "view" });
  main.replaceChildren(heading, root);
  shown.open(root, parameter);
  if (network.state) shown.update();
  if (focus) {
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function header() {
  const { state, online } = network;
  const mark = document.getElementById("state");
  const text = online ? state.state : "not reachable";
  if (mark.textContent !== text) mark.textContent = text;
  mark.className = `mark ${online && state.state === "ready" ? "good" : online && state.state === "starting" ? "warn" : "bad"}`;
  if (!state) return;
  document.getElementById("name").textContent = state.name;
  const ready = state.roles.filter((r) => r.state === "ready").length;
  const attested = state.nodes.filter((n) => n.enabled && n.hub === "ok").length;
  const facts = [
    ["Slot", state.chain.slot], ["Head", state.chain.head], ["Slot length", span(state.chain.slot_ms)],
    ["Roles ready", `${ready} of ${state.roles.length}`], ["Nodes attested", `${attested} of ${state.nodes.length}`],
    ["Faults", state.faults.length], ["Runs for", span(state.uptime_ms - (state.uptime_ms % 1000))],
  ];
  sync(document.getElementById("facts"), facts, (f) => f[0], ([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value))));
}

// What one should hear without looking for it, once the page is open.
let heard = null;

function announce() {
  heard ??= network.events.at(-1)?.seq ?? null;
  const fresh = network.events.filter((e) => heard !== null && e.seq > heard);
  if (!fresh.length) return;
  heard = fresh.at(-1).seq;
  const told = fresh.filter((e) => e.kind === "fault" || e.kind === "hub" || e.kind === "network" || (e.kind === "slot" && e.missed) ||
    (e.kind === "node" && e.hub === "refused") || (e.kind === "role" && (e.state === "failed" || e.state === "unready")));
  if (told.length) say(told.slice(-3).map(events.words).join(". "));
}

addEventListener("hashchange", () => show(true));
document.getElementById("skip").addEventListener("click", (e) => {
  e.preventDefault();
  main.focus();
});
addEventListener("resize", () => network.state && shown.update());
onChange(() => {
  header();
  announce();
  if (network.state) shown.update();
});
show(false);
start();
