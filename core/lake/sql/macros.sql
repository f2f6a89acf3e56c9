-- One organization's activity from `since` (inclusive) to `until` (exclusive), exact to the microsecond: whole
-- hours come from the sums, the ragged ends from the events. Every page sum goes through here.
CREATE OR REPLACE MACRO whole_hours_from(since, until) AS
    least(date_trunc('hour', since + INTERVAL 1 HOUR - INTERVAL 1 MICROSECOND), until);

CREATE OR REPLACE MACRO whole_hours_to(since, until) AS
    greatest(date_trunc('hour', until), whole_hours_from(since, until));

CREATE OR REPLACE MACRO single_events(org, since, until) AS TABLE
SELECT
    event_timestamp AS moment,
    source_type, source_id, actor, team_id, project_id, target, event_type,
    1::BIGINT AS events,
    (event_type <> 'api.refused')::BIGINT AS requests,
    (event_type <> 'api.refused' AND cost_source IN ('flat', 'unpriced'))::BIGINT AS unpriced,
    cost_nanousd,
    event_timestamp AS last_event_at
FROM lake.gateway_activity_events
WHERE organization_id = org AND event_timestamp >= since AND event_timestamp < until;

CREATE OR REPLACE MACRO activity(org, since, until) AS TABLE
SELECT
    hour AS moment,
    source_type, source_id, actor, team_id, project_id, target, event_type,
    events, requests, unpriced, cost_nanousd, last_event_at
FROM lake.rollup_hour
WHERE organization_id = org
  AND hour >= whole_hours_from(since, until)
  AND hour < whole_hours_to(since, until)
UNION ALL
SELECT * FROM single_events(org, since, whole_hours_from(since, until))
UNION ALL
SELECT * FROM single_events(org, whole_hours_to(since, until), until);
