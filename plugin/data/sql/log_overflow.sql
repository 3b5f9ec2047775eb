-- Whether the log of a job j has overflowed: then Coder writes no more lines of a job that goes on. Schemas before 2025
-- do not have the column. There its name means the one of `absent`.
SELECT
    (
        SELECT logs_overflowed
        FROM provisioner_jobs overflow
        WHERE overflow.id = j.id
    ) AS has_overflowed
FROM (SELECT false AS logs_overflowed) AS absent
