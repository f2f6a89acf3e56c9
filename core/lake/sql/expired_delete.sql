-- Sums an hour stay: what was spent is not forgotten with the event.
DELETE FROM lake.gateway_activity_events
WHERE organization_id = $organization_id
  AND event_timestamp < $before
  AND ingested_at >= $holds_from
  AND ($team_id = '' OR team_id = $team_id)
  AND ($project_id = '' OR project_id = $project_id)
  AND NOT list_contains($except_teams::VARCHAR[], coalesce(team_id, ''))
  AND NOT list_contains($except_projects::VARCHAR[], coalesce(project_id, ''));
