#pragma once

namespace HangDetection::Benchmark::Sql {

/// The scripts of tests/benchmark/sql, where each file explains what it does.
extern const char* const add_hung_jobs;
extern const char* const add_finished_jobs;
extern const char* const add_log_lines;
extern const char* const floor;
extern const char* const floor_search;

} // namespace HangDetection::Benchmark::Sql
