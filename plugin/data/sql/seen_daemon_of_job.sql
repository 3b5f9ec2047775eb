-- The daemon that took a job, for find_names.sql. Without a last_seen_at it was never seen. Times have limits,
-- because an infinite one cannot be subtracted.
SELECT
    d.name::text AS name,
    CASE
        WHEN d.last_seen_at IS NOT NULL THEN
            floor(extract(epoch FROM now() - greatest(least(d.last_seen_at, now()), now() - interval '1000 years'))
                ::double precision)::bigint
    END AS seen_s
FROM provisioner_jobs j
JOIN provisioner_daemons d ON d.id = j.worker_id
WHERE j.id = job.id
