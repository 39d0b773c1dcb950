-- The table for vector.yaml: clickhouse-client --multiquery < clickhouse.sql
-- Its columns are some of those of `connbox conntrackd --log FILE --log-format json` (connbox-conntrackd(1)); the others
-- are skipped, and any may be added under its name.
--
-- Run with ClickHouse 26.9 (chdb-core 26.9.0 of PyPI): the table, and an INSERT as Vector sends it of a real log with TCP, UDP
-- and ICMP, IPv4 and IPv6, NAT, and a protocol that has only a number. Debian's ClickHouse, 18.16, has no DateTime64.
CREATE TABLE IF NOT EXISTS flows
(
    host LowCardinality(String),
    -- When the flow ended.
    time DateTime64(3, 'UTC'),
    proto LowCardinality(String),
    state LowCardinality(Nullable(String)),
    -- IPv4 addresses are kept as ::ffff:a.b.c.d.
    src IPv6,
    dst IPv6,
    sport Nullable(UInt16),
    dport Nullable(UInt16),
    icmp_type Nullable(UInt8),
    icmp_code Nullable(UInt8),
    -- Where the replies come from and go to: with NAT, not dst and src.
    reply_src IPv6,
    reply_dst IPv6,
    reply_sport Nullable(UInt16),
    reply_dport Nullable(UInt16),
    -- Absent without nf_conntrack_acct.
    packets Nullable(UInt64),
    bytes Nullable(UInt64),
    reply_packets Nullable(UInt64),
    reply_bytes Nullable(UInt64),
    ct_mark Nullable(UInt32),
    zone Nullable(UInt16),
    -- Since 1970; absent without nf_conntrack_timestamp.
    start_seconds Nullable(Float64),
    stop_seconds Nullable(Float64)
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(time)
ORDER BY (host, time)
TTL toDateTime(time) + INTERVAL 90 DAY;
