INSERT INTO lake.gateway_activity_events BY NAME
SELECT
    *,
    source_id AS tenant_id,
    (cost_nanousd / 1000000000)::DECIMAL(18, 6) AS cost_usd
FROM fresh
ORDER BY event_timestamp;
