# SPDX-License-Identifier: BSL-1.0
# The target that users link: holdfast::holdfast, headers only, Boost's headers its one dependency.
if(NOT TARGET Boost::headers)
  find_package(Boost 1.74 CONFIG REQUIRED)
endif()

add_library(holdfast INTERFACE)
add_library(holdfast::holdfast ALIAS holdfast)
target_compile_features(holdfast INTERFACE cxx_std_20)
target_link_libraries(holdfast INTERFACE Boost::headers)
target_sources(
  holdfast
  INTERFACE FILE_SET HEADERS
            BASE_DIRS "${PROJECT_SOURCE_DIR}/include"
            FILES ${HOLDFAST_HEADERS})

# A project that adds this one as a folder chooses its own warnings: ours are not its business.
if(NOT PROJECT_IS_TOP_LEVEL)
  target_include_directories(holdfast SYSTEM INTERFACE
                             "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>")
endif()
