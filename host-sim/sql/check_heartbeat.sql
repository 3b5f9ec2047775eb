-- How long ago the newest heartbeat of a running job was, in seconds; negative when it is of the future. No row
-- when no job runs.
SELECT floor(extract(epoch FROM now() - max(updated_at)))::bigint AS newest_s
FROM provisioner_jobs
WHERE started_at IS NOT NULL AND completed_at IS NULL AND canceled_at IS NULL AND isfinite(updated_at)
HAVING count(*) > 0
