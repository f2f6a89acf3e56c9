WITH calls AS (
    SELECT
        provider_id, event_timestamp, code, status, duration_ms,
        outcome = 'completed' AS is_good,
        -- What a caller asked for wrongly says nothing of the provider.
        outcome IN ('failed', 'truncated') AND coalesce(status, 0) NOT IN (400, 404, 405, 413, 415, 422)
            AS is_bad
    FROM lake.gateway_activity_events
    WHERE organization_id = $organization_id AND source_id = $source_id
        AND event_timestamp >= $since AND event_timestamp < $until AND provider_id IS NOT NULL
)
SELECT
    provider_id,
    count(*) FILTER (is_good)::BIGINT,
    count(*) FILTER (is_bad)::BIGINT,
    quantile_cont(duration_ms, 0.5) FILTER (is_good)::DOUBLE,
    quantile_cont(duration_ms, 0.95) FILTER (is_good)::DOUBLE,
    max(event_timestamp) FILTER (is_bad),
    arg_max(CASE WHEN code <> '' THEN code ELSE status::VARCHAR END, event_timestamp) FILTER (is_bad)
FROM calls
WHERE is_good OR is_bad
GROUP BY provider_id;
