/* An order's way through the network: who had it when, until it landed. SPDX-License-Identifier: MIT */
import { clock, draw, el, ether, isHash, newId, pairs, panel, parseSpan, say, short, span, sync, widthOf } from "./dom.js";
import { ask, builderOf, network } from "./network.js";

export const title = "An order's way";
const ASK_MS = 500;
const GIVE_UP_MS = 120000;

const WORDS = {
  received: "received", verified: "sender's signature verified", decoded: "decoded and judged valid",
  accepted: "accepted, journalled", delivered: "delivered to the node's builder", replaced: "replaced by a later order",
};

let place, recent, hash, timer = null, gone = false, since = 0, way = null, input, problem;

// Numbers of nanoseconds are beyond what a double holds: micro-seconds are enough.
const ms = (ns) => ns / 1e6;

/* Steps {at (ms), who, what} of an order, from everything that is known of it. */
async function gather() {
  const doc = await ask(`/api/order/${hash}`);
  const steps = [];
  let method = "", bytes = 0;
  for (const { node, trace } of doc.nodes) {
    for (const entry of trace.toReversed()) {
      const from = entry.from === "user" ? "from its sender" : entry.peer ? `from ${entry.peer.replace("_", "-")}` : `from ${entry.from}`;
      if (entry.from === "user") [method, bytes] = [entry.method, entry.bytes];
      method ||= entry.method;
      for (const [stage, at] of Object.entries(entry.stages)) {
        steps.push({ at: ms(at), who: node, stage, what: stage === "received" ? `received ${from}` : WORDS[stage] ?? stage });
      }
      for (const peer of entry.peers) {
        steps.push({ at: ms(peer.acknowledgedNs), who: node, stage: "shared", what: `forwarded: ${peer.name.replace("_", "-")} has it` });
      }
    }
  }
  for (const { node, orders } of doc.builders ?? []) {
    // A bundle's transaction may have been sent alone too: the newest order that has a slot tells.
    for (const slot of orders.find((o) => o.slots.length)?.slots ?? []) addBuilder(steps, node, slot);
  }
  const landed = doc.receipt;
  if (landed) await addBlock(steps, landed);
  return { doc, method, bytes, landed, steps: steps.sort((a, b) => a.at - b.at) };
}

// RFC 3339 with a long fraction, in ms.
function timeOf(text) {
  return Date.parse(text.replace(/(\.\d{3})\d*/, "$1")) + Number(/\.\d{3}(\d{3})/.exec(text)?.[1] ?? 0) / 1000;
}

// What a builder did with it in one slot.
function addBuilder(steps, who, slot) {
  if (slot.simulatedAt) {
    const what = slot.state === "ready" ? `simulated for block ${slot.block}: ${ether(BigInt(slot.profit ?? 0).toString())} ETH, ${Number(slot.gasUsed ?? 0)} gas`
      : `simulated for block ${slot.block}: ${slot.state}${slot.text ? `, ${slot.text}` : ""}`;
    steps.push({ at: timeOf(slot.simulatedAt), who, stage: "simulated", what });
  }
  if (slot.firstBidAt) steps.push({ at: timeOf(slot.firstBidAt), who, stage: "in-bid", what: `in ${slot.bids === 1 ? "a bid" : `${slot.bids} bids`} of it for block ${slot.block}` });
}

async function addBlock(steps, receipt) {
  const number = Number(receipt.blockNumber);
  const slot = network.state.slots.find((s) => s.number === number);
  const [build, bids] = await Promise.all([ask(`/api/build/${receipt.blockHash}`).catch(() => null), slot ? ask(`/api/bids/${slot.slot}`).catch(() => []) : []]);
  if (build?.built) {
    const at = timeOf(build.built.time);
    const took = (parseSpan(build.built.fill) ?? 0) + (parseSpan(build.built.seal) ?? 0);
    steps.push({ at, who: build.node, stage: "built", what: `in a block: filled in ${span(parseSpan(build.built.fill))}, sealed in ${span(parseSpan(build.built.seal))} (root ${span(parseSpan(build.built.root))})`, took });
  }
  const bid = bids.find?.((b) => b.block_hash === receipt.blockHash);
  // The relay tells whole milliseconds: within one of them the bid comes after its block.
  const built = steps.at(-1)?.stage === "built" ? steps.at(-1).at : 0;
  const came = bid && Math.max(Number(bid.timestamp_ms), Math.min(built, Number(bid.timestamp_ms) + 0.999));
  if (bid) steps.push({ at: came, who: "relay", stage: "bid", what: `in a bid of ${builderOf(bid.builder_pubkey)}: ${ether(bid.value)} ETH` });
  if (slot) steps.push({ at: slot.seen_ms, who: "chain", stage: "landed", what: `landed in block ${number}${slot.by_relay ? ` of ${slot.winner}` : ""}${receipt.status === "0x1" ? "" : ", reverted"}` });
}

// Lanes: one for each who; time in powers of ten from the first step, so that micro-seconds show.
function lanes(steps, width) {
  const order = [...new Set(steps.map((s) => s.who))].sort((a, b) => (a === "relay" || a === "chain" ? 1 : 0) - (b === "relay" || b === "chain" ? 1 : 0) || (a === "chain") - (b === "chain") || a.localeCompare(b));
  const first = steps[0].at, left = 74, right = 16, step = 34, height = 12 + order.length * step + 26;
  const power = (at) => Math.log10(Math.max(at - first, 0.01) / 0.01);
  const end = Math.max(...steps.map((s) => power(s.at)), 1);
  const px = (at) => left + (power(at) / end) * (width - left - right);
  const node = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "The steps of the list below by who did them and when; time grows by powers of ten." });
  order.forEach((who, i) => node.append(
    draw("line", { class: "axis", x1: left, x2: width - right, y1: 22 + i * step, y2: 22 + i * step }),
    draw("text", { class: "small", x: left - 8, y: 26 + i * step, "text-anchor": "end" }, who)));
  const every = width < 500 ? 2 : 1;
  for (let p = 0; p <= end; p += every) {
    node.append(draw("text", { class: "small", x: left + (p / end) * (width - left - right), y: height - 6, "text-anchor": p ? "middle" : "start" }, p ? span(0.01 * 10 ** p) : "start"));
  }
  for (const s of steps) {
    const series = { received: 0, landed: 2, bid: 1, "in-bid": 1, built: 3, simulated: 4, shared: 6 }[s.stage];
    const y = 22 + order.indexOf(s.who) * step;
    node.append(draw("circle", { class: `${series === undefined ? "ring" : "dot"} c${series ?? 0}`, cx: px(s.at), cy: y, r: 5 },
      draw("title", {}, `${s.who}: ${s.what}, ${span(s.at - first)} after the first`)));
  }
  return node;
}

function show() {
  const { doc, steps, landed, method, bytes } = way;
  const own = network.state.orders.find((o) => o.tx === doc.tx || o.bundle === doc.order);
  const fate = landed ? `Landed in block ${Number(landed.blockNumber)}${steps.length > 1 ? `, ${span(steps.at(-1).at - steps[0].at)} after it was received` : ""}.`
    : own?.state === "passed" ? "Not landed: its block has passed." : own?.state === "refused" ? `Refused: ${own.reason ?? "no reason was given"}.`
      : steps.length ? "Not landed so far." : "No node and no block knows this order.";
  const list = el("ol", { class: "steps", "aria-label": "Steps" }, steps.map((s) => el("li", {},
    el("span", { class: "when", title: clock(s.at) }, s === steps[0] ? clock(s.at) : `+${span(s.at - steps[0].at)}`), el("span", {}, el("strong", {}, s.who), ` ${s.what}`))));
  const facts = [["Transaction", el("code", {}, doc.tx)]];
  if (doc.order !== doc.tx) facts.push(["Bundle", el("code", {}, doc.order)]);
  if (method) facts.push(["Sent as", `${method}${bytes ? `, ${bytes} bytes` : ""}`]);
  const root = panel("Its way", el("p", { id: "fate" }, el("strong", {}, fate)), pairs(facts));
  place.replaceChildren(root);
  say(fate);
  if (!steps.length) return;
  const where = el("div");
  root.append(where);
  where.append(lanes(steps, widthOf(where)));
  root.append(list);
}

async function look() {
  clearTimeout(timer);
  if (gone || !hash || !network.state) return;
  const asked = hash;
  let signature = JSON.stringify(way);
  try {
    const found = await gather();
    if (gone || asked !== hash) return;
    way = found;
    if (JSON.stringify(way) !== signature) show();
  } catch (error) {
    if (!gone) place.replaceChildren(el("p", { role: "alert", class: "bad" }, error.message));
  }
  const settled = way?.landed && way.steps.some((s) => s.stage === "bid" || s.stage === "landed");
  if (!gone && Date.now() - since < (settled ? 3000 : GIVE_UP_MS)) timer = setTimeout(look, ASK_MS);
}

export function open(root, parameter) {
  gone = false;
  way = null;
  since = Date.now();
  hash = parameter && isHash(parameter) ? parameter.toLowerCase() : null;
  const id = newId("hash"), why = newId("why");
  input = el("input", { id, name: "hash", autocomplete: "off", spellcheck: "false", placeholder: "0x…", "aria-describedby": why, value: parameter ?? "" });
  problem = el("p", { id: why, class: "bad", role: "alert" });
  if (parameter && !hash) problem.textContent = "A hash is 0x and 64 hexadecimal digits.";
  root.append(el("section", { class: "panel", "aria-label": "Look for an order" }, el("form", { class: "row", onsubmit: (e) => {
    e.preventDefault();
    const text = input.value.trim();
    input.setAttribute("aria-invalid", String(!isHash(text)));
    problem.textContent = isHash(text) ? "" : "A hash is 0x and 64 hexadecimal digits.";
    if (isHash(text)) location.hash = `order/${text}`;
  } }, el("div", { class: "wide grow" }, el("label", { for: id }, "Hash of a transaction or a bundle"), input), el("button", { class: "first" }, "Show its way")), problem));
  place = el("div");
  recent = el("ul", { class: "plain" });
  root.append(place, panel("The network's own bundles, newest first", recent));
  look();
}

export function update() {
  if (hash && !way && !timer) look();
  const orders = network.state.orders.slice(-12).reverse();
  sync(recent, orders, (o) => o.tx + o.sent_ms, (o) => el("li", {}, el("a", { href: `#order/${o.tx}`, "aria-label": `Order ${short(o.tx)} through ${o.node}, ${o.state}` }, el("code", {}, short(o.tx))),
    ` through ${o.node}: `, o.state === "landed" ? `landed in block ${o.block} of ${o.winner} after ${span(o.landed_ms - o.sent_ms)}` : o.state + (o.reason ? `: ${o.reason}` : "")));
}

export function close() {
  gone = true;
  clearTimeout(timer);
  timer = null;
}

