ALTER TABLE lake.gateway_activity_events SET PARTITIONED BY (year(event_timestamp), month(event_timestamp));
INSERT INTO lake.inbox_watermark VALUES (0, now());
