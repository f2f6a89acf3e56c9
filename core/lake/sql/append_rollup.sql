INSERT INTO lake.rollup_hour BY NAME
SELECT
    date_trunc('hour', event_timestamp) AS hour,
    organization_id, source_type, source_id, actor, team_id, project_id, target, event_type,
    count(*) AS events,
    count(*) FILTER (event_type <> 'api.refused') AS requests,
    count(*) FILTER (event_type <> 'api.refused' AND cost_source IN ('flat', 'unpriced')) AS unpriced,
    sum(cost_nanousd)::BIGINT AS cost_nanousd,
    sum(tokens_input)::BIGINT AS tokens_input,
    sum(tokens_output)::BIGINT AS tokens_output,
    max(event_timestamp) AS last_event_at
FROM fresh
GROUP BY ALL;
