#pragma once

namespace HangDetection {

struct Statement
/// A statement of plugin/data/sql.
{
    const char* name;
    const char* text;
};

} // namespace HangDetection

namespace HangDetection::Statements {

/// Each file explains the parameters of its statement.
extern const Statement find_hung_jobs;
extern const Statement find_revived_jobs;
extern const Statement find_terminated_jobs;
extern const Statement terminate_jobs;
extern const Statement terminate_named_jobs;
extern const Statement preview_terminations;
extern const Statement preview_named_terminations;
extern const Statement prepare_session;
extern const Statement wants_index;

} // namespace HangDetection::Statements
