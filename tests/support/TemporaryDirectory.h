#pragma once

#include <filesystem>
#include <string>

namespace HangDetection::Test {

std::filesystem::path makeTemporaryDirectory();
/// A new one, which stays. Throws std::runtime_error when it cannot be made.

std::string textOf(const std::filesystem::path& file);
/// None when it is not there.

class TemporaryDirectory
/// A new directory that is removed with the object.
{
public:
    TemporaryDirectory();
    ~TemporaryDirectory();

    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::filesystem::path& path() const { return _path; }

    std::filesystem::path write(const std::string& name, const std::string& text) const;
    /// Makes a file, readable by its owner and group only, and returns its path.

    std::string read(const std::string& name) const { return textOf(_path / name); }

private:
    std::filesystem::path _path;
};

} // namespace HangDetection::Test
