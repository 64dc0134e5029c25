# Compiles and links for macOS on Linux, with zig, which brings Apple's headers:
# CMAKE_SYSTEM_PROCESSOR is x86_64 or aarch64. See ./dev test --preset macos.
set(CMAKE_SYSTEM_NAME Darwin)
set(zig ${CMAKE_CURRENT_LIST_DIR}/zig)
set(CMAKE_CXX_COMPILER ${zig} c++ -target ${CMAKE_SYSTEM_PROCESSOR}-macos)
set(CMAKE_CXX_ARCHIVE_CREATE "${zig} ar qc <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_APPEND "${zig} ar q <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "${zig} ranlib <TARGET>")
set(CMAKE_OSX_SYSROOT "")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_SIZEOF_VOID_P 8)  # CMake's own look at it passes a flag that zig's linker refuses
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CMAKE_SYSTEM_PROCESSOR)
