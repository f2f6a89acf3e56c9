SELECT column_name
FROM duckdb_columns()
WHERE database_name = 'lake' AND table_name = 'gateway_activity_events' AND column_name <> 'tenant_id'
ORDER BY column_index;
