SELECT
    coalesce(sum(cost_nanousd), 0)::BIGINT,
    coalesce(sum(requests), 0)::BIGINT
FROM activity($organization_id, $since, $until)
WHERE CASE $scope
    WHEN 'organization' THEN true
    WHEN 'source_type' THEN source_type = $scope_id
    WHEN 'source' THEN source_id = $scope_id
    WHEN 'team' THEN team_id = $scope_id
    WHEN 'project' THEN project_id = $scope_id
    ELSE false
END;
