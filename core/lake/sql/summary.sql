WITH this_window AS MATERIALIZED (
    SELECT actor, requests, unpriced, cost_nanousd
    FROM activity($organization_id, $since, $until)
),
people AS (
    SELECT DISTINCT actor FROM this_window WHERE actor <> '' AND requests > 0
),
known_people AS (
    SELECT DISTINCT actor
    FROM activity($organization_id, TIMESTAMPTZ '1970-01-01 00:00:00+00', $since)
    WHERE requests > 0
)
SELECT
    coalesce((SELECT sum(cost_nanousd) FROM this_window), 0)::BIGINT,
    coalesce((SELECT sum(cost_nanousd) FROM activity($organization_id, $before, $since)), 0)::BIGINT,
    (SELECT count(*) FROM people),
    (SELECT count(*) FROM people ANTI JOIN known_people USING (actor)),
    coalesce((SELECT sum(requests) FROM this_window), 0)::BIGINT,
    coalesce((SELECT sum(unpriced) FROM this_window), 0)::BIGINT;
