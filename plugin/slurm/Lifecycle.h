#pragma once

#include <filesystem>
#include <string_view>

namespace HangDetection {

void startDetector(const std::filesystem::path& settingsFile, std::string_view cluster);
/// Starts the detector of this process. exit() stops the detector before the libraries that the detector's
/// thread uses. Throws std::system_error when no thread can be started.

void stopDetector();
/// Asks the detector to stop, if there is one, and returns at once: slurmctld holds its locks when it calls
/// fini, so nothing may wait here. The thread ends by itself.

} // namespace HangDetection
