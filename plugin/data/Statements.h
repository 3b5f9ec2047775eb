#pragma once

namespace HangDetection::Statements {

/// Each file explains the parameters of its statement.
extern const char* const find_hung_jobs;
extern const char* const find_revived_jobs;
extern const char* const find_terminated_jobs;
extern const char* const terminate_jobs;
extern const char* const terminate_named_jobs;
extern const char* const preview_terminations;
extern const char* const preview_named_terminations;
extern const char* const prepare_session;
extern const char* const wants_index;

} // namespace HangDetection::Statements
