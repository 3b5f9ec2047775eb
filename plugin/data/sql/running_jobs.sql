-- The running jobs, for find_jobs.sql and others. The first condition is the one of packaging/sql/index.sql, word by
-- word, so that the server uses that index. The second part uses Coder's own index on the jobs that never
-- started. For Coder, a job that was canceled before its start is still being canceled, so it counts as
-- running.
SELECT id, started_at, updated_at, canceled_at, xmin AS writer
FROM provisioner_jobs
WHERE started_at IS NOT NULL AND completed_at IS NULL
UNION ALL
SELECT id, started_at, updated_at, canceled_at, xmin AS writer
FROM provisioner_jobs
WHERE started_at IS NULL AND canceled_at IS NOT NULL AND completed_at IS NULL
