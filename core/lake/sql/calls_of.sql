SELECT
    event_id, organization_id, source_type, source_id, event_type, event_timestamp, ingested_at,
    actor, action, target, cost_nanousd, cost_source, is_estimated, tokens_input, tokens_output,
    fresh_input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens,
    model, requested_model, provider_id, provider_type, outcome, code, status, team_id, project_id,
    virtual_key_id, principal_user_id, is_streamed, duration_ms, first_byte_ms,
    trace_id, span_id, parent_span_id, session_id, raw_payload
FROM lake.gateway_activity_events
WHERE organization_id = $organization_id AND source_id = $source_id AND event_timestamp >= $since
    AND CASE $owner WHEN 'virtual_key' THEN virtual_key_id ELSE principal_user_id END = $owner_id
ORDER BY event_timestamp DESC, event_id DESC
LIMIT $limit;
