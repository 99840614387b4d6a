# SPDX-License-Identifier: BSL-1.0
# Runs the fuzz target PROGRAM on every file of CORPUS, then on RUNS inputs made from them. What it
# finds goes to FOLDER. Memory is bounded, so that an allocation by an unchecked length is found.
file(REMOVE_RECURSE "${FOLDER}")
file(MAKE_DIRECTORY "${FOLDER}")
file(GLOB seeds "${CORPUS}/*")
if(NOT seeds)
  message(FATAL_ERROR "no corpus in ${CORPUS}")
endif()
execute_process(COMMAND "${PROGRAM}" ${seeds} RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} fails on its corpus: ${status}")
endif()
execute_process(
  COMMAND "${PROGRAM}" -seed=1 "-runs=${RUNS}" -max_len=5000 -malloc_limit_mb=64 -rss_limit_mb=1024
          -timeout=10 "-artifact_prefix=${FOLDER}/" -print_final_stats=1 "${FOLDER}" "${CORPUS}"
  RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} found something, see ${FOLDER}: ${status}")
endif()
