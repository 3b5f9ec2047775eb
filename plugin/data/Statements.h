#pragma once

namespace HangDetection::Statements {

/// Each file explains the parameters of its statement.
extern const char* const cancel_jobs;
extern const char* const find_canceled_jobs;
extern const char* const find_completed_jobs;
extern const char* const find_jobs;
extern const char* const find_jobs_by_status;
extern const char* const find_jobs_of_daemons;
extern const char* const find_jobs_of_daemons_by_status;
extern const char* const find_lock_holder;
extern const char* const find_lost_terminations;
extern const char* const find_marked_jobs;
extern const char* const find_names;
extern const char* const find_names_and_daemons;
extern const char* const find_names_and_seen_daemons;
extern const char* const find_revived_jobs;
extern const char* const find_running_cancels;
extern const char* const find_running_cancels_by_status;
extern const char* const find_stalled_jobs;
extern const char* const find_stalled_jobs_by_status;
extern const char* const terminate_jobs;
extern const char* const preview_cancels;
extern const char* const preview_terminations;
extern const char* const prepare_session;
extern const char* const wants_index;

} // namespace HangDetection::Statements
