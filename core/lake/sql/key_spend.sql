SELECT virtual_key_id, coalesce(sum(cost_nanousd), 0)::BIGINT
FROM lake.gateway_activity_events
WHERE organization_id = $organization_id AND source_id = $source_id
    AND event_timestamp >= $since AND event_timestamp < $until
    AND list_contains($key_ids::VARCHAR[], virtual_key_id)
GROUP BY virtual_key_id;
