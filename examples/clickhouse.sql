-- Tables of the order history that `buildernet orderflow` writes (--indexer.clickhouse.*), for
-- ClickHouse 21.8 and later, as FlowProxy's stand. Hashes and addresses are bytes: hex(hash),
-- unhex('..'); access and authorization lists are RLP.

CREATE TABLE IF NOT EXISTS bundles (
  received_at DateTime64(6, 'UTC'),
  `transactions.hash` Array(FixedString(32)),
  `transactions.from` Array(FixedString(20)),
  `transactions.nonce` Array(UInt64),
  `transactions.r` Array(UInt256),
  `transactions.s` Array(UInt256),
  `transactions.v` Array(UInt8),
  `transactions.to` Array(Nullable(FixedString(20))),
  `transactions.gas` Array(UInt64),
  `transactions.type` Array(UInt8),
  `transactions.input` Array(String),
  `transactions.value` Array(UInt256),
  `transactions.gasPrice` Array(Nullable(UInt128)),
  `transactions.maxFeePerGas` Array(Nullable(UInt128)),
  `transactions.maxPriorityFeePerGas` Array(Nullable(UInt128)),
  `transactions.accessList` Array(Nullable(String)),
  `transactions.authorizationList` Array(Nullable(String)),
  `transactions.raw` Array(String),
  block_number UInt64,
  min_timestamp Nullable(UInt64),
  max_timestamp Nullable(UInt64),
  reverting_tx_hashes Array(FixedString(32)),
  dropping_tx_hashes Array(FixedString(32)),
  refund_tx_hashes Array(FixedString(32)),
  replacement_uuid Nullable(UUID),
  replacement_nonce Nullable(UInt64),
  refund_percent Nullable(UInt8),
  refund_recipient Nullable(FixedString(20)),
  delayed_refund Nullable(UInt8),
  refund_identity Nullable(FixedString(20)),
  signer_address Nullable(FixedString(20)),
  hash FixedString(32),
  internal_uuid UUID,
  builder_name LowCardinality(String),
  version UInt8
) ENGINE = MergeTree() PARTITION BY toYYYYMM(received_at) ORDER BY received_at;

CREATE TABLE IF NOT EXISTS bundle_receipts (
  bundle_hash FixedString(32),
  double_bundle_hash FixedString(32),
  sent_at Nullable(DateTime64(6, 'UTC')),
  received_at DateTime64(6, 'UTC'),
  dst_builder_name LowCardinality(String),
  src_builder_name LowCardinality(String),
  payload_size UInt32,
  priority UInt8
) ENGINE = MergeTree() PARTITION BY toYYYYMM(received_at) ORDER BY received_at;

-- Everything that happened to any order: received, from_peer, shared, cancelled (the order that
-- cancels; table bundles has the uuid by which what it cancels is found). Written when
-- --indexer.clickhouse.events-table-name names it.
CREATE TABLE IF NOT EXISTS order_events (
  at DateTime64(6, 'UTC'),
  kind LowCardinality(String),
  id FixedString(32),
  hash FixedString(32),
  method LowCardinality(String),
  signer_address FixedString(20),
  peer_name LowCardinality(String),
  builder_name LowCardinality(String),
  block_number UInt64,
  payload_size UInt32,
  priority UInt8
) ENGINE = MergeTree() PARTITION BY toYYYYMM(at) ORDER BY at;
