WITH teams AS (
    SELECT
        coalesce(team_id, '') AS team_id,
        sum(cost_nanousd)::BIGINT AS spend,
        sum(requests)::BIGINT AS requests,
        max(last_event_at) AS last_activity_at,
        count(DISTINCT source_id) AS sources
    FROM activity($organization_id, $since, $until)
    WHERE requests > 0
    GROUP BY ALL
),
previous AS (
    SELECT coalesce(team_id, '') AS team_id, sum(cost_nanousd)::BIGINT AS spend
    FROM activity($organization_id, $before, $since)
    GROUP BY ALL
)
SELECT teams.team_id, teams.spend, requests, last_activity_at, coalesce(previous.spend, 0), sources
FROM teams LEFT JOIN previous USING (team_id)
ORDER BY teams.spend DESC, teams.team_id;
