WITH used AS (
    SELECT
        actor, target,
        sum(cost_nanousd) AS cost_nanousd,
        sum(requests) AS requests,
        max(last_event_at) AS last_event_at
    FROM activity($organization_id, $since, $until)
    WHERE actor <> '' AND requests > 0
    GROUP BY ALL
),
people AS (
    SELECT
        actor,
        sum(cost_nanousd)::BIGINT AS spend,
        sum(requests)::BIGINT AS requests,
        max(last_event_at) AS last_activity_at,
        coalesce(arg_max(target, (requests, cost_nanousd, target)) FILTER (target <> ''), '') AS favourite
    FROM used
    GROUP BY actor
),
previous AS (
    SELECT actor, sum(cost_nanousd)::BIGINT AS spend
    FROM activity($organization_id, $before, $since)
    WHERE actor <> ''
    GROUP BY actor
)
SELECT people.actor, people.spend, requests, last_activity_at, coalesce(previous.spend, 0), favourite
FROM people LEFT JOIN previous USING (actor)
ORDER BY
    $direction * CASE $sort
        WHEN 'requests' THEN requests
        WHEN 'last_activity' THEN epoch_us(last_activity_at)
        ELSE people.spend
    END DESC,
    people.actor
LIMIT $limit OFFSET $offset;
