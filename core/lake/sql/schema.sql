-- Applied by the writer when it opens the lake. Times are UTC; money is nano-USD.
CREATE TABLE IF NOT EXISTS lake.gateway_activity_events (
    tenant_id VARCHAR,              -- the source, as the contract of this table has it
    organization_id VARCHAR,
    source_type VARCHAR,
    source_id VARCHAR,
    event_id VARCHAR,               -- unique within a source
    event_type VARCHAR,
    actor VARCHAR,
    action VARCHAR,
    target VARCHAR,
    cost_usd DECIMAL(18, 6),        -- cost_nanousd, rounded for people
    cost_nanousd BIGINT,
    cost_source VARCHAR,
    is_estimated BOOLEAN,
    tokens_input BIGINT,            -- every token read, cached or not
    tokens_output BIGINT,
    fresh_input_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_tokens BIGINT,
    cache_write_1h_tokens BIGINT,
    model VARCHAR,
    requested_model VARCHAR,
    provider_id VARCHAR,
    provider_type VARCHAR,
    outcome VARCHAR,
    code VARCHAR,
    status INTEGER,
    team_id VARCHAR,
    project_id VARCHAR,
    virtual_key_id VARCHAR,
    principal_user_id VARCHAR,
    is_streamed BOOLEAN,
    duration_ms BIGINT,
    first_byte_ms BIGINT,
    trace_id VARCHAR,
    span_id VARCHAR,
    parent_span_id VARCHAR,
    session_id VARCHAR,
    raw_payload VARCHAR,
    event_timestamp TIMESTAMPTZ,
    ingested_at TIMESTAMPTZ
);

-- Sums an hour. Rows add up: a commit appends its own, compaction folds them together.
CREATE TABLE IF NOT EXISTS lake.rollup_hour (
    hour TIMESTAMPTZ,
    organization_id VARCHAR,
    source_type VARCHAR,
    source_id VARCHAR,
    actor VARCHAR,
    team_id VARCHAR,
    project_id VARCHAR,
    target VARCHAR,
    event_type VARCHAR,
    events BIGINT,
    requests BIGINT,                -- events that were not refused
    unpriced BIGINT,                -- requests whose cost is a guess or unknown
    cost_nanousd BIGINT,
    tokens_input BIGINT,
    tokens_output BIGINT,
    last_event_at TIMESTAMPTZ
);

-- One row: the last inbox row whose events are in this lake, written in their transaction.
CREATE TABLE IF NOT EXISTS lake.inbox_watermark (
    inbox_id BIGINT,
    written_at TIMESTAMPTZ
);
