# SPDX-License-Identifier: BSL-1.0
# Takes holdfast in one WAY into the project of this folder, which is configured, built and run.
function(must_run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "failed (${status}): ${command}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
set(arguments -DWAY=${WAY} -DHOLDFAST_SOURCE=${HOLDFAST_SOURCE} -DSQLITE=${SQLITE}
              -DROCKSDB=${ROCKSDB} -DLMDB=${LMDB})
if(WAY STREQUAL "find_package")
  must_run(${CMAKE_COMMAND} --install ${HOLDFAST_BUILD} --prefix ${WORK}/prefix)
  list(APPEND arguments -DCMAKE_PREFIX_PATH=${WORK}/prefix)
elseif(WAY STREQUAL "fetch_content")
  list(APPEND arguments -DFETCHCONTENT_SOURCE_DIR_HOLDFAST=${HOLDFAST_SOURCE}
       -DFETCHCONTENT_FULLY_DISCONNECTED=ON)
endif()

if(WAY STREQUAL "pkg_config")
  must_run(${CMAKE_COMMAND} --install ${HOLDFAST_BUILD} --prefix ${WORK}/prefix)
  set(ENV{PKG_CONFIG_PATH} ${WORK}/prefix/share/pkgconfig)
  execute_process(COMMAND pkg-config --cflags holdfast OUTPUT_VARIABLE flags
                          OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  must_run(${CXX} -std=c++20 -Wall -Wextra -Werror ${flags} ${CMAKE_CURRENT_LIST_DIR}/main.cpp -o
           ${WORK}/consumer)
  must_run(${WORK}/consumer)
  return()
elseif(WAY STREQUAL "meson")
  # The subproject as its wrap lays it out: a checkout with the build file put into it.
  set(project ${WORK}/project)
  file(COPY ${HOLDFAST_SOURCE}/include ${HOLDFAST_SOURCE}/packaging/meson/packagefiles/holdfast/
       DESTINATION ${project}/subprojects/holdfast)
  file(COPY ${CMAKE_CURRENT_LIST_DIR}/main.cpp DESTINATION ${project})
  file(WRITE ${project}/meson.build
       "project('consumer', 'cpp', default_options: ['cpp_std=c++20', 'werror=true'])\n"
       "executable('consumer', 'main.cpp', dependencies: dependency('holdfast'))\n")
  set(ENV{CXX} ${CXX})
  must_run(meson setup --force-fallback-for=holdfast ${WORK}/build ${project})
  must_run(meson compile -C ${WORK}/build)
  must_run(${WORK}/build/consumer)
  return()
endif()

must_run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -G ${GENERATOR}
         -DCMAKE_CXX_COMPILER=${CXX} ${arguments})
must_run(${CMAKE_COMMAND} --build ${WORK}/build)
must_run(${WORK}/build/consumer)

# As a part of another project, holdfast installs nothing of its own.
if(NOT WAY STREQUAL "find_package")
  must_run(${CMAKE_COMMAND} --install ${WORK}/build --prefix ${WORK}/installed)
  file(GLOB_RECURSE installed "${WORK}/installed/*")
  if(installed)
    message(FATAL_ERROR "a project that contains holdfast installs it: ${installed}")
  endif()
endif()
