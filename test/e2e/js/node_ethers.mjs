// ethers against a node: argument 1 is HTTP, argument 2 WebSocket.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Contract, ContractFactory, JsonRpcProvider, NonceManager, Wallet, WebSocketProvider, parseEther } from "ethers";

const [, , httpUrl, wsUrl, probePath] = process.argv;
const { abi, bytecode } = JSON.parse(readFileSync(probePath, "utf8"));
const provider = new JsonRpcProvider(httpUrl, undefined, { pollingInterval: 50, cacheTimeout: -1 });
const live = new WebSocketProvider(wsUrl);
const signer = new NonceManager(new Wallet("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80", provider));

assert.equal((await provider.getNetwork()).chainId, 1337n);
const contract = await new ContractFactory(abi, bytecode, signer).deploy();
await contract.waitForDeployment();
const address = await contract.getAddress();

// Both ways of following: polled filters over HTTP, subscriptions over WebSocket.
const polled = [], told = [], blocks = [], pending = [];
await contract.on("Set", (who, key, value) => polled.push([key, value]));
const watching = new Contract(address, abi, live);
await watching.on("Set", (who, key, value) => told.push([key, value]));
await live.on("block", (n) => blocks.push(n));
await live.on("pending", (hash) => pending.push(hash));
await new Promise((ok) => setTimeout(ok, 500));

const tx = await contract.set(5n, 42n);
const receipt = await tx.wait();
assert.equal(receipt.status, 1);
assert.equal(receipt.logs[0].args.value, 42n);
assert.equal(await contract.values(5n), 42n);
assert.equal(await contract.values(5n, { blockTag: receipt.blockNumber - 1 }), 0n);
await assert.rejects(contract.fail.staticCall("because"), (e) => e.reason === "because");
await assert.rejects(contract.custom.staticCall(7n), (e) => e.revert?.name === "Custom" && e.revert.args[0] === 7n);
await assert.rejects(contract.bad.estimateGas(), (e) => e.code === "CALL_EXCEPTION");
assert.equal((await contract.queryFilter(contract.filters.Set(null, 5n), 0)).length, 1);

const fees = await provider.getFeeData();
assert.ok(fees.gasPrice > 0n && fees.maxFeePerGas > fees.maxPriorityFeePerGas);
for (const type of [0, 1, 2]) {
  const sent = await signer.sendTransaction({ to: `0x${"ab".repeat(20)}`, value: parseEther("1"), type });
  assert.equal((await sent.wait()).type, type);
}
assert.equal(await provider.getBalance(`0x${"ab".repeat(20)}`), parseEther("3"));
const block = await provider.getBlock("latest", true);
assert.equal(block.prefetchedTransactions.length, block.transactions.length);
assert.equal((await provider.getTransaction(tx.hash)).blockHash, receipt.blockHash);
assert.equal(await provider.getTransactionCount(await signer.getAddress(), "pending"), 5);
assert.equal(BigInt(await provider.getStorage(address, 999n)), 0n);
await assert.rejects(signer.sendTransaction({ to: address, value: parseEther("1000000"), gasLimit: 21000n }),
  (e) => e.code === "INSUFFICIENT_FUNDS");

for (let i = 0; i < 100 && !(polled.length && told.length && pending.length && blocks.length); i++) {
  await new Promise((ok) => setTimeout(ok, 50));
}
assert.deepEqual([polled[0], told[0]], [[5n, 42n], [5n, 42n]]);
assert.ok(pending.includes(tx.hash) && blocks.includes(receipt.blockNumber));
console.log("done - ethers");
process.exit(0);
