#pragma once

#include <filesystem>
#include <string>

namespace HangDetection::Test {

const std::filesystem::path& builtPackage();
/// The Debian package of this build, which the first test of the program makes by
/// packaging/package. Throws std::runtime_error with what that said when it fails.

std::string packageField(const std::string& name);
/// A field of its control file, such as Depends.

std::filesystem::path nextPackage(const std::filesystem::path& directory);
/// Makes the package of a later version in the directory, whose sample of the settings has
/// one more line: a comment that says "new in the next version".

} // namespace HangDetection::Test
