-- Rows as they were, and what one look at all of them says has become of each job:
-- it is untouched, or terminated by the contract to the letter, or something in between.
CREATE SCHEMA remembered

CREATE TABLE provisioner_jobs (LIKE public.provisioner_jobs INCLUDING INDEXES)
CREATE TABLE provisioner_job_logs (LIKE public.provisioner_job_logs INCLUDING INDEXES)
CREATE TABLE workspace_builds (LIKE public.workspace_builds INCLUDING INDEXES)

-- Jobs with which nothing more may happen.
CREATE TABLE settled (id uuid PRIMARY KEY)

CREATE VIEW outcome AS
SELECT
    was.id,
    -- The payload that whoever follows the log has to receive.
    '{"created_after":' || new_log.first_line - 1 || ',"end_of_logs":true}' AS payload,
    coalesce(
        keeps_lines
        AND new_log.lines IS NULL
        AND to_jsonb(job) = to_jsonb(was)
        AND to_jsonb(build) IS NOT DISTINCT FROM to_jsonb(was_build),
        false) AS is_untouched,
    coalesce(
        keeps_lines
        AND new_log.lines = (
            SELECT string_agg(concat_ws('|', 'provisioner_daemon', 'error', coalesce(last.stage, 'Unknown'),
                line.output, line.number * interval '1 millisecond'), E'\n' ORDER BY line.number)
            FROM (VALUES
                (0, ''),
                (1, '===================='),
                (2, 'Coder: Build has been detected as hung for 5 minutes and will be terminated.'),
                (3, '===================='),
                (4, '')
            ) AS line (number, output))
        AND was.completed_at IS NULL
        AND to_jsonb(job) - '{updated_at,completed_at,error}'::text[]
            = to_jsonb(was) - '{updated_at,completed_at,error}'::text[]
        AND job.completed_at BETWEEN was.updated_at + interval '5 minutes' AND now()
        AND job.updated_at = job.completed_at
        AND job.error = 'Coder: Build has been detected as hung for 5 minutes and has been terminated'
            ' by hang detector.'
        AND CASE
            WHEN was_build.provisioner_state IS NULL AND previous_build.id IS NOT NULL THEN
                to_jsonb(build) - '{updated_at,provisioner_state}'::text[]
                    = to_jsonb(was_build) - '{updated_at,provisioner_state}'::text[]
                AND build.provisioner_state = previous_build.provisioner_state
                AND build.updated_at = job.completed_at
            ELSE to_jsonb(build) IS NOT DISTINCT FROM to_jsonb(was_build)
        END,
        false) AS is_terminated
FROM remembered.provisioner_jobs was
LEFT JOIN public.provisioner_jobs job ON job.id = was.id
LEFT JOIN remembered.workspace_builds was_build ON was_build.job_id = was.id
LEFT JOIN public.workspace_builds build ON build.job_id = was.id
LEFT JOIN remembered.workspace_builds previous_build
    ON previous_build.workspace_id = was_build.workspace_id
    AND previous_build.build_number = was_build.build_number - 1
LEFT JOIN LATERAL (
    SELECT l.id, l.stage
    FROM remembered.provisioner_job_logs l WHERE l.job_id = was.id ORDER BY l.id DESC LIMIT 1
) AS last ON true
CROSS JOIN LATERAL (
    SELECT
        min(l.id) AS first_line,
        string_agg(concat_ws('|', l.source, l.level, l.stage, l.output, l.created_at - job.completed_at),
            E'\n' ORDER BY l.id) AS lines
    FROM public.provisioner_job_logs l
    WHERE l.job_id = was.id AND l.id > coalesce(last.id, 0)
) AS new_log
CROSS JOIN LATERAL (
    SELECT NOT EXISTS (
        SELECT
        FROM remembered.provisioner_job_logs l
        LEFT JOIN public.provisioner_job_logs n ON n.id = l.id
        WHERE l.job_id = was.id AND to_jsonb(n) IS DISTINCT FROM to_jsonb(l)
    ) AS keeps_lines
) AS log
