/* What is known of the network: its state, asked for again and again, and its events as they come.
 * SPDX-License-Identifier: MIT */

const KINDS = ["network", "role", "node", "block", "slot", "order", "fault", "hub", "record", "chain", "send", "scenario", "load"];
const EVENTS_KEPT = 3000;
const POLL_MS = 1000;
const SOON_MS = 120;

export const network = { state: null, online: false, events: [], traffic: [] };

const listeners = new Set();
export const onChange = (fn) => listeners.add(fn);
const changed = () => listeners.forEach((fn) => fn());

/* ask gives the JSON of an answer; a refusal is an Error with the network's own words. */
export async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { cache: "no-store", ...options });
  const doc = await answer.json();
  if (!answer.ok) throw new Error(doc.error ?? `answers ${answer.status}`);
  return doc;
}

export const command = (...words) => ask("/api/command", { words });

// Bytes per second over all links, from one look to the next.
function noteTraffic(state) {
  const bytes = state.links.reduce((sum, l) => sum + l.up_bytes + l.down_bytes, 0);
  const last = network.traffic.at(-1);
  const seconds = last ? (state.now_ms - last.at) / 1000 : 0;
  if (last && seconds < 0.5) return;
  network.traffic.push({ at: state.now_ms, bytes, rate: last && bytes >= last.bytes ? (bytes - last.bytes) / seconds : 0 });
  if (network.traffic.length > 600) network.traffic.shift();
}

let timer = null, asking = false, again = false;

async function poll() {
  clearTimeout(timer);
  timer = null;
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    network.state = await ask("/api/state");
    network.online = true;
    noteTraffic(network.state);
  } catch {
    network.online = false;
  }
  asking = false;
  changed();
  schedule(again ? SOON_MS : POLL_MS);
  again = false;
}

function schedule(ms) {
  clearTimeout(timer);
  timer = document.hidden ? null : setTimeout(poll, ms);
}

let soon = null;

function take(message) {
  const event = JSON.parse(message.data);
  const last = network.events.at(-1);
  if (last && event.seq <= last.seq) {
    if (event.at_ms <= last.at_ms) return;
    network.events.length = 0; // another network at the same address
  }
  network.events.push(event);
  if (network.events.length > EVENTS_KEPT) network.events.shift();
  soon ??= setTimeout(() => {
    soon = null;
    poll();
  }, SOON_MS);
}

function listen() {
  const source = new EventSource("/api/events");
  for (const kind of KINDS) source.addEventListener(kind, take);
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

export function start() {
  document.addEventListener("visibilitychange", () => !document.hidden && poll());
  listen();
  poll();
}

// What views share

/* The node that bids with a key, and the colour that a builder has everywhere. */
export function builderOf(pubkey) {
  return network.state.nodes.find((n) => n.identity.relay_pubkey === pubkey)?.name ?? `${pubkey.slice(0, 12)}…`;
}

export function seriesOf(name) {
  const index = network.state.nodes.findIndex((n) => n.name === name);
  return index < 0 ? 7 : index;
}

/* Unix ms at which a slot begins, from a block that is known. */
export function slotBegins(slot) {
  const { slots, chain } = network.state;
  const known = slots.findLast((s) => !s.missed);
  return known ? known.begins_ms + (slot - known.slot) * chain.slot_ms : null;
}

// What a builder noted of a block that won; asked for once.
const builds = new Map();

export function buildOf(hash) {
  if (!builds.has(hash)) {
    builds.set(hash, null);
    ask(`/api/build/${hash}`).then((doc) => {
      builds.set(hash, doc);
      changed();
    }, () => {});
    if (builds.size > 1200) builds.delete(builds.keys().next().value);
  }
  return builds.get(hash);
}

// How many bids the relay has of a slot; asked for once. null: not known (yet).
const bidCounts = new Map();

function bidsOf(slot) {
  if (!bidCounts.has(slot)) {
    bidCounts.set(slot, null);
    ask(`/api/bids/${slot}`).then((bids) => {
      bidCounts.set(slot, bids.length);
      changed();
    }, () => {});
  }
  return bidCounts.get(slot);
}

/* Why a slot has no block, as far as the network's own events and the relay tell. */
export function missedReason(slot) {
  const begins = slotBegins(slot);
  const { slot_ms } = network.state.chain;
  const near = (e, before) => begins !== null && e.at_ms > begins - before * slot_ms && e.at_ms < begins + slot_ms;
  const told = network.events.find((e) => {
    const found = e.kind === "fault" && /^missed slots: (\d+)$/.exec(e.text ?? "");
    return found && near(e, Number(found[1]) + 2);
  });
  if (told) return "the proposer was told to miss it";
  const down = network.events.findLast((e) => e.kind === "role" && (e.role === "chain" || e.role === "relay") && near(e, 3) && e.state !== "ready");
  if (down) return `${down.role} was ${down.state}`;
  const reorg = network.events.find((e) => e.kind === "fault" && /^blocks replaced/.test(e.text ?? "") && near(e, 3));
  if (reorg) return "blocks were replaced";
  const bids = bidsOf(slot);
  if (bids === null) return "no block came";
  return bids ? `no block came of ${bids} bids: late, refused or withheld` : "no bid, and the proposer built none";
}
