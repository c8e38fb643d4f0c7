// Loaded before Lodestar 1.5.1: its preset, and what one of its dependencies wants of newer Node.js.
// SPDX-License-Identifier: MIT
process.env.LODESTAR_PRESET = "minimal";
Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new this((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};
