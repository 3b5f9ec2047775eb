# Writes a C++ source with the text of one .sql file, as a const char*, or as a Statement
# (plugin/data/Statements.h), which has a name, too.
# usage: cmake -DSQL=find.sql -DNAME=find -DNAMESPACE=A::B -DHEADER=x.h -DOUT=find.cpp
#     [-DTYPE=Statement] [-DVARIANT=find_more] -P embed.cmake
#
# Lines that hold only a comment stay out: Poco::Data takes a $1 in a comment for
# a placeholder, and the server need not parse explanations. Lines that begin with --+
# are part of the variant, a second text, and are comments otherwise.
function(strip_comments TEXT OUT)
    string(REGEX REPLACE "(^|\n)[ \t]*--[^\n]*" "\\1" text "${TEXT}")
    string(REGEX REPLACE "\n+" "\n" text "${text}")
    set(${OUT} "${text}" PARENT_SCOPE)
endfunction()

function(define NAME TEXT)
    if(TYPE STREQUAL "Statement")
        set(definition "const Statement ${NAME}{\"${NAME}\", R\"sql(${TEXT})sql\"};\n\n")
    else()
        set(definition "const char* const ${NAME} = R\"sql(${TEXT})sql\";\n\n")
    endif()
    set(definitions "${definitions}${definition}" PARENT_SCOPE)
endfunction()

file(READ "${SQL}" text)
strip_comments("${text}" plain)
define(${NAME} "${plain}")
if(VARIANT)
    string(REGEX REPLACE "(^|\n)[ \t]*--[+]" "\\1" text "${text}")
    strip_comments("${text}" more)
    define(${VARIANT} "${more}")
endif()
file(WRITE "${OUT}"
    "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n\n${definitions}} // namespace ${NAMESPACE}\n")
