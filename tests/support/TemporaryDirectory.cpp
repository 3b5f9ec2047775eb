#include "TemporaryDirectory.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace HangDetection::Test {

namespace fs = std::filesystem;

fs::path makeTemporaryDirectory()
{
    std::string path = (fs::temp_directory_path() / "hang-detector-test-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr)
        throw std::runtime_error(path + ": cannot be made");
    return path;
}

std::string textOf(const fs::path& file)
{
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

TemporaryDirectory::TemporaryDirectory() : _path(makeTemporaryDirectory()) {}

TemporaryDirectory::~TemporaryDirectory()
{
    std::error_code ignored;
    fs::remove_all(_path, ignored);
}

fs::path TemporaryDirectory::write(const std::string& name, const std::string& text) const
{
    fs::path file = _path / name;
    std::ofstream(file, std::ios::binary) << text;
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
    return file;
}

} // namespace HangDetection::Test
