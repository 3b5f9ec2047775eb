#include "ManualPage.h"

#include "Command.h"

#include <algorithm>
#include <filesystem>
#include <regex>

namespace HangDetection::Test {

std::vector<std::string> manualPages()
{
    std::vector<std::string> pages;
    for (const auto& entry : std::filesystem::directory_iterator(MANUAL_PAGES))
        pages.push_back(entry.path());
    std::sort(pages.begin(), pages.end());
    return pages;
}

std::string textOfPage(const std::string& name)
{
    const std::string page = Sim::mustRun({"mandoc", "-Tascii", std::string(MANUAL_PAGES) + '/' + name});
    // Bold and underlined characters are struck twice.
    const std::string plain = std::regex_replace(page, std::regex(".\b"), "");
    return std::regex_replace(plain, std::regex("\\s+"), " ");
}

} // namespace HangDetection::Test
