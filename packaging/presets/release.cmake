# cmake -C packaging/presets/release.cmake -B build/release
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
