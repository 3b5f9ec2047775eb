# Draws a dashboard of Grafana as SVG. Its input is the dashboard's JSON, one key a line. The Prometheus at
# -v server=URL answers its expressions, for the hour that begins at -v start=SECONDS.

{
    text = $0
    gsub(/^[^:]*: "|",?$/, "", text)
    gsub(/\\"/, "\"", text)
}

/^      "type":/ { type = text; unit = mappings = ""; most = 0; first = curves + 1 }
/^      "title":/ { title = text }
/^      "gridPos":/ { split($0, grid, /[^0-9]+/) }
/"unit": "s"/ { unit = "s" }
# Without thresholds, those of Grafana.
/"fieldConfig":/ { thresholds = "{\"color\": \"green\", \"value\": null}, {\"color\": \"red\", \"value\": 80}" }
/"steps":/ { thresholds = text }
/"options": [{]"0":/ { mappings = text }
/"expr":/ { expression = text }
/"legendFormat":/ { ask(expression, text) }
/"names":/ { columns = split(substr(text, index(text, "[")), column, /[^a-z]+/) }
/^    [}]/ { draw() }

END {
    print "<svg xmlns='http://www.w3.org/2000/svg' width='968' height='" bottom + 8 "'" \
        " font-family='Helvetica, Arial, sans-serif' font-size='11' fill='#b4b7bf'>"
    print "<style>.title{font-size:14px;fill:#eee}.green{fill:#73bf69}.orange{fill:#ff9830}.red{fill:#f2495c}</style>"
    print "<rect width='100%' height='100%' rx='6' fill='#111217'/>\n" svg "</svg>"
}

# Adds the curves of an expression, from lines such as 'name{cluster="hpc"} =>' and '60 @[1767261600]'.
function ask(expression, legend,    command, line, part, i) {
    gsub(/[$](cluster|instance)/, ".*", expression)
    sub(/[$]__rate_interval/, "4m", expression)
    command = "promtool query range --start=" start " --end=" start + 3600 " --step=1m " server " '" expression "'"
    while ((command | getline line) > 0)
        if (line ~ /=>$/) {
            labels[++curves] = line
            for (i = split(legend, part, /[{][{]|[}][}]/); i > 0; --i)
                name[curves] = (i % 2 ? part[i] : label(curves, part[i])) name[curves]
        } else if (split(line, part, /[^0-9.e+-]+/) > 1) {
            time[curves, ++points[curves]] = part[2] - start
            value[curves, points[curves]] = last[curves] = part[1] + 0
            most = last[curves] > most ? last[curves] : most
        }
    if (close(command) || line !~ /@/) {
        print "nothing for " expression >"/dev/stderr"
        exit 1
    }
}

function label(curve, key,    part) {
    split(labels[curve], part, "[{ ]" key "=\"")
    sub(/".*/, "", part[2])
    return part[2]
}

function draw(    i, j) {
    left = 40 * grid[2] + 8
    top = 30 * grid[3] + 8
    width = 40 * grid[4] - 8
    bottom = top + 30 * grid[5] - 8
    svg = svg "<rect x='" left "' y='" top "' width='" width "' height='" bottom - top "' rx='3' fill='#1b1e24'/>\n"
    write(left + 10, top + 20, "class='title'", title)
    for (i = first; i <= curves; ++i)
        if (type == "stat")
            drawNumber(i, top + 30 + (bottom - top - 28) / (curves - first + 1) * (i - first + 0.5))
        else if (type == "table")
            for (j = 2; j < columns; ++j) {
                write(left + 150 * j - 290, top + 46, "", column[j])
                write(left + 150 * j - 290, top + 46 + 20 * (i - first + 1), "", label(i, column[j]))
            }
    if (type == "timeseries")
        drawCurves(bottom - 16 * int((curves - first) / 2) - 44)
}

function write(x, y, attributes, text) {
    svg = svg "<text x='" x "' y='" y "' " attributes ">" text "</text>\n"
}

function drawNumber(i, y,    j, part, text, colour) {
    text = number(last[i])
    for (j = 2; j < split(thresholds, part, /[{]"color": "|", "value": |[}]/); j += 3)
        if (last[i] >= part[j + 1] + 0)
            colour = part[j]
    # As in "0": {"text": "down", "color": "red"}.
    if (split(substr(mappings, index(mappings, "\"" last[i] "\":")), part, "\"") > 9) {
        text = part[6]
        colour = part[10]
    }
    write(left + width / 2, y, "text-anchor='middle' class='" colour "' font-size='26'", text)
    if (curves > first)
        write(left + width / 2, y + 14, "text-anchor='middle'", name[i])
}

# With its unit, as Grafana writes it.
function number(value) {
    if (unit == "s")
        return value > 0 && value < 1 ? 1000 * value " ms" : value < 60 ? value " s" : value / 60 " min"
    return value
}

# Down to the line of zero; the times and the legend, in two columns, are below.
function drawCurves(zero,    i, j, x, y, step, up, right) {
    # 1, 2, 5, 10 and so on.
    step = unit == "s" ? 0.001 : 1
    while (step * 5 < most)
        step *= step ~ /2/ ? 2.5 : 2
    up = (zero - top - 38) / int(most / step + 0.999)
    for (i = 0; i < most / step + 0.999; ++i) {
        svg = svg "<path stroke='#33363d' d='M" left + 48 " " zero - up * i "H" left + width - 24 "'/>\n"
        write(left + 42, zero - up * i + 4, "text-anchor='end'", number(i * step))
    }
    right = (width - 72) / 3600
    for (i = 0; i <= 3600; i += 900)
        write(left + 48 + right * i, zero + 18, "text-anchor='middle'",
            sprintf("%02d:%02d", (start + i) / 3600 % 24, i / 60 % 60))
    split("#73bf69 #f2cc0c #6e9fff #ff9830 #f2495c #b877d9 #5ac8c8", colours, " ")
    for (i = first; i <= curves; ++i) {
        svg = svg "<path fill='none' stroke-width='1.5' stroke='" colours[i - first + 1] "' d='"
        for (j = 1; j <= points[i]; ++j)
            svg = svg (j > 1 ? "L" : "M") int(left + 48 + right * time[i, j]) " " int(zero - up * value[i, j] / step)
        x = left + 12 + (i - first) % 2 * width / 2
        y = zero + 36 + 16 * int((i - first) / 2)
        svg = svg "M" x " " y - 4 "h16'/>\n"
        write(x + 22, y, "", name[i])
    }
}
