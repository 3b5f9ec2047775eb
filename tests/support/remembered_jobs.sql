-- Rows as they were, and what one look at all of them says has become of each job:
-- it is untouched, or terminated by the contract to the letter, or something in between.
CREATE SCHEMA remembered

CREATE TABLE provisioner_jobs (LIKE public.provisioner_jobs INCLUDING INDEXES)
CREATE TABLE provisioner_job_logs (LIKE public.provisioner_job_logs INCLUDING INDEXES)
CREATE TABLE workspace_builds (LIKE public.workspace_builds INCLUDING INDEXES)

-- One row.
CREATE TABLE settings (
    -- A job is terminated that was silent for so long; minutes and reason as the texts name them.
    threshold interval NOT NULL,
    minutes text NOT NULL,
    reason text NOT NULL,
    -- Columns of provisioner_jobs that somebody else changes meanwhile; they tell nothing.
    changed_by_workers text[] NOT NULL
)

-- Jobs with which nothing more may happen. Those that were seen to be terminated have the
-- payload of the notification, those that were remembered as completed have none.
CREATE TABLE settled (id uuid PRIMARY KEY, payload text)

CREATE VIEW outcome AS
SELECT
    was.id,
    -- What whoever follows the log has to receive.
    '{"created_after":' || new_log.first_line - 1 || ',"end_of_logs":true}' AS payload,
    coalesce(
        to_jsonb(job) - changed_by_workers = to_jsonb(was) - changed_by_workers
        AND to_jsonb(build) IS NOT DISTINCT FROM to_jsonb(was_build)
        AND keeps_lines
        AND new_log.lines IS NULL,
        false) AS is_untouched,
    -- What is missing for a complete termination; empty when nothing is.
    (
        SELECT coalesce(string_agg(defect, '; '), '')
        FROM (VALUES
            ('was completed before', was.completed_at IS NULL),
            ('not marked failed: ' || coalesce(job.error, 'no error') || coalesce(' with code ' || job.error_code, ''),
                job.error IN (expected.text || ' and has been terminated by hang detector.',
                    expected.text || ' and has been terminated by the reaper.')
                AND job.error_code IS NULL),
            ('not completed at one instant after the threshold',
                job.updated_at = job.completed_at
                AND (settings.reason <> 'pending' OR job.started_at = job.completed_at)
                -- What is committed before the snapshot of a look may have begun after its now().
                AND job.completed_at BETWEEN was.updated_at + threshold AND now() + interval '1 second'),
            ('another column was changed',
                to_jsonb(job) - expected.changes - changed_by_workers
                    = to_jsonb(was) - expected.changes - changed_by_workers),
            ('an earlier line was changed', keeps_lines),
            ('not the five lines: ' || coalesce(new_log.lines::text, 'none'),
                new_log.lines = (
                    SELECT array_agg(concat_ws('|', 'provisioner_daemon', 'error',
                        coalesce(nullif(last.stage, ''), 'Unknown'),
                        number * interval '1 millisecond', output) ORDER BY number)
                    FROM (VALUES
                        (0, ''),
                        (1, '===================='),
                        (2, expected.text || ' and will be terminated.'),
                        (3, '===================='),
                        (4, '')
                    ) AS line (number, output))),
            ('not the right state',
                CASE
                    WHEN octet_length(was_build.provisioner_state) > 0 OR previous_build.id IS NULL THEN
                        to_jsonb(build) IS NOT DISTINCT FROM to_jsonb(was_build)
                    ELSE
                        to_jsonb(build) - '{updated_at,provisioner_state}'::text[]
                            = to_jsonb(was_build) - '{updated_at,provisioner_state}'::text[]
                        AND build.provisioner_state IS NOT DISTINCT FROM previous_build.provisioner_state
                        AND build.updated_at = job.completed_at
                END)
        ) AS requirement (defect, is_met)
        WHERE is_met IS NOT true
    ) AS defects
FROM remembered.settings
CROSS JOIN LATERAL (
    SELECT
        'Coder: Build has been detected as ' || reason || ' for ' || minutes || ' minutes' AS text,
        -- The columns of a job that a termination changes.
        '{updated_at,completed_at,error,error_code}'::text[]
            || CASE reason WHEN 'pending' THEN '{started_at}'::text[] ELSE '{}' END AS changes
) AS expected
CROSS JOIN remembered.provisioner_jobs was
LEFT JOIN public.provisioner_jobs job ON job.id = was.id
LEFT JOIN remembered.workspace_builds was_build ON was_build.job_id = was.id
LEFT JOIN public.workspace_builds build ON build.job_id = was.id
LEFT JOIN remembered.workspace_builds previous_build
    ON previous_build.workspace_id = was_build.workspace_id
    AND previous_build.build_number = was_build.build_number - 1
LEFT JOIN LATERAL (
    SELECT l.stage
    FROM remembered.provisioner_job_logs l WHERE l.job_id = was.id ORDER BY l.id DESC LIMIT 1
) AS last ON true
CROSS JOIN LATERAL (
    SELECT
        min(l.id) AS first_line,
        array_agg(concat_ws('|', l.source, l.level, l.stage, l.created_at - job.completed_at, l.output)
            ORDER BY l.id) AS lines
    FROM public.provisioner_job_logs l
    WHERE l.job_id = was.id AND NOT EXISTS (SELECT FROM remembered.provisioner_job_logs r WHERE r.id = l.id)
) AS new_log
CROSS JOIN LATERAL (
    SELECT coalesce(bool_and(to_jsonb(l) IS NOT DISTINCT FROM to_jsonb(r)), true) AS keeps_lines
    FROM remembered.provisioner_job_logs r
    LEFT JOIN public.provisioner_job_logs l ON l.id = r.id
    WHERE r.job_id = was.id
) AS old_log
