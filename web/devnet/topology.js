/* Topology: who is there, who is attested, who talks to whom. SPDX-License-Identifier: MIT */
import { draw, el, pairs, panel, short, size, span, sync, table, widthOf } from "./dom.js";
import { network } from "./network.js";

export const title = "Topology and attestation";

let place, cards, roles;

/* What a node's attestation has come to, and how it is drawn. */
export function attestation(node) {
  if (node.hub === "refused") return ["refused by the hub", "bad"];
  if (node.hub === "away") return ["hub out of reach", "warn"];
  if (node.hub === "ok") return node.enabled ? ["attested", "good"] : ["attested, disabled", "warn"];
  return ["not attested", "warn"];
}

const partOf = (role) => role.split(".")[0].replace(/^hub-proxy$/, "hub");

// A fault's side names a role, a node, or everybody.
const meant = (side, part) => side === "*" || partOf(side) === part;

function edges(state) {
  const found = new Map();
  for (const link of state.links) {
    const [from, to] = [partOf(link.from), partOf(link.to)];
    if (from === to || from === "outside" || to === "outside") continue;
    const key = [from, to].sort().join(" ");
    const edge = found.get(key) ?? { key, from, to, open: 0, bytes: 0, refused: 0, fault: "" };
    edge.open += link.open;
    edge.bytes += link.up_bytes + link.down_bytes;
    edge.refused += link.refused;
    found.set(key, edge);
  }
  for (const edge of found.values()) {
    const fault = state.faults.find((f) => (meant(f.from, edge.from) && meant(f.to, edge.to)) || (meant(f.from, edge.to) && meant(f.to, edge.from)));
    if (fault) edge.fault = fault.text;
  }
  return [...found.values()];
}

// Places: hub above, the nodes in rows, relay and chain below.
function layout(state, width) {
  const wide = Math.min(150, (width - 20) / Math.min(3, Math.max(1, state.nodes.length)) - 14), high = 52;
  const perRow = Math.max(1, Math.floor((width - 10) / (wide + 16)));
  const rows = Math.ceil(state.nodes.length / perRow);
  const places = new Map();
  places.set("hub", { x: width / 2, y: 32 });
  state.nodes.forEach((node, i) => {
    const row = Math.floor(i / perRow), inRow = row === rows - 1 ? state.nodes.length - row * perRow : perRow;
    const step = width / inRow;
    places.set(node.name, { x: step * (i % perRow) + step / 2, y: 150 + row * 105, node });
  });
  const bottom = 150 + (rows - 1) * 105 + 125;
  places.set("relay", { x: width / 2 - Math.min(width / 4, 130), y: bottom });
  places.set("chain", { x: width / 2 + Math.min(width / 4, 130), y: bottom });
  return { places, wide, high, height: bottom + 40 };
}

function path(a, b, high) {
  if (Math.abs(a.y - b.y) < 1) { // side by side: an arch, higher the further apart
    const lift = high / 2 + 12 + Math.abs(a.x - b.x) / 12;
    return a.node ? `M${a.x} ${a.y}C${a.x} ${a.y - lift * 1.3} ${b.x} ${b.y - lift * 1.3} ${b.x} ${b.y}` : `M${a.x} ${a.y}L${b.x} ${b.y}`;
  }
  return `M${a.x} ${a.y}L${b.x} ${b.y}`;
}

function box(name, place, word, kind, wide, high) {
  return draw("g", {}, draw("rect", { class: `box ${kind}`, x: place.x - wide / 2, y: place.y - high / 2, width: wide, height: high, rx: 7 }),
    draw("text", { class: "strong", x: place.x, y: place.y - 4, "text-anchor": "middle" }, name),
    draw("text", { class: `${kind} small`, x: place.x, y: place.y + 14, "text-anchor": "middle" }, word));
}

function roleState(state, name) {
  const role = state.roles.find((r) => r.name === name);
  return [role?.state ?? "not there", role?.state === "ready" ? "good" : role?.state === "starting" ? "warn" : "bad"];
}

function drawing(state, width) {
  const { places, wide, high, height } = layout(state, width);
  const attested = state.nodes.map((n) => `${n.name} ${attestation(n)[0]}`).join(", ");
  const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `The network: hub, relay and chain, and the nodes: ${attested}.` });
  for (const edge of edges(state)) {
    const [a, b] = [places.get(edge.from), places.get(edge.to)];
    if (!a || !b) continue;
    const node = [a, b].find((p) => p.node)?.node;
    const toHub = edge.from === "hub" || edge.to === "hub";
    const kind = edge.fault ? "fault" : toHub && node ? attestation(node)[1] : edge.open ? "" : "idle";
    picture.append(draw("path", { class: `edge ${kind}`, d: path(a, b, high) },
      draw("title", {}, `${edge.from} – ${edge.to}: ${edge.open} open, ${size(edge.bytes)}${edge.refused ? `, ${edge.refused} refused` : ""}${edge.fault ? `; fault: ${edge.fault}` : ""}`)));
  }
  for (const [name, place] of places) {
    const [word, kind] = place.node ? attestation(place.node) : roleState(state, name);
    picture.append(box(name, place, wide < 120 ? word.replace(" by the hub", "").replace("hub out of reach", "hub away") : word, kind, place.node ? wide : Math.min(wide, 120), high));
  }
  return picture;
}

function roleChip(role) {
  const kind = role.state === "ready" ? "good" : role.state === "failed" || role.state === "unready" ? "bad" : "warn";
  return el("li", {}, `${role.name.split(".").at(-1)} `, el("span", { class: kind }, role.state));
}

function measurement(node) {
  return node.identity.mrtd ?? node.identity.pcr11;
}

function card({ node, roles: own }) {
  const [word, kind] = attestation(node);
  const stages = node.boot?.stages ?? [];
  return panel(node.name, el("p", {}, el("span", { class: `mark ${kind}` }, word)),
    pairs([
      ["Image", node.identity.image],
      ["Measurement", el("code", { title: measurement(node) }, short(measurement(node)))],
      ["Orderflow key", el("code", {}, short(node.identity.orderflow_address))],
      ["Builder key", el("code", {}, short(node.identity.builder_address))],
      ["Peers", node.boot?.peers === undefined ? "–" : String(node.boot.peers)],
      ["Boot", stages.length ? stages.map((s) => `${s.name} ${s.error ?? (s.state === "done" ? span(s.ms) : s.state)}`).join(", ") : "has not answered"],
    ]), el("ul", { class: "chips", "aria-label": `Roles of ${node.name}` }, own.map(roleChip)));
}

export function open(root) {
  place = el("div");
  cards = el("div", { class: "grid" });
  roles = table("Every process of the network", [
    { name: "Role", text: true, cell: (r) => r.name },
    { name: "State", text: true, cell: (r) => el("span", { class: r.state === "ready" ? "good" : "bad" }, r.state) },
    { name: "Process", cell: (r) => r.pid ? String(r.pid) : "–" },
    { name: "Starts", cell: (r) => String(r.starts) },
    { name: "CPU", cell: (r) => `${r.cpu} %` },
    { name: "Memory", cell: (r) => size(r.memory) },
    { name: "Address or reason", text: true, cell: (r) => r.reason ?? r.address ?? "–" },
  ]);
  root.append(panel("Who talks to whom", place,
    el("p", { class: "quiet" }, "Full frame: attested or ready; dashed: refused or not ready. Dashed lines between boxes carry a fault. The cards and the table below say the same in words.")),
  cards, panel("Roles", roles.node));
}

let drawn = "";

export function update() {
  const { state } = network;
  const width = widthOf(place);
  const now = JSON.stringify([width, state.nodes.map((n) => [n.name, attestation(n)]), edges(state).map((e) => [e.key, e.open, e.fault]), state.roles.map((r) => r.state)]);
  if (now !== drawn || !place.firstChild) place.replaceChildren(drawing(state, width));
  drawn = now;
  const shown = state.nodes.map((node) => ({ node, roles: state.roles.filter((r) => r.node === node.name).map((r) => ({ name: r.name, state: r.state })) }));
  sync(cards, shown, (s) => s.node.name, card);
  roles.fill(state.roles.map((r) => ({ name: r.name, state: r.state, pid: r.pid, starts: r.starts, cpu: Math.round(r.cpu_percent), memory: Math.round(r.resident_bytes / 1048576) * 1048576, reason: r.reason, address: Object.values(r.addresses)[0] })), (r) => r.name);
}
