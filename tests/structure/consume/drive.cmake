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
