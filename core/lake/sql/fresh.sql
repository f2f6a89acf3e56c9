-- What of the staged events is new: the first of each id, and none that the lake has already.
CREATE OR REPLACE TEMP TABLE fresh AS
SELECT s.*
FROM (
    SELECT * FROM staged
    QUALIFY row_number() OVER (PARTITION BY source_id, event_id ORDER BY ingested_at) = 1
) AS s
ANTI JOIN (
    SELECT source_id, event_id
    FROM lake.gateway_activity_events
    WHERE event_timestamp BETWEEN $earliest AND $latest
      AND event_id IN (SELECT event_id FROM staged)
) AS known ON known.source_id = s.source_id AND known.event_id = s.event_id;
