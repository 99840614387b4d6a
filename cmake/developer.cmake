# SPDX-License-Identifier: BSL-1.0
# What only this project's own programs get: warnings, and the client libraries that are there.
find_package(Threads REQUIRED)

add_library(holdfast_warnings INTERFACE)
target_compile_options(holdfast_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)

# Our programs over the backends: every client that was found.
add_library(holdfast_clients INTERFACE)
target_link_libraries(holdfast_clients INTERFACE holdfast::holdfast Threads::Threads)
foreach(client sqlite rocksdb lmdb)
  if(TARGET holdfast::${client})
    target_link_libraries(holdfast_clients INTERFACE holdfast::${client})
  endif()
endforeach()

# Says early, and in words, what a compiler would say late.
function(holdfast_need_clients what)
  foreach(client sqlite rocksdb lmdb)
    if(NOT TARGET holdfast::${client})
      message(FATAL_ERROR "${what} need the client library of ${client}: ./dev setup installs it")
    endif()
  endforeach()
endfunction()

# The sources matching a pattern under this folder, at any depth; a new file is seen at the next build.
function(holdfast_sources out pattern)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${pattern}")
  list(SORT found)
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# An executable of ours, if it has sources yet.
function(holdfast_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  if(NOT arg_SOURCES)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK} holdfast_warnings Threads::Threads)
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF RUNTIME_OUTPUT_DIRECTORY
                                                              "${PROJECT_BINARY_DIR}/bin")
endfunction()
