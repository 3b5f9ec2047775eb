# Writes a C++ source with the text of one .sql file, as a const char*, and beside it that text as an .sql file
# for psql.
# usage: cmake -DSQL=find.sql -DNAME=find -DNAMESPACE=A::B -DHEADER=x.h -DOUT=find.cpp
#     [-DINSTEAD_OF=part.sql -DTAKE=other_part.sql] -P embed.cmake
#
# The text of part.sql replaces a line `--include part.sql`. That file lies in the same folder, and may include others. Lines that
# hold only a comment are left out: the server need not parse them, and Poco's own connector, which host-sim
# uses, takes a $1 in a comment for a placeholder.
get_filename_component(folder "${SQL}" DIRECTORY)
file(READ "${SQL}" text)
while(text MATCHES "--include ([a-z_]+[.]sql)")
    set(include "${CMAKE_MATCH_0}")
    set(part "${CMAKE_MATCH_1}")
    if(part STREQUAL "${INSTEAD_OF}")
        set(part "${TAKE}")
        set(is_taken TRUE)
    endif()
    file(READ "${folder}/${part}" included)
    string(REPLACE "${include}" "${included}" text "${text}")
endwhile()
if(INSTEAD_OF AND NOT is_taken)
    message(FATAL_ERROR "${SQL} does not include ${INSTEAD_OF}")
endif()

string(REGEX REPLACE "(^|\n)[ \t]*--[^\n]*" "\\1" text "${text}")
string(REGEX REPLACE "\n+" "\n" text "${text}")
string(REGEX REPLACE "[.]cpp$" ".sql" assembled "${OUT}")
file(WRITE "${assembled}" "${text}")
file(WRITE "${OUT}" "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n\n"
    "const char* const ${NAME} = R\"sql(${text})sql\";\n\n} // namespace ${NAMESPACE}\n")
