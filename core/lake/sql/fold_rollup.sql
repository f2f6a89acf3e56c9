-- The hours that have several rows for one key, folded to one each.
CREATE OR REPLACE TEMP TABLE folded AS
WITH split AS (
    SELECT DISTINCT hour FROM (
        SELECT hour
        FROM lake.rollup_hour
        GROUP BY hour, organization_id, source_type, source_id, actor, team_id, project_id, target, event_type
        HAVING count(*) > 1
    )
)
SELECT
    hour, organization_id, source_type, source_id, actor, team_id, project_id, target, event_type,
    sum(events)::BIGINT AS events,
    sum(requests)::BIGINT AS requests,
    sum(unpriced)::BIGINT AS unpriced,
    sum(cost_nanousd)::BIGINT AS cost_nanousd,
    sum(tokens_input)::BIGINT AS tokens_input,
    sum(tokens_output)::BIGINT AS tokens_output,
    max(last_event_at) AS last_event_at
FROM lake.rollup_hour
WHERE hour IN (SELECT hour FROM split)
GROUP BY ALL;
