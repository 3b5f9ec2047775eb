-- The columns of a running job j that belongs to a mark: its id, its updated_at, and how long ago it was started and
-- updated, in milliseconds. Times have limits, because infinite ones cannot be subtracted.
    j.id::text,
    j.updated_at::text AS updated_at,
    floor(extract(epoch FROM now() - greatest(least(j.started_at, now()), now() - interval '1000 years'))
        ::double precision * 1000::double precision)::bigint AS started_ms,
    floor(extract(epoch FROM now() - greatest(least(j.updated_at, now()), now() - interval '1000 years'))
        ::double precision * 1000::double precision)::bigint AS silent_ms
