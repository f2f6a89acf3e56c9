SELECT * EXCLUDE (tenant_id)
FROM lake.gateway_activity_events
WHERE organization_id = $organization_id
  AND (lower(actor) IN ($email, $full_name) OR principal_user_id = $user_id)
ORDER BY event_timestamp;
