-- The jobs that are running, for find_jobs.sql. The first condition is word by word that of
-- packaging/sql/index.sql. The second part goes by Coder's own index on what was never started: a job
-- that was canceled before its start is being canceled, as Coder has it, which is a way to run.
SELECT id, updated_at, canceled_at, xmin AS writer
FROM provisioner_jobs
WHERE started_at IS NOT NULL AND completed_at IS NULL
UNION ALL
SELECT id, updated_at, canceled_at, xmin AS writer
FROM provisioner_jobs
WHERE started_at IS NULL AND canceled_at IS NOT NULL AND completed_at IS NULL
