#pragma once

#include <filesystem>
#include <string_view>

namespace HangDetection {

void startDetector(const std::filesystem::path& settingsFile, std::string_view cluster);
/// Starts the detector of this process, and makes sure that exit() stops it before
/// the libraries that its thread uses are taken down. Throws SettingsError, and
/// std::system_error when no thread can be had.

void stopDetector();
/// Tells the detector to stop, if there is one, and returns at once: slurmctld calls
/// fini with its locks held, so nobody may wait here. Its thread ends by itself.

} // namespace HangDetection
