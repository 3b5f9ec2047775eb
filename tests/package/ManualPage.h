#pragma once

#include "Command.h"

#include <algorithm>
#include <filesystem>
#include <regex>

namespace HangDetection::Test {

inline std::vector<std::string> manualPages()
/// The paths of all sources of manual pages.
{
    std::vector<std::string> pages;
    for (const auto& entry : std::filesystem::directory_iterator(MANUAL_PAGES))
        pages.push_back(entry.path());
    std::sort(pages.begin(), pages.end());
    return pages;
}

inline std::string textOfPage(const std::string& name)
/// What a reader of the page, such as "hang-detector-sim.1", sees, without line breaks: each
/// run of blanks is one blank. Throws std::runtime_error when there is no such page.
{
    const std::string page = Sim::mustRun({"mandoc", "-Tascii", std::string(MANUAL_PAGES) + '/' + name});
    // Bold and underlined characters are struck twice.
    const std::string plain = std::regex_replace(page, std::regex(".\b"), "");
    return std::regex_replace(plain, std::regex("\\s+"), " ");
}

} // namespace HangDetection::Test
