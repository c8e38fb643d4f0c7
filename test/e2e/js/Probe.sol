// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;
contract Child { uint256 public x; constructor(uint256 v) payable { x = v; } function end(address payable to) external { selfdestruct(to); } }
contract Probe {
    event Set(address indexed who, uint256 indexed key, uint256 value);
    error Custom(uint256 code);
    mapping(uint256 => uint256) public values;
    Child public child;
    receive() external payable {}
    function set(uint256 k, uint256 v) external payable { values[k] = v; emit Set(msg.sender, k, v); }
    function fail(string calldata r) external pure { revert(r); }
    function custom(uint256 c) external pure { revert Custom(c); }
    function bad() external pure { assert(false); }
    function spin() external view { while (gasleft() > 0) {} }
    function env() external view returns (uint256, uint256, uint256, uint256, address, uint256) {
        return (block.number, block.timestamp, block.basefee, block.chainid, block.coinbase, block.gaslimit);
    }
    function nested(uint256 n) external payable {
        values[n] += n; emit Set(address(this), n, n);
        if (n == 0) return;
        try this.maybe(n) {} catch {}
        this.nested(n - 1);
        emit Set(address(this), n, n + 1000);
    }
    function maybe(uint256 n) external { values[1000 + n] = n; emit Set(msg.sender, n, 7); if (n % 2 == 1) revert("odd"); }
    function clear(uint256 from, uint256 to) external { for (uint256 i = from; i < to; i++) delete values[i]; }
    function make(uint256 v) external payable returns (address) { child = new Child{value: msg.value}(v); return address(child); }
    function makeAt(uint256 v, bytes32 salt) external payable returns (address) { child = new Child{value: msg.value, salt: salt}(v); return address(child); }
    function endChild(address payable to) external { child.end(to); }
    function transient(uint256 v) external returns (uint256 r) { assembly { tstore(1, v) r := tload(1) } values[77] = r; }
    function hash(bytes calldata d) external returns (bytes32 h) { h = sha256(d); values[78] = uint256(h) ^ uint256(keccak256(d)); }
    function recover(bytes32 h, uint8 v, bytes32 r, bytes32 s) external returns (address a) { a = ecrecover(h, v, r, s); values[79] = uint160(a); }
    function pay(address payable to) external payable { (bool ok,) = to.call{value: msg.value}(""); require(ok); }
    function copy(uint256 n) external returns (uint256 sum) { bytes memory b = new bytes(n); for (uint256 i = 0; i < n; i += 32) { b[i] = bytes1(uint8(i)); } sum = uint256(keccak256(b)); values[80] = sum; }
}
