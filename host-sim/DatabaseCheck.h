#pragma once

#include "SetupReport.h"

namespace HangDetection {
struct Settings;
}

namespace HangDetection::Sim {

void checkDatabase(const Settings& settings, bool areSettingsRight, SetupReport& report);
/// Whether the detector can work on the job database of these settings, as the user that runs the process,
/// and what its next run would find, if the settings are right. Connects to each address, reads, and makes a
/// dry run. Writes nothing and locks nothing. Takes some seconds, ten more for each address that does not
/// answer, and at most thirty for each question and RunTimeout for the run.

} // namespace HangDetection::Sim
