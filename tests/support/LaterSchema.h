#pragma once

#include "JobDatabase.h"

namespace HangDetection::Test {

void migrateTo2026(Sim::JobDatabase& database);
/// Makes of the tables of 2023 those of a Coder deployment of 2026: jobs have a generated status and
/// the length of their log, and a view of the builds does not show their state.

} // namespace HangDetection::Test
