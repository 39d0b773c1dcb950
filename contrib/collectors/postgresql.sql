-- The table for nfacctd.conf: psql pmacct -f postgresql.sql
CREATE ROLE pmacct LOGIN PASSWORD 'secret';

CREATE TABLE flows (
    ip_src inet NOT NULL,
    ip_dst inet NOT NULL,
    port_src integer NOT NULL,
    -- Of ICMP, 256 times the type, and the code.
    port_dst integer NOT NULL,
    ip_proto text NOT NULL,
    timestamp_start timestamp without time zone NOT NULL,
    timestamp_start_residual integer NOT NULL DEFAULT 0,
    timestamp_end timestamp without time zone NOT NULL,
    timestamp_end_residual integer NOT NULL DEFAULT 0,
    -- Empty and 0 where nothing was translated, so not inet; pmacct does not read the translated addresses of IPv6.
    post_nat_ip_src text,
    post_nat_ip_dst text,
    post_nat_port_src integer,
    post_nat_port_dst integer,
    -- 1 idle, 2 active, 3 ended by its protocol.
    end_reason smallint,
    packets bigint NOT NULL,
    bytes bigint NOT NULL
);
CREATE INDEX ON flows (timestamp_end);
GRANT SELECT, INSERT, UPDATE ON flows TO pmacct;
