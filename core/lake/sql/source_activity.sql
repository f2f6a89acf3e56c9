WITH counted AS (
    SELECT source_id, 1 AS days, events FROM activity($organization_id, $day_ago, $until)
    UNION ALL
    SELECT source_id, 7, events FROM activity($organization_id, $week_ago, $until)
    UNION ALL
    SELECT source_id, 30, events FROM activity($organization_id, $month_ago, $until)
),
latest AS (
    SELECT source_id, max(last_event_at) AS last_event_at
    FROM lake.rollup_hour
    WHERE organization_id = $organization_id
    GROUP BY source_id
)
SELECT
    latest.source_id,
    coalesce(sum(events) FILTER (days = 1), 0)::BIGINT,
    coalesce(sum(events) FILTER (days = 7), 0)::BIGINT,
    coalesce(sum(events) FILTER (days = 30), 0)::BIGINT,
    any_value(latest.last_event_at)
FROM latest LEFT JOIN counted USING (source_id)
GROUP BY latest.source_id;
