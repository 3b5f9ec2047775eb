#pragma once

namespace HangDetection::Test {

extern const char* const rememberedJobsSql;
/// The text of remembered_jobs.sql.

} // namespace HangDetection::Test
