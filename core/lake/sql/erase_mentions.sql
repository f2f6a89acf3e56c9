UPDATE lake.gateway_activity_events
SET raw_payload = regexp_replace(raw_payload, $pattern, $pseudonym, 'gi')
WHERE organization_id = $organization_id AND regexp_matches(raw_payload, $pattern, 'i');
