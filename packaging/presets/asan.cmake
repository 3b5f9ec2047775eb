# cmake -C packaging/presets/asan.cmake -B build/asan
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(HANG_DETECTOR_SANITIZE address,undefined CACHE STRING "")
