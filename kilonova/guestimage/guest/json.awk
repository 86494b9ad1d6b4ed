# Reads one JSON document and prints a line "path<TAB>value" for each string, number and word in it, in order:
# {"a": {"b": ["x"]}} gives "a.b.0<TAB>x". Line ends, tabs and backslashes in names and values come out as \n, \t and \\.
{ text = text $0 "\n" }
END { rest = text; value("") }

function skip() { sub(/^[ \t\r\n]+/, "", rest) }

function value(path,   first) {
  skip()
  first = substr(rest, 1, 1)
  if (first == "{") members(path)
  else if (first == "[") items(path)
  else if (first == "\"") print path "\t" string()
  else if (match(rest, /^[-+.0-9A-Za-z]+/)) { print path "\t" substr(rest, 1, RLENGTH); rest = substr(rest, RLENGTH + 1) }
  else exit 1
}

function members(path,   name) {
  rest = substr(rest, 2); skip()
  if (substr(rest, 1, 1) == "}") { rest = substr(rest, 2); return }
  while (1) {
    skip(); name = string(); skip()
    if (substr(rest, 1, 1) != ":") exit 1
    rest = substr(rest, 2)
    value(path == "" ? name : path "." name)
    if (!more("}")) return
  }
}

function items(path,   i) {
  rest = substr(rest, 2); skip()
  if (substr(rest, 1, 1) == "]") { rest = substr(rest, 2); return }
  for (i = 0; ; i++) {
    value(path == "" ? i : path "." i)
    if (!more("]")) return
  }
}

# After a member: true for a comma, false for the closing mark, and anything else is not JSON.
function more(closing,   mark) {
  skip(); mark = substr(rest, 1, 1); rest = substr(rest, 2)
  if (mark == closing) return 0
  if (mark != ",") exit 1
  return 1
}

function string(   out, mark) {
  if (substr(rest, 1, 1) != "\"") exit 1
  rest = substr(rest, 2); out = ""
  while (match(rest, /["\\]/)) {
    out = out substr(rest, 1, RSTART - 1)
    mark = substr(rest, RSTART, 1); rest = substr(rest, RSTART + 1)
    if (mark == "\"") { gsub(/\n/, "\\n", out); gsub(/\t/, "\\t", out); return out }
    out = out escaped()
  }
  exit 1
}

function escaped(   mark) {
  mark = substr(rest, 1, 1); rest = substr(rest, 2)
  if (mark == "n") return "\\n"
  if (mark == "t") return "\\t"
  if (mark == "r" || mark == "b" || mark == "f") return ""
  if (mark == "\\") return "\\\\"
  if (mark == "u") return unicode()
  return mark
}

function unicode(   code, low) {
  code = hex(substr(rest, 1, 4)); rest = substr(rest, 5)
  if (code >= 55296 && code < 56320 && substr(rest, 1, 2) == "\\u") {
    low = hex(substr(rest, 3, 4)); rest = substr(rest, 7)
    code = 65536 + (code - 55296) * 1024 + low - 56320
  }
  if (code == 10) return "\\n"
  if (code == 9) return "\\t"
  if (code == 92) return "\\\\"
  if (code < 32) return ""
  if (code < 128) return sprintf("%c", code)
  if (code < 2048) return byte(192 + int(code / 64)) byte(128 + code % 64)
  if (code < 65536) return byte(224 + int(code / 4096)) byte(128 + int(code / 64) % 64) byte(128 + code % 64)
  return byte(240 + int(code / 262144)) byte(128 + int(code / 4096) % 64) byte(128 + int(code / 64) % 64) byte(128 + code % 64)
}

function byte(n) { return sprintf("%c", n) }

function hex(digits,   i, n) {
  for (i = 1; i <= 4; i++) n = n * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
  return n
}
