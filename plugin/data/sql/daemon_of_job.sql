-- The daemon that took a job, for find_names.sql, where nothing says when it was seen.
SELECT d.name::text AS name, NULL::bigint AS seen_s
FROM provisioner_jobs j
JOIN provisioner_daemons d ON d.id = j.worker_id
WHERE j.id = job.id
