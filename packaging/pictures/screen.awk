# Draws what the demo leaves on its terminal, from the heading of its table on, as SVG. Its input is all that
# the demo has written: lines, with escape sequences for colours and for the place of the cursor.

BEGIN {
    escape = sprintf("%c", 27)
    colour["1"] = "class='strong'"
    colour["2"] = "class='faint'"
    colour["31"] = "class='bad'"
    colour["32"] = "class='good'"
    colour["33"] = "class='warning'"
}

{
    sub(/\r$/, "")
    gsub(escape "\\[[?0-9;]*[A-Za-ln-z]", "")
    plain = $0
    gsub(escape "\\[[0-9;]*m", "", plain)
    # The table is drawn again and again; the last one counts.
    if (plain ~ /^job +type +silence/)
        lines = 0
    line[++lines] = $0
}

/every effect is there/ { last = lines }

END {
    if (!last) {
        print "the demo has not come to its end" >"/dev/stderr"
        exit 1
    }
    height = 24 + 17 * last
    print "<svg xmlns='http://www.w3.org/2000/svg' width='900' height='" height "'" \
        " font-family='DejaVu Sans Mono, Menlo, Consolas, monospace' font-size='13' fill='#d0d0d0'>"
    print "<style>.strong{font-weight:bold;fill:#ffffff}.faint{fill:#909090}.bad{fill:#ff7b72}" \
        ".good{fill:#7ee787}.warning{fill:#e3b341}</style>"
    print "<rect width='100%' height='100%' rx='6' fill='#161b22'/>"
    for (i = 1; i <= last; ++i)
        print "<text xml:space='preserve' x='16' y='" 12 + 17 * i "'>" coloured(line[i]) "</text>"
    print "</svg>"
}

# Each colour lasts until the next escape sequence.
function coloured(text,    parts, count, i, code, content, result) {
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    count = split(text, parts, escape "\\[")
    result = parts[1]
    for (i = 2; i <= count; ++i) {
        code = content = parts[i]
        sub(/m.*/, "", code)
        sub(/^[0-9;]*m/, "", content)
        result = result (code in colour ? "<tspan " colour[code] ">" content "</tspan>" : content)
    }
    return result
}
