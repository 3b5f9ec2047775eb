# Writes a C++ source with the text of one .sql file.
# usage: cmake -DSQL=find.sql -DNAME=find -DNAMESPACE=A::B -DHEADER=x.h -DOUT=find.cpp
#     [-DVARIANT=find_more] -P embed.cmake
#
# Lines that hold only a comment stay out: Poco::Data takes a $1 in a comment for
# a placeholder, and the server need not parse explanations. Lines that begin with --+
# are part of the variant, a second text, and are comments otherwise.
function(strip_comments TEXT OUT)
    string(REGEX REPLACE "(^|\n)[ \t]*--[^\n]*" "\\1" text "${TEXT}")
    string(REGEX REPLACE "\n+" "\n" text "${text}")
    set(${OUT} "${text}" PARENT_SCOPE)
endfunction()

file(READ "${SQL}" text)
strip_comments("${text}" plain)
set(definitions "const char* const ${NAME} = R\"sql(${plain})sql\";\n\n")
if(VARIANT)
    string(REGEX REPLACE "(^|\n)[ \t]*--[+]" "\\1" text "${text}")
    strip_comments("${text}" more)
    string(APPEND definitions "const char* const ${VARIANT} = R\"sql(${more})sql\";\n\n")
endif()
file(WRITE "${OUT}"
    "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n\n${definitions}} // namespace ${NAMESPACE}\n")
