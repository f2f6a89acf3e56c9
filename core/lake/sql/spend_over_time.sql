WITH days AS MATERIALIZED (
    SELECT
        moment::DATE AS day,
        CASE $group_by
            WHEN 'team' THEN coalesce(team_id, '')
            WHEN 'user' THEN actor
            ELSE target
        END AS key,
        sum(cost_nanousd)::BIGINT AS spend,
        sum(requests)::BIGINT AS requests
    FROM activity($organization_id, $since, $until)
    WHERE requests > 0
    GROUP BY ALL
),
leaders AS (
    SELECT key FROM days GROUP BY key ORDER BY sum(spend) DESC, key LIMIT $series
)
SELECT
    day,
    CASE WHEN key IN (SELECT key FROM leaders) THEN key ELSE $other END AS series_key,
    sum(spend)::BIGINT,
    sum(requests)::BIGINT
FROM days
GROUP BY ALL
ORDER BY ALL;
