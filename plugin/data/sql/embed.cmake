# Writes a C++ source with the text of one .sql file, as a const char*.
# usage: cmake -DSQL=find.sql -DNAME=find -DNAMESPACE=A::B -DHEADER=x.h -DOUT=find.cpp
#     [-DVARIANT=find_more] -P embed.cmake
#
# Lines that hold only a comment stay out, as the server need not parse explanations, and
# Poco's own connector, which host-sim uses, takes a $1 in a comment for a placeholder. Lines
# that begin with --+ are part of the variant, a second text, and are comments otherwise.
function(strip_comments TEXT OUT)
    string(REGEX REPLACE "(^|\n)[ \t]*--[^\n]*" "\\1" text "${TEXT}")
    string(REGEX REPLACE "\n+" "\n" text "${text}")
    set(${OUT} "${text}" PARENT_SCOPE)
endfunction()

function(define NAME TEXT)
    set(definition "const char* const ${NAME} = R\"sql(${TEXT})sql\";\n\n")
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
