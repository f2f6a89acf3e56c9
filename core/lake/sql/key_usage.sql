SELECT
    event_timestamp::DATE AS day,
    CASE WHEN model <> '' THEN model ELSE coalesce(requested_model, '') END AS model,
    coalesce(sum(cost_nanousd), 0)::BIGINT AS spend,
    count(*)::BIGINT AS requests
FROM lake.gateway_activity_events
WHERE organization_id = $organization_id AND source_id = $source_id
    AND event_timestamp >= $since AND event_timestamp < $until
    AND virtual_key_id = $key_id AND event_type <> 'api.refused'
GROUP BY ALL
ORDER BY ALL;
