// Many clients at once for some seconds (argument 4), while blocks come: nothing fails, nothing tears.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createPublicClient, createWalletClient, encodeFunctionData, http, webSocket } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const [, , httpUrl, wsUrl, probePath, seconds] = process.argv;
const { abi, bytecode } = JSON.parse(readFileSync(probePath, "utf8"));
const transport = http(httpUrl, { retryCount: 0, timeout: 60_000 });
const client = createPublicClient({ transport, cacheTime: 0, pollingInterval: 20 });
const chain = { id: await client.getChainId(), name: "dev",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 }, rpcUrls: { default: { http: [httpUrl] } } };
const account = privateKeyToAccount("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const wallet = createWalletClient({ account, chain, transport });
const { contractAddress: to } = await client.waitForTransactionReceipt({
  hash: await wallet.deployContract({ abi, bytecode: `0x${bytecode}` }) });
const rpc = (method, params = []) => client.request({ method, params });
const call = (functionName, args = []) => encodeFunctionData({ abi, functionName, args });
const end = Date.now() + Number(seconds) * 1000;
let answers = 0, sent = 0;

async function read(n) {
  const filter = await rpc("eth_newFilter", [{}]);
  while (Date.now() < end) {
    const block = await rpc("eth_getBlockByNumber", ["latest", true]);
    const receipts = await rpc("eth_getBlockReceipts", [block.hash]);
    assert.equal(receipts.length, block.transactions.length);
    const gas = receipts.reduce((sum, r) => sum + BigInt(r.gasUsed), 0n);
    assert.equal(gas, BigInt(block.gasUsed));
    const at = { blockHash: block.hash };
    // Both see the state of the same block, however far the chain has gone meanwhile.
    const [value, slot] = await Promise.all([rpc("eth_call", [{ to, data: call("values", [1n]) }, at]),
      rpc("eth_getProof", [to, ["0xada5013122d395ba3c54772283fb069b10426056ef8ca54750cb9bb552a59e7d"], at])]);
    assert.equal(BigInt(value), BigInt(slot.storageProof[0].value));
    const work = [() => rpc("debug_traceBlockByNumber", [block.number, { tracer: "callTracer" }]),
      () => rpc("eth_getLogs", [{ fromBlock: "0x1", toBlock: block.number, address: to }]),
      () => rpc("eth_simulateV1", [{ blockStateCalls: [{ calls: [{ to, data: call("set", [1n, 5n]) }] }] }, "latest"]),
      () => rpc("eth_estimateGas", [{ to, data: call("nested", [3n]) }]),
      () => rpc("debug_executionWitness", [block.number]),
      () => rpc("eth_getFilterChanges", [filter]),
      () => rpc("eth_getBlockByNumber", ["pending", true]),
      () => rpc("txpool_content"), () => rpc("eth_feeHistory", ["0x10", "latest", [10, 90]])][n % 9];
    await work();
    answers += 5;
  }
}

async function write() {
  let nonce = await client.getTransactionCount({ address: account.address });
  while (Date.now() < end) {
    const hashes = await Promise.all(Array.from({ length: 5 }, (_, i) => wallet.sendTransaction({ to, nonce: nonce + i,
      gas: 300_000n, data: call("set", [1n, BigInt(nonce + i)]) })));
    nonce += 5;
    sent += hashes.length;
    await client.waitForTransactionReceipt({ hash: hashes[4], timeout: 60_000 });
  }
}

const live = Array.from({ length: 4 }, () => createPublicClient({ transport: webSocket(wsUrl, { retryCount: 0 }) }));
const heads = live.map(() => []), logs = live.map(() => 0);
const problems = [];
live.forEach((c, i) => {
  c.watchBlockNumber({ onBlockNumber: (n) => heads[i].push(n), emitOnBegin: false, onError: (e) => problems.push(e) });
  c.watchContractEvent({ address: to, abi, onLogs: (l) => { logs[i] += l.length; }, onError: (e) => problems.push(e) });
});
await new Promise((ok) => setTimeout(ok, 500));
await Promise.all([write(), ...Array.from({ length: 18 }, (_, n) => read(n))]);
for (let i = 0; i < 100 && logs.some((n) => n < sent); i++) await new Promise((ok) => setTimeout(ok, 50));
assert.deepEqual(problems, []);
for (const [i, numbers] of heads.entries()) {
  // Every head once, in order, on every connection.
  numbers.forEach((n, k) => k && assert.equal(n, numbers[k - 1] + 1n));
  assert.equal(logs[i], sent);
}
console.log(`done - ${answers} answers, ${sent} transactions, ${heads[0].length} heads`);
process.exit(0);
