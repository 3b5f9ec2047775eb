# cmake -C packaging/presets/fuzz.cmake -B build/fuzz
set(CMAKE_CXX_COMPILER clang++ CACHE STRING "")
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_CXX_FLAGS "-D_GLIBCXX_ASSERTIONS -fno-sanitize-recover=all" CACHE STRING "")
set(HANG_DETECTOR_SANITIZE fuzzer-no-link,address,undefined CACHE STRING "")
