CREATE OR REPLACE TEMP TABLE staged AS
SELECT
    * EXCLUDE (event_timestamp, ingested_at, status),
    status::INTEGER AS status,
    make_timestamptz(event_timestamp) AS event_timestamp,
    make_timestamptz(ingested_at) AS ingested_at
FROM (
    SELECT unnest(from_json($events, '[{
        "event_id": "VARCHAR", "organization_id": "VARCHAR", "source_type": "VARCHAR",
        "source_id": "VARCHAR", "event_type": "VARCHAR", "event_timestamp": "BIGINT",
        "ingested_at": "BIGINT", "actor": "VARCHAR", "action": "VARCHAR", "target": "VARCHAR",
        "cost_nanousd": "BIGINT", "cost_source": "VARCHAR", "is_estimated": "BOOLEAN",
        "tokens_input": "BIGINT", "tokens_output": "BIGINT", "fresh_input_tokens": "BIGINT",
        "cache_read_tokens": "BIGINT", "cache_write_tokens": "BIGINT",
        "cache_write_1h_tokens": "BIGINT", "model": "VARCHAR", "requested_model": "VARCHAR",
        "provider_id": "VARCHAR", "provider_type": "VARCHAR", "outcome": "VARCHAR",
        "code": "VARCHAR", "status": "BIGINT", "team_id": "VARCHAR", "project_id": "VARCHAR",
        "virtual_key_id": "VARCHAR", "principal_user_id": "VARCHAR", "is_streamed": "BOOLEAN",
        "duration_ms": "BIGINT", "first_byte_ms": "BIGINT", "trace_id": "VARCHAR",
        "span_id": "VARCHAR", "parent_span_id": "VARCHAR", "session_id": "VARCHAR",
        "raw_payload": "VARCHAR"
    }]'), recursive := true)
);
