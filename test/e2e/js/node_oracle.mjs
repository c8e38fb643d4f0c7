// The same transactions on two nodes (arguments 1 and 2): receipts, gas, state and traces agree.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { encodeDeployData, encodeFunctionData, getContractAddress, keccak256, http, createPublicClient, parseTransaction } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const [, , ourUrl, theirUrl, probePath] = process.argv;
const { abi, bytecode } = JSON.parse(readFileSync(probePath, "utf8"));
const accounts = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
].map((k) => privateKeyToAccount(k));
const nodes = [ourUrl, theirUrl].map((url) =>
  createPublicClient({ transport: http(url, { retryCount: 0, timeout: 30_000 }), cacheTime: 0 }));
const chainId = await nodes[0].getChainId();
assert.equal(chainId, await nodes[1].getChainId());
const rpc = (i, method, params) => nodes[i].request({ method, params });
const both = (method, params) => Promise.all([0, 1].map((i) => rpc(i, method, params)));


// The first place where two values differ, for a message that can be read.
function difference(a, b, path = "") {
  if (a === b) return null;
  if (!a || !b || typeof a !== "object" || typeof b !== "object") {
    return `${path}: ${JSON.stringify(a)?.slice(0, 300)} and ${JSON.stringify(b)?.slice(0, 300)}`;
  }
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const found = difference(a[key], b[key], `${path}/${key}`);
    if (found) return found;
  }
  return null;
}
const same = (a, b, what) => {
  const found = difference(a, b);
  if (found) throw new Error(`${what}: ${found}`);
};

const nonces = accounts.map(() => 0);
const probe = getContractAddress({ from: accounts[0].address, nonce: 0n });
const call = (functionName, args = []) => encodeFunctionData({ abi, functionName, args });
const GWEI = 1_000_000_000n;
const hash32 = (n) => `0x${BigInt(n).toString(16).padStart(64, "0")}`;
const fresh = (n) => `0x${BigInt(n).toString(16).padStart(40, "f")}`;

// [who, transaction]; fees are high enough for every base fee that may come.
const steps = [
  [0, { data: encodeDeployData({ abi, bytecode: `0x${bytecode}` }), gas: 3_000_000n }],
  [0, { to: probe, data: call("set", [1n, 7n]) }],
  [0, { to: probe, data: call("set", [1n, 7n]) }],                       // no change
  [0, { to: probe, data: call("set", [1n, 0n]) }],                       // refund
  [1, { to: probe, data: call("nested", [5n]), gas: 5_000_000n }],
  [1, { to: probe, data: call("nested", [3n]), gas: 120_000n }],         // runs out inside
  [0, { to: probe, data: call("clear", [0n, 6n]) }],
  [0, { to: probe, data: call("fail", ["because"]) }],
  [0, { to: probe, data: call("custom", [5n]) }],
  [0, { to: probe, data: call("bad") }],
  [0, { to: probe, data: call("spin"), gas: 100_000n }],                 // out of gas
  [1, { to: probe, data: call("make", [9n]), value: 5n }],
  [1, { to: probe, data: call("endChild", [fresh(1)]) }],
  [1, { to: probe, data: call("makeAt", [9n, hash32(1)]), value: 5n }],
  [1, { to: probe, data: call("makeAt", [9n, hash32(1)]), value: 5n }],  // collision
  [0, { to: probe, data: call("transient", [3n]) }],
  [0, { to: probe, data: call("hash", [`0x${"ab".repeat(100)}`]) }],
  [0, { to: probe, data: call("recover", [hash32(1), 27, hash32(2), hash32(3)]) }],
  [0, { to: probe, data: call("pay", [fresh(2)]), value: 11n }],
  [0, { to: probe, data: call("pay", [probe]), value: 12n }],
  [0, { to: probe, data: call("copy", [5000n]), gas: 1_000_000n }],
  [2, { to: fresh(3), value: 1n, gas: 21_000n }],
  [2, { to: accounts[2].address, value: 0n, gas: 21_000n }],
  [2, { to: probe, data: `0x${"00".repeat(2000)}${"11".repeat(2000)}`, gas: 200_000n }], // data floor
  [2, { data: "0x", gas: 60_000n }],
  [2, { data: "0x60ff60005360016000f3", gas: 100_000n }],
  [2, { data: "0x60ef60005360016000f3", gas: 100_000n }],                // 0xef is refused
  [2, { data: "0xfe", gas: 100_000n }],
  [0, { to: probe, data: call("set", [2n, 2n]), accessList: [{ address: probe, storageKeys: [keccak256(hash32(2) + hash32(0).slice(2)), hash32(5)] }] }],
  [1, { to: probe, data: call("set", [3n, 3n]), gasPrice: 20n * GWEI }],
  [0, { to: "0x0000000000000000000000000000000000000005", data: `0x${hash32(1).slice(2)}${hash32(1).slice(2)}${hash32(1).slice(2)}030507`, gas: 100_000n }],
  [0, { to: "0x0000000000000000000000000000000000000002", data: "0x1234", gas: 40_000n }],
  [0, { to: "0x0000000000000000000000000000000000000100", data: `0x${"00".repeat(160)}`, gas: 60_000n }],
];
// A contract whose slots are never cleared: cleared ones stay in the other's storage trie.
const second = getContractAddress({ from: accounts[1].address, nonce: BigInt(steps.filter(([who]) => who === 1).length) });
steps.push([1, { data: encodeDeployData({ abi, bytecode: `0x${bytecode}` }), gas: 3_000_000n }]);
for (const key of [1n, 2n, 3n, 77n, 80n, 1n << 200n]) steps.push([0, { to: second, data: call("set", [key, key * 3n]) }]);

async function signed([who, tx]) {
  const account = accounts[who];
  const request = { chainId, nonce: nonces[who]++, gas: 500_000n, ...tx };
  if (!request.gasPrice) Object.assign(request, { maxFeePerGas: 20n * GWEI, maxPriorityFeePerGas: GWEI });
  return account.signTransaction({ type: request.gasPrice ? "legacy" : "eip1559", ...request });
}

async function delegation(who, to, index) {
  const authorization = await accounts[who].signAuthorization({ contractAddress: to, chainId, nonce: nonces[who]++ });
  return accounts[index].signTransaction({ type: "eip7702", chainId, nonce: nonces[index]++, gas: 500_000n,
    maxFeePerGas: 20n * GWEI, maxPriorityFeePerGas: GWEI, authorizationList: [authorization],
    to: accounts[who].address, data: call("set", [8n, 8n]) });
}

async function receipt(i, hash) {
  for (let n = 0; n < 400; n++) {
    const r = await rpc(i, "eth_getTransactionReceipt", [hash]);
    if (r) return r;
    await new Promise((ok) => setTimeout(ok, 10));
  }
  throw new Error(`no receipt of ${hash} on node ${i}`);
}

const low = (x) => (x === undefined || x === null ? null : String(x).toLowerCase());
const seen = (r) => ({ status: r.status, gasUsed: r.gasUsed, cumulative: r.cumulativeGasUsed, type: r.type,
  contract: low(r.contractAddress), to: low(r.to), from: low(r.from), price: r.effectiveGasPrice,
  block: r.blockNumber, index: r.transactionIndex, bloom: r.logsBloom,
  logs: r.logs.map((l) => [low(l.address), l.topics, l.data, l.logIndex]) });

const raws = [];
for (const step of steps) raws.push(await signed(step));
raws.push(await delegation(2, probe, 0));
raws.push(await signed([1, { to: accounts[2].address, data: call("set", [8n, 9n]) }]));

const hashes = [];
for (const [n, raw] of raws.entries()) {
  const [hash, other] = await both("eth_sendRawTransaction", [raw]);
  assert.equal(hash, other);
  const [ours, theirs] = await Promise.all([receipt(0, hash), receipt(1, hash)]);
  same(seen(ours), seen(theirs), `receipt of transaction ${n}`);
  hashes.push(hash);
}
console.log(`done - ${raws.length} receipts`);

// ---- state
const places = [probe, ...accounts.map((a) => a.address), fresh(1), fresh(2), fresh(3),
  getContractAddress({ from: probe, nonce: 1n })];
for (const address of places) {
  for (const method of ["eth_getBalance", "eth_getTransactionCount", "eth_getCode"]) {
    const [ours, theirs] = await both(method, [address, "latest"]);
    assert.equal(ours, theirs, `${method} of ${address}`);
  }
}
for (const key of [1n, 2n, 3n, 4n, 5n, 77n, 78n, 79n, 80n, 1004n]) {
  const slot = keccak256(hash32(key) + hash32(0).slice(2));
  const [ours, theirs] = await both("eth_getStorageAt", [probe, slot, "latest"]);
  assert.equal(BigInt(ours), BigInt(theirs), `slot of ${key}`);
}
const from = accounts[0].address;
for (const data of [call("values", [80n]), call("nested", [3n]), call("copy", [100n]), call("set", [99n, 1n]), call("clear", [0n, 9n])]) {
  const [ours, theirs] = await both("eth_call", [{ from, to: probe, data, gas: "0x4c4b40" }, "latest"]);
  assert.equal(ours, theirs);
  // Estimates of the other are good to some percent, ours are exact: never above.
  const [gas, about] = (await both("eth_estimateGas", [{ from, to: probe, data }, "latest"])).map(Number);
  assert.ok(gas <= about * 1.001 && gas > about * 0.9, `${gas} and ${about}`);
}
console.log("done - state, calls, estimates");

// ---- what is asked of a state or of many blocks
const slots = [1n, 2n, 3n, 80n, 12345n].map((key) => keccak256(hash32(key) + hash32(0).slice(2)));
const proofs = await both("eth_getProof", [second, slots, "latest"]);
const proof = (p) => ({ balance: p.balance, nonce: p.nonce, code: p.codeHash, root: p.storageHash,
  slots: p.storageProof.map((s) => [BigInt(s.key), BigInt(s.value), s.proof]) });
same(proof(proofs[0]), proof(proofs[1]), "proof");

const range = { fromBlock: "0x0", toBlock: "latest" };
const all_topics = new Set();
const log = (l) => [low(l.address), l.topics, l.data, l.blockNumber, l.transactionHash, l.transactionIndex, l.logIndex, l.removed];
for (const l of await rpc(0, "eth_getLogs", [range])) all_topics.add(l.topics[0]);
const filters = [range, { ...range, address: probe }, { ...range, address: [fresh(9)] }, { ...range, topics: [[...all_topics]] },
  { ...range, topics: [null, hash32(1)] }, { fromBlock: "0x3", toBlock: "0x9" },
  ...[...all_topics].map((t) => ({ ...range, topics: [t] }))];
let found = 0;
for (const filter of filters) {
  const [ours, theirs] = (await both("eth_getLogs", [filter])).map((list) => list.map(log));
  same(ours, theirs, `logs of ${JSON.stringify(filter)}`);
  found += ours.length;
}
assert.ok(found > 20, `${found} logs`);

const [fees, their_fees] = await both("eth_feeHistory", ["0x14", "latest", [0, 25, 50, 100]]);
for (const part of ["oldestBlock", "baseFeePerGas", "reward", "baseFeePerBlobGas"]) {
  same([fees[part]].flat(2).map(Number), [their_fees[part]].flat(2).map(Number), `fee history, ${part}`);
}
const lists = await both("eth_createAccessList", [{ from, to: probe, data: call("set", [1n, 9n]), gas: "0x4c4b40" }, "latest"]);
const list = (l) => l.accessList.map((a) => [low(a.address), [...a.storageKeys].sort()]).sort();
same(list(lists[0]), list(lists[1]), "access list");

const rich = { [fresh(5)]: { balance: "0xde0b6b3a7640000", nonce: "0x7" } };
const overrides = [
  [{ to: probe, data: call("values", [80n]) }, { [probe]: { stateDiff: { [slots[3]]: hash32(41) } } }],
  [{ to: probe, data: call("values", [80n]) }, { [probe]: { state: { [slots[3]]: hash32(42) } } }],
  [{ to: fresh(6), data: "0x" }, { [fresh(6)]: { code: "0x4360005260206000f3" } }],        // the number
  [{ to: fresh(6), data: "0x", from: fresh(5), value: "0x5" }, { ...rich, [fresh(6)]: { code: "0x33316000523460205260406000f3" } }],
];
for (const [request, state] of overrides) {
  const [ours, theirs] = await both("eth_call", [request, "latest", state]);
  assert.equal(ours, theirs, JSON.stringify(request));
}

const sim = { blockStateCalls: [
  { stateOverrides: rich, calls: [{ from: fresh(5), to: fresh(7), value: "0x1" }, { from: fresh(5), to: probe, data: call("set", [7n, 7n]) }] },
  { blockOverrides: { prevRandao: hash32(5) }, calls: [{ from: fresh(5), to: probe, data: call("values", [7n]) }, { from: fresh(5), to: probe, data: call("fail", ["no"]) }] },
], validation: false, traceTransfers: true };
// The output of a call that reverts is with its error (the other gives it as returned, too).
const simulated = (await both("eth_simulateV1", [sim, "latest"])).map((blocks) => blocks.map((b) => b.calls.map((c) =>
  [c.status, c.gasUsed, c.error?.data ?? c.returnData, (c.logs ?? []).map((l) => [low(l.address), l.topics, l.data])])));
same(simulated[0], simulated[1], "simulation");
assert.equal(simulated[0].length, 2);
console.log("done - proofs, logs, fees, overrides, simulations");

// ---- traces
const step = (s) => [s.pc, s.op, s.gas, s.gasCost, s.depth, (s.stack ?? []).map((v) => BigInt(v).toString(16))];
const frame = (f) => ({ type: f.type, from: low(f.from), to: low(f.to), value: f.value ? BigInt(f.value).toString() : "0",
  gas: BigInt(f.gas).toString(), gasUsed: BigInt(f.gasUsed).toString(), input: f.input,
  output: f.output && f.output !== "0x" ? f.output : null, failed: Boolean(f.error),
  calls: (f.calls ?? []).map(frame) });
let steps_seen = 0;
for (const [n, hash] of hashes.entries()) {
  const traces = await both("debug_traceTransaction", [hash, {}]);
  const [ours, theirs] = traces.map((t) => t.structLogs.map(step));
  for (let k = 0; k < Math.max(ours.length, theirs.length); k++) {
    // How much a step that fails would have cost is told differently, and so is whether the gas that
    // a creation takes along belongs to its cost (it does not in go-ethereum's own traces).
    const failing = ours[k]?.[1]?.startsWith("CREATE") || traces.some((t) => t.structLogs[k]?.error) || (ours[k]?.[1] === "INVALID");
    if (failing && ours[k] && theirs[k]) ours[k][3] = theirs[k][3];
    if (ours[k]?.[1] !== theirs[k]?.[1] && ours[k] && theirs[k]) {
      const names = [ours[k][1], theirs[k][1]].sort().join();
      if (["KECCAK256,SHA3", "DIFFICULTY,PREVRANDAO"].includes(names)) ours[k][1] = theirs[k][1];
    }
    same(ours[k], theirs[k], `step ${k} of transaction ${n}`);
  }
  steps_seen += ours.length;
  assert.equal(traces[0].failed, traces[1].failed);
  assert.equal(traces[0].gas, traces[1].gas);
  const trees = await both("debug_traceTransaction", [hash, { tracer: "callTracer" }]);
  const [tree, their_tree] = trees.map(frame);
  assert.equal(tree.gas, String(parseTransaction(raws[n]).gas));
  their_tree.gas = tree.gas; // the specification's tests give the transaction's, the other what code had
  same(tree, their_tree, `calls of transaction ${n}`);
}
console.log(`done - ${steps_seen} steps`);
const plain = (diff) => Object.fromEntries(Object.entries(diff).map(([part, all]) => [part,
  Object.fromEntries(Object.entries(all).map(([a, v]) => [low(a), { balance: v.balance && BigInt(v.balance).toString(),
    nonce: v.nonce ? Number(v.nonce) : undefined, code: v.code === "0x" ? undefined : v.code,
    storage: v.storage && Object.keys(v.storage).length ? v.storage : undefined }]))]));
for (const [n, hash] of hashes.entries()) {
  const diffs = await both("debug_traceTransaction", [hash, { tracer: "prestateTracer", tracerConfig: { diffMode: true } }]);
  const [ours, theirs] = diffs.map(plain);
  for (const part of ["pre", "post"]) {
    // The other's fee recipient is another; accounts that began empty it shows as such.
    for (const all of [ours[part], theirs[part]]) {
      for (const [a, v] of Object.entries(all)) if (v.balance === "0" && !v.nonce && !v.code && !v.storage) delete all[a];
    }
  }
  same(ours, theirs, `difference of transaction ${n}`);
}
console.log("done - differences");
