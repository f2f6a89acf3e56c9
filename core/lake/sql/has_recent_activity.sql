SELECT 1 FROM lake.rollup_hour
WHERE organization_id = $organization_id AND last_event_at >= $since LIMIT 1;
