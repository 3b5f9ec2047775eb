-- Adds log lines to each running job, as many as the setting benchmark.count says, in turns, as jobs that run at
-- the same time write them. The last one is a minute old. Without a check of the foreign key, which would take
-- most of the time.
SET session_replication_role = replica;
INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)
SELECT
    id, now() - interval '1 minute' - (lines.of_each - number) * interval '1 second', 'provisioner', 'info',
    'Planning infrastructure', 'module.dev.aws_instance.workspace: Still creating... [elapsed ' || number || 's]'
FROM (SELECT current_setting('benchmark.count')::integer AS of_each) AS lines
CROSS JOIN LATERAL generate_series(1, lines.of_each) AS number
CROSS JOIN provisioner_jobs
WHERE completed_at IS NULL;
RESET session_replication_role;
