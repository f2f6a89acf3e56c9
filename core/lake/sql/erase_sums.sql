UPDATE lake.rollup_hour
SET actor = $pseudonym
WHERE organization_id = $organization_id AND lower(actor) IN ($email, $full_name);
