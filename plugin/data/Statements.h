#pragma once

namespace HangDetection::Statements {

/// The statements of plugin/data/sql, where each file explains its parameters.
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
