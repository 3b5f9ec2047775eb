-- Appends five lines to the log of each job of `changed`, which has its id, its stage and the third of these lines.
-- A sequence gives the ids in the order of this query, and created_at rises in the same order.
logged AS (
    INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)
    SELECT
        changed.id,
        now() + added.number * interval '1 millisecond',
        'provisioner_daemon'::log_source,
        'error'::log_level,
        changed.stage,
        added.output
    FROM changed
    CROSS JOIN LATERAL (VALUES
        (0::double precision, ''),
        (1, '===================='),
        (2, changed.line),
        (3, '===================='),
        (4, '')
    ) AS added (number, output)
    ORDER BY changed.id, added.number
    RETURNING id, job_id
),

first_line AS (
    SELECT job_id, min(id) AS id, count(*) AS lines
    FROM logged
    GROUP BY job_id
)
