UPDATE lake.gateway_activity_events
SET actor = $pseudonym, raw_payload = ''
WHERE organization_id = $organization_id
  AND (lower(actor) IN ($email, $full_name) OR principal_user_id = $user_id);
