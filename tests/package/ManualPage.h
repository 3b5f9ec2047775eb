#pragma once

#include <string>
#include <vector>

namespace HangDetection::Test {

std::vector<std::string> manualPages();
/// The paths of all sources of manual pages.

std::string textOfPage(const std::string& name);
/// What a reader of the page, such as "hang-detector-sim.1", sees, without line breaks: each
/// run of blanks is one blank. Throws std::runtime_error when there is no such page.

} // namespace HangDetection::Test
