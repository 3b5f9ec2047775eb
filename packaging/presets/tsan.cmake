# cmake -C packaging/presets/tsan.cmake -B build/tsan
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(HANG_DETECTOR_SANITIZE thread CACHE STRING "")
