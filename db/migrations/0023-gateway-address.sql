-- Where a gateway can be asked directly, while Postgres cannot tell it anything.

ALTER TABLE gateway ADD COLUMN address text CHECK (length(address) BETWEEN 1 AND 300);

-- `record_gateway_seen` stays for gateways of the release before.
CREATE FUNCTION record_gateway_at(gateway_id text, gateway_address text) RETURNS SETOF gateway LANGUAGE sql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO gateway (id, address, seen_at) VALUES (gateway_id, gateway_address, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET address = excluded.address, seen_at = excluded.seen_at RETURNING *
$$;
REVOKE EXECUTE ON FUNCTION record_gateway_at(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_gateway_at(text, text) TO modelwright_application;
