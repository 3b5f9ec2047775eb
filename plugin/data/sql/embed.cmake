# Writes a C++ source with the text of one .sql file.
# usage: cmake -DSQL=find.sql -DNAME=find -DNAMESPACE=A::B -DHEADER=x.h -DOUT=find.cpp -P embed.cmake
#
# Lines that hold only a comment stay out: Poco::Data takes a $1 in a comment for
# a placeholder, and the server need not parse explanations.
file(READ "${SQL}" text)
string(REGEX REPLACE "(^|\n)[ \t]*--[^\n]*" "\\1" text "${text}")
string(REGEX REPLACE "\n+" "\n" text "${text}")
file(WRITE "${OUT}"
    "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n\n"
    "const char* const ${NAME} = R\"sql(${text})sql\";\n\n} // namespace ${NAMESPACE}\n")
