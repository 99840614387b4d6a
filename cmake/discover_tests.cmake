# SPDX-License-Identifier: BSL-1.0
# Writes into FILE one add_test for each TEST_CASE of PROGRAM. Run after PROGRAM is linked.
# Catch2's own script does the same, but splits a name at a semicolon, and then runs nothing.
if(NOT LIST_ARGUMENTS)
  message(FATAL_ERROR "no arguments that make ${PROGRAM} list its tests: it would run them")
endif()
execute_process(COMMAND ${EMULATOR} "${PROGRAM}" ${LIST_ARGUMENTS} OUTPUT_VARIABLE names
                ERROR_VARIABLE errors RESULT_VARIABLE status)
# Catch2 2 exits with the number of tests; a crash is a word or negative, none at all is a mistake.
if(NOT status MATCHES "^[0-9]+$" OR names STREQUAL "")
  message(FATAL_ERROR "${PROGRAM} lists no tests (${status}): ${errors}")
endif()

set(script "")
while(names MATCHES "^ *([^\n]+)\n?")
  string(LENGTH "${CMAKE_MATCH_0}" length)
  set(name "${CMAKE_MATCH_1}")
  string(SUBSTRING "${names}" ${length} -1 names)
  # What a test specification would read as syntax.
  string(REGEX REPLACE [[([],\"[])]] [[\\\1]] selected "${name}")
  string(APPEND script "add_test([==[${PREFIX}: ${name}${SUFFIX}]==] ")
  foreach(argument IN LISTS EMULATOR PROGRAM)
    string(APPEND script "[==[${argument}]==] ")
  endforeach()
  # A name that selects nothing would pass: no test run is a failure.
  string(APPEND script "[==[${selected}]==])\n"
         "set_tests_properties([==[${PREFIX}: ${name}${SUFFIX}]==] PROPERTIES TIMEOUT 300\n"
         "  FAIL_REGULAR_EXPRESSION \"No test cases matched|No tests ran\")\n")
endwhile()
file(WRITE "${FILE}" "${script}")
