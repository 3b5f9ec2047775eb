-- For find_names.sql, where the role may not read provisioner_daemons.
SELECT NULL::text AS name, NULL::bigint AS seen_s
