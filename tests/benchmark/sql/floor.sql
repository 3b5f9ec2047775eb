-- What it takes at least to terminate all hung jobs: the same rows are written and the
-- same notifications sent, in one statement without locks and without a second look.
WITH failed AS (
    UPDATE provisioner_jobs
    SET
        updated_at = now(),
        completed_at = now(),
        error = 'Coder: Build has been detected as hung for 5 minutes and has been terminated by hang detector.',
        error_code = NULL
    WHERE started_at IS NOT NULL AND completed_at IS NULL AND updated_at <= now() - interval '5 minutes'
    RETURNING id
),

staged AS MATERIALIZED (
    SELECT
        failed.id,
        coalesce(nullif((
            SELECT l.stage FROM provisioner_job_logs l WHERE l.job_id = failed.id ORDER BY l.id DESC LIMIT 1
        ), ''), 'Unknown') AS stage
    FROM failed
),

logged AS (
    INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)
    SELECT
        staged.id, now() + line.number * interval '1 millisecond', 'provisioner_daemon', 'error', staged.stage,
        line.output
    FROM staged
    CROSS JOIN (VALUES
        (0, ''),
        (1, '===================='),
        (2, 'Coder: Build has been detected as hung for 5 minutes and will be terminated.'),
        (3, '===================='),
        (4, '')
    ) AS line (number, output)
    ORDER BY staged.id, line.number
    RETURNING id, job_id
),

copied AS (
    UPDATE workspace_builds b
    SET provisioner_state = previous.provisioner_state, updated_at = now()
    FROM failed, workspace_builds previous
    WHERE b.job_id = failed.id
      AND previous.workspace_id = b.workspace_id
      AND previous.build_number = b.build_number - 1
      AND coalesce(octet_length(b.provisioner_state), 0) = 0
)

SELECT count(pg_notify(
    'provisioner-log-logs:' || job_id,
    '{"created_after":' || first_id - 1 || ',"end_of_logs":true}'))
FROM (SELECT job_id, min(id) AS first_id FROM logged GROUP BY job_id) AS first_line;
